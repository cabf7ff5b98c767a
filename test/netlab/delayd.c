/* delayd - userspace delay line for network namespaces (no sch_netem needed).
 *
 * Each link is two TAP devices, one in each of two namespaces. delayd holds both
 * file descriptors and carries every Ethernet frame from one to the other, late,
 * dropped or rate-limited as configured. Real packets: TCP, UDP, ARP, ND alike.
 *
 * usage: delayd CTL_SOCKET < spec     (spec lines: NAME nsA ifA nsB ifB mtu [k=v ...])
 * control (unix stream, one command per line, reply ends with a line "."):
 *   set LINK k=v ...   keys: delay jitter (ms)  loss (%)  rate (Mbit/s, 0=off)
 *                            queue (ms of rate backlog)  reorder (0/1)  gso (0/1)
 *                            noudp (0/1): UDP vanishes, all else passes, as behind many a firewall
 *                            mtu (bytes of an IP packet, 0=off): longer ones vanish, and nobody is told
 *                            dup (%): come twice
 *   cut LINK | heal LINK       silent drop (also of what is in flight)
 *   unplug LINK | plug LINK    carrier off/on at both ends
 *   stats | show               counters / settings per direction; urx, urxb, uloss: of them UDP (received, its bytes, lost)
 * LINK is "a-h1" (both directions) or "a:h1" (from a to h1 only), or "all".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#define HDR ((int)sizeof(struct virtio_net_hdr))
#define MAXDIR 512
typedef int64_t ns_t;

struct dir {
    char name[64], link[64];   /* "a:h1", "a-h1" */
    int in, out;               /* tap fds */
    ns_t delay, jitter, queue;
    double loss, dup, rate;    /* probabilities; bits per ns */
    int reorder, gso, cut, noudp, mtu;
    ns_t last, busy;           /* last deadline (FIFO), rate clock */
    uint64_t rx, rxb, tx, txb, urx, urxb, uloss, d_loss, d_cut, d_udp, d_mtu, d_queue, d_write;
} D[MAXDIR];
static int nd;

struct pkt { ns_t t; uint64_t seq; struct dir *d; int len; char data[]; };
static struct pkt **heap; static size_t hn, hcap; static uint64_t seq;

static ns_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
static uint64_t rs = 88172645463325252ULL;
static double rnd(void) { rs ^= rs << 13; rs ^= rs >> 7; rs ^= rs << 17; return (rs >> 11) * (1.0 / 9007199254740992.0); }
static int before(struct pkt *a, struct pkt *b) { return a->t < b->t || (a->t == b->t && a->seq < b->seq); }

static void push(struct pkt *p) {
    if (hn == hcap) { hcap = hcap ? hcap * 2 : 4096; heap = realloc(heap, hcap * sizeof *heap); }
    size_t i = hn++;
    while (i && before(p, heap[(i - 1) / 2])) { heap[i] = heap[(i - 1) / 2]; i = (i - 1) / 2; }
    heap[i] = p;
}
static struct pkt *pop(void) {
    struct pkt *r = heap[0], *l = heap[--hn]; size_t i = 0, c;
    while ((c = 2 * i + 1) < hn) {
        if (c + 1 < hn && before(heap[c + 1], heap[c])) c++;
        if (!before(heap[c], l)) break;
        heap[i] = heap[c]; i = c;
    }
    heap[i] = l;
    return r;
}
static void emit(struct dir *d, const char *b, int n) {
    if (d->cut) { d->d_cut++; return; }
    if (write(d->out, b, n) == n) { d->tx++; d->txb += n - HDR; } else d->d_write++;
}
/* Ethernet II: type at 12; IPv4 protocol at 14 + 9, IPv6 next header at 14 + 6; 17 is UDP. */
static int is_udp(const char *f, int n) {
    const unsigned char *e = (const unsigned char *)f + HDR;
    if (n < HDR + 34) return 0;
    int type = e[12] << 8 | e[13];
    return (type == 0x0800 && e[23] == 17) || (type == 0x86dd && e[20] == 17);
}
static void late(struct dir *d, const char *b, int n) {
    if (d->delay == 0 && d->jitter == 0 && d->rate == 0) { emit(d, b, n); return; }
    ns_t t = now(), at = t;
    if (d->rate > 0) {
        if (d->busy < t) d->busy = t;
        if (d->busy - t > d->queue) { d->d_queue++; return; }
        d->busy += (ns_t)((n - HDR) * 8 / d->rate);
        at = d->busy;
    }
    at += d->delay;
    if (d->jitter) at += (ns_t)(d->jitter * (2 * rnd() - 1));
    if (at < t) at = t;
    if (!d->reorder) { if (at < d->last) at = d->last; d->last = at; }
    struct pkt *p = malloc(sizeof *p + n);
    p->t = at; p->seq = seq++; p->d = d; p->len = n; memcpy(p->data, b, n);
    push(p);
}
static void frame(struct dir *d, const char *b, int n) {
    int udp = is_udp(b, n);
    d->rx++; d->rxb += n - HDR;
    if (udp) { d->urx++; d->urxb += n - HDR; }
    if (d->cut) { d->d_cut++; return; }
    if (d->noudp && udp) { d->d_udp++; return; }
    if (d->mtu && n - HDR - 14 > d->mtu) { d->d_mtu++; return; }
    if (d->loss > 0 && rnd() < d->loss) { d->d_loss++; d->uloss += udp; return; }
    if (d->dup > 0 && rnd() < d->dup) late(d, b, n);
    late(d, b, n);
}

