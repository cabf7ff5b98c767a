#!/usr/bin/env python3
"""lab.py: network namespaces joined by links with real delay, jitter, loss, rate and silent cuts.

  lab.py up SPEC               build what the file SPEC says: lines `link X Y [delay=ms ...]`, or `link X Y veth` (no delayd: fast, without faults)
  lab.py hold                  the same from standard input up to an empty line; down when standard input ends
  lab.py down                  remove everything, and the processes left in the lab's namespaces
  lab.py cut LINK | heal LINK  silent drop both ways (LINK a-h1) or one way (a:h1), or `all`
  lab.py set LINK delay=ms jitter=ms loss=% rate=Mbit queue=ms reorder=0|1 gso=0|1 noudp=0|1 mtu=bytes dup=%
  lab.py show [LINK] | stats [LINK]
  lab.py addr X Y              X's address on its link with Y
  lab.py exec HOST CMD...      run a command in a host
Option -n NAME before the command: several labs side by side (default `lab`).
"""
import json, os, shutil, signal, socket, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))


def run(*cmd, check=True):
    return subprocess.run(cmd, check=check, text=True, stdout=subprocess.PIPE, stderr=None if check else subprocess.DEVNULL).stdout


def own_directory():
    """Ours alone: what root runs from a temporary directory must not be somebody else's."""
    path = os.path.join(tempfile.gettempdir(), f'causeway-netlab-{os.getuid()}')
    os.makedirs(path, mode=0o700, exist_ok=True)
    if os.lstat(path).st_uid != os.getuid(): raise SystemExit(f'lab.py: {path} belongs to somebody else; remove it or set TMPDIR')
    return path