static int opentap(const char *ns, const char *ifn) {
    char path[256]; snprintf(path, sizeof path, "/run/netns/%s", ns);
    int nf = open(path, O_RDONLY | O_CLOEXEC);
    if (nf < 0 || setns(nf, CLONE_NEWNET)) { perror(path); exit(1); }
    close(nf);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq r; memset(&r, 0, sizeof r);
    snprintf(r.ifr_name, IFNAMSIZ, "%s", ifn);
    r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r)) { perror(ifn); exit(1); }
    int sz = HDR; ioctl(fd, TUNSETVNETHDRSZ, &sz);
    ioctl(fd, TUNSETOFFLOAD, 0);
    return fd;
}
static void setgso(struct dir *d, int on) {
    unsigned f = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    d->gso = on;
    if (!on) ioctl(d->in, TUNSETOFFLOAD, 0);
    else if (ioctl(d->in, TUNSETOFFLOAD, f | TUN_F_USO4 | TUN_F_USO6)) ioctl(d->in, TUNSETOFFLOAD, f);
}
static int setkv(struct dir *d, const char *kv) {
    const char *e = strchr(kv, '='); if (!e) return -1;
    double v = atof(e + 1); size_t k = e - kv;
#define K(s) (k == strlen(s) && !strncmp(kv, s, k))
    if (K("delay")) d->delay = v * 1e6;
    else if (K("jitter")) d->jitter = v * 1e6;
    else if (K("loss")) d->loss = v / 100;
    else if (K("rate")) { d->rate = v / 1000; d->busy = 0; }
    else if (K("queue")) d->queue = v * 1e6;
    else if (K("reorder")) d->reorder = v != 0;
    else if (K("gso")) setgso(d, v != 0);
    else if (K("noudp")) d->noudp = v != 0;
    else if (K("mtu")) d->mtu = v;
    else if (K("dup")) d->dup = v / 100;
    else return -1;
    d->last = 0;
    return 0;
}
static void command(char *line, FILE *o) {
    char *sp, *c = strtok_r(line, " \t\r\n", &sp), *l = strtok_r(NULL, " \t\r\n", &sp);
    struct timespec ts; int hits = 0;
    if (!c) { fprintf(o, "err empty\n.\n"); return; }
    if (!strcmp(c, "show") || !strcmp(c, "stats")) {
        for (int i = 0; i < nd; i++) { struct dir *d = &D[i];
            if (l && strcmp(l, d->name) && strcmp(l, d->link)) continue;
            if (*c == 's' && c[1] == 'h')
                fprintf(o, "%s delay=%g jitter=%g loss=%g rate=%g queue=%g reorder=%d gso=%d noudp=%d mtu=%d dup=%g%s\n", d->name, d->delay / 1e6, d->jitter / 1e6,
                    d->loss * 100, d->rate * 1000, d->queue / 1e6, d->reorder, d->gso, d->noudp, d->mtu, d->dup * 100, d->cut ? " CUT" : "");
            else fprintf(o, "%s rx=%lu rxb=%lu tx=%lu txb=%lu loss=%lu cut=%lu udp=%lu mtu=%lu queue=%lu write=%lu urx=%lu urxb=%lu uloss=%lu\n", d->name, d->rx, d->rxb,
                    d->tx, d->txb, d->d_loss, d->d_cut, d->d_udp, d->d_mtu, d->d_queue, d->d_write, d->urx, d->urxb, d->uloss);
        }
        fprintf(o, ".\n"); return;
    }
    char *kv[16]; int nk = 0, bad = 0; while (nk < 16 && (kv[nk] = strtok_r(NULL, " \t\r\n", &sp))) nk++;
    for (int i = 0; i < nd; i++) { struct dir *d = &D[i];
        if (!l || (strcmp(l, "all") && strcmp(l, d->name) && strcmp(l, d->link))) continue;
        hits++;
        if (!strcmp(c, "cut")) d->cut = 1;
        else if (!strcmp(c, "heal")) { d->cut = 0; d->last = d->busy = 0; }
        else if (!strcmp(c, "set")) { for (int j = 0; j < nk; j++) if (setkv(d, kv[j])) bad = 1; }
        else if (!strcmp(c, "unplug") || !strcmp(c, "plug")) { int on = *c == 'p'; ioctl(d->in, TUNSETCARRIER, &on); }
        else bad = 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &ts);
    if (bad || !hits) fprintf(o, "err %s\n.\n", hits ? "bad command or key" : "no such link");
    else fprintf(o, "ok %ld.%09ld\n.\n", (long)ts.tv_sec, ts.tv_nsec);   /* CLOCK_MONOTONIC of the change */
}