class Lab:
    def __init__(self, name):
        self.name = name
        self.dir = os.path.join(own_directory(), name)
        self.conf = os.path.join(self.dir, 'lab.json')
        self.hosts, self.links = [], []
        if os.path.exists(self.conf):
            with open(self.conf) as f: c = json.load(f)
            self.hosts, self.links = c['hosts'], c['links']

    # ---- names and addresses: link number i is 10.77.i.0/24 and fd77:0:0:i::/64; .1 is the host named first
    def ns(self, host): return f'{self.name}-{host}'

    def addr(self, x, y, v6=False):
        for i, (p, q, _) in enumerate(self.links, 1):
            if {x, y} == {p, q}:
                end = 1 if x == p else 2
                return f'fd77:0:0:{i:x}::{end}' if v6 else f'10.77.{i}.{end}'
        raise ValueError(f'no link {x}-{y}')

    # ---- build and remove
    def up(self, lines):
        if self.hosts: raise ValueError(f'the lab {self.name} is up; take it down first')
        os.makedirs(self.dir, mode=0o700)
        for line in lines:
            words = line.split('#')[0].split()
            if not words: continue
            if words[0] != 'link' or len(words) < 3: raise ValueError(f'"{line}" is not `link X Y [key=value ...]`')
            for host in words[1:3]:
                if host not in self.hosts: self.hosts.append(host)
            self.links.append((words[1], words[2], words[3:]))
        with open(self.conf, 'w') as f: json.dump({'hosts': self.hosts, 'links': self.links}, f)
        for host in self.hosts: run('ip', 'netns', 'add', self.ns(host))
        for p, q, options in self.links:
            if options == ['veth']:
                run('ip', 'link', 'add', 'name', q, 'netns', self.ns(p), 'type', 'veth', 'peer', 'name', p, 'netns', self.ns(q))
        self.start_delayd()
        for host in self.hosts:
            commands = ['link set lo up']
            for i, (p, q, _) in enumerate(self.links, 1):
                if host not in (p, q): continue
                peer, end = (q, 1) if host == p else (p, 2)
                # Fixed MACs and permanent neighbours: a cut link stays silent and never turns into "host unreachable".
                commands += [f'link set dev {peer} address 02:00:00:00:{i:02x}:0{end}']
                commands += [f'neigh replace {to} lladdr 02:00:00:00:{i:02x}:0{3 - end} nud permanent dev {peer}'
                             for to in (self.addr(peer, host), self.addr(peer, host, True), f'fe80::ff:fe00:{i * 256 + 3 - end:x}')]
                commands += [f'addr add {self.addr(host, peer)}/24 dev {peer}', f'addr add {self.addr(host, peer, True)}/64 dev {peer} nodad',
                             f'link set dev {peer} txqueuelen 10000 up']
            subprocess.run(['ip', '-n', self.ns(host), '-batch', '-'], input='\n'.join(commands), text=True, check=True)

    def start_delayd(self):
        exe, ctl, log = (os.path.join(self.dir, name) for name in ('delayd', 'ctl', 'delayd.log'))
        run('gcc', '-O2', '-Wall', '-o', exe, os.path.join(HERE, 'delayd.c'))
        with open(log, 'w') as out:
            delayd = subprocess.Popen([exe, ctl], stdin=subprocess.PIPE, start_new_session=True, stdout=out, stderr=subprocess.STDOUT)
        with open(os.path.join(self.dir, 'delayd.pid'), 'w') as f: f.write(str(delayd.pid))
        spec = ''.join(f'{x}-{y} {self.ns(x)} {y} {self.ns(y)} {x} {" ".join(options)}\n' for x, y, options in self.links if options != ['veth'])
        try: delayd.communicate(spec.encode(), timeout=0.05)
        except subprocess.TimeoutExpired: pass
        for _ in range(500):
            if os.path.exists(ctl): return
            if delayd.poll() is not None: break
            time.sleep(0.01)
        with open(log) as f: raise ValueError('delayd did not start: ' + f.read().strip())

    def down(self):
        for host in self.hosts:
            for sig in (signal.SIGTERM, signal.SIGKILL):
                pids = [int(pid) for pid in run('ip', 'netns', 'pids', self.ns(host), check=False).split()]
                for pid in pids:
                    try: os.kill(pid, sig)
                    except ProcessLookupError: pass
                if not pids: break
                time.sleep(0.2)
        try:
            with open(os.path.join(self.dir, 'delayd.pid')) as f: pid = int(f.read())
            with open(f'/proc/{pid}/cmdline') as f: ours = self.dir in f.read()
            if ours: os.kill(pid, signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError, ValueError): pass
        for host in self.hosts: run('ip', 'netns', 'del', self.ns(host), check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.hosts, self.links = [], []

    # ---- orders to delayd; an answer names the CLOCK_MONOTONIC of the change
    def order(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.dir, 'ctl'))
            s.sendall(command.encode() + b'\n')
            out = b''
            while not out.endswith(b'.\n'):
                data = s.recv(65536)
                if not data: raise ConnectionError('delayd is gone')
                out += data
        text = out[:-2].decode()
        if text.startswith('err'): raise ValueError(f'{command}: {text.strip()}')
        return text.strip()


def hold(lab):
    """For programs: the lab lives exactly as long as who holds our standard input, however that one ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        lab.up(iter(lambda: sys.stdin.readline().strip(), ''))
        addresses = {f'{x}:{y}': lab.addr(x, y) for p, q, _ in lab.links for x, y in ((p, q), (q, p))}
        print(json.dumps({'dir': lab.dir, 'namespaces': {h: lab.ns(h) for h in lab.hosts}, 'addresses': addresses}), flush=True)
        sys.stdin.read()
    finally: lab.down()


def main(av):
    name = 'lab'
    if av[:1] == ['-n']: name, av = av[1], av[2:]
    command, av = (av[0], av[1:]) if av else ('help', [])
    lab = Lab(name)
    if command == 'up':
        with open(av[0]) as f: lines = f.read().splitlines()
        lab.up(lines)
        for p, q, options in lab.links: print(f'{p}-{q:4} {lab.addr(p, q):12} {lab.addr(q, p):12} {" ".join(options)}')
    elif command == 'hold': hold(lab)
    elif command == 'down': lab.down()
    elif command in ('cut', 'heal', 'set', 'show', 'stats'): print(lab.order(' '.join([command] + av)))
    elif command == 'addr': print(lab.addr(*av))
    elif command == 'exec': os.execvp('ip', ['ip', 'netns', 'exec', lab.ns(av[0])] + av[1:])
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == '__main__':
    try: sys.exit(main(sys.argv[1:]))
    except (ValueError, ConnectionError, FileNotFoundError, subprocess.CalledProcessError) as e:
        print('lab.py:', e, file=sys.stderr)
        sys.exit(1)