int main(int ac, char **av) {
    if (ac < 2) { fprintf(stderr, "usage: delayd CTL_SOCKET < spec\n"); return 2; }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1UL);
    mlockall(MCL_CURRENT);
    struct sched_param prio = { .sched_priority = 1 };
    if (!getenv("DELAYD_NORT")) sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &prio);
    char line[1024];
    while (fgets(line, sizeof line, stdin)) {
        char *sp, *f[5]; int i = 0;
        for (char *p = strtok_r(line, " \n", &sp); p && i < 5; p = i < 5 ? strtok_r(NULL, " \n", &sp) : p) f[i++] = p;
        if (i < 5) continue;
        if (nd + 2 > MAXDIR) { fprintf(stderr, "too many links\n"); return 1; }
        int fa = opentap(f[1], f[2]), fb = opentap(f[3], f[4]);
        struct dir *x = &D[nd++], *y = &D[nd++];
        /* interface name = peer name, so "b's interface" names the a end and vice versa */
        snprintf(x->name, sizeof x->name, "%s:%s", f[4], f[2]); snprintf(y->name, sizeof y->name, "%s:%s", f[2], f[4]);
        snprintf(x->link, sizeof x->link, "%s", f[0]); snprintf(y->link, sizeof y->link, "%s", f[0]);
        x->in = y->out = fa; x->out = y->in = fb; x->queue = y->queue = 100000000;
        char *p; while ((p = strtok_r(NULL, " \n", &sp))) { if (setkv(x, p) | setkv(y, p)) { fprintf(stderr, "bad option %s\n", p); return 1; } }
    }
    int ep = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < nd; i++) { struct epoll_event e = { .events = EPOLLIN, .data.u32 = i }; epoll_ctl(ep, EPOLL_CTL_ADD, D[i].in, &e); }
    int ls = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un un = { .sun_family = AF_UNIX }; snprintf(un.sun_path, sizeof un.sun_path, "%s", av[1]); unlink(av[1]);
    if (bind(ls, (void *)&un, sizeof un) || listen(ls, 16)) { perror(av[1]); return 1; }
    struct epoll_event e = { .events = EPOLLIN, .data.u32 = MAXDIR }; epoll_ctl(ep, EPOLL_CTL_ADD, ls, &e);
    static char buf[HDR + 70000];
    for (;;) {
        struct epoll_event ev[64]; struct timespec to, *tp = NULL;
        if (hn) { ns_t w = heap[0]->t - now(); if (w < 0) w = 0; to.tv_sec = w / 1000000000; to.tv_nsec = w % 1000000000; tp = &to; }
        int n = epoll_pwait2(ep, ev, 64, tp, NULL);
        if (n < 0 && errno != EINTR) { perror("epoll"); return 1; }
        for (int i = 0; i < n; i++) {
            uint32_t u = ev[i].data.u32;
            if (u < MAXDIR) {
                for (int k = 0; k < 32; k++) {
                    int r = read(D[u].in, buf, sizeof buf);
                    if (r <= HDR) break;
                    frame(&D[u], buf, r);
                }
            } else if (u == MAXDIR) {
                int c = accept4(ls, NULL, NULL, SOCK_CLOEXEC);
                struct epoll_event ce = { .events = EPOLLIN, .data.u32 = MAXDIR + 1 + c }; if (c >= 0) epoll_ctl(ep, EPOLL_CTL_ADD, c, &ce);
            } else {
                int c = u - MAXDIR - 1, r = read(c, buf, 4096);
                if (r <= 0) { close(c); continue; }
                buf[r] = 0;
                char *out; size_t ol; FILE *o = open_memstream(&out, &ol); char *sp;
                char *cmds = strdup(buf);
                for (char *l = strtok_r(cmds, "\n", &sp); l; l = strtok_r(NULL, "\n", &sp)) command(l, o);
                fclose(o); free(cmds);
                if (write(c, out, ol) < 0) close(c);
                free(out);
            }
        }
        for (ns_t t; hn && heap[0]->t <= (t = now());) { struct pkt *p = pop(); emit(p->d, p->data, p->len); free(p); }
    }
}
