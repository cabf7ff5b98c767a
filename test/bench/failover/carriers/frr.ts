/** FRR's OSPF, its neighbours watched by BFD at 50 ms × 3, and nothing held back when it computes: the quickest router that people run. */
import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Lab } from '../../../netlab/lab.ts'
import { type Carriage, type Carrier, loopbackOf, makeRouters, overUdp } from '../carrier.ts'
import { delayBetween } from '../topology.ts'

const BINARIES = '/usr/lib/frr'
/** One after the other: each expects the socket of the one before. */
const START_MS = 300

const frr = {
  mode: 'OSPF hello 1 s, BFD 50 ms × 3, no throttles',
  programs: { [`${BINARIES}/ospfd`]: 'frr' },
  restMs: 8_000,
  patienceMs: 15_000,
}

export const FRR: Carrier = { name: 'frr', ...frr, start: async (lab, directory) => overUdp(...(await startRouters(lab, directory))) }

export const TCP_OVER_FRR: Carrier = {
  name: 'tcp-frr',
  ...frr,
  mode: 'one TCP connection over frr',
  start: async (lab, directory): Promise<Carriage> => {
    const [, b] = await startRouters(lab, directory)
    return { a: { type: 'tcp', side: 'a', host: b }, b: { type: 'tcp', side: 'b', host: b } }
  },
}

async function startRouters(lab: Lab, directory: string): Promise<[string, string]> {
  makeRouters(lab)
  const [uid = 0, gid = 0] = ['-u', '-g'].map((which) => Number(spawnSync('id', [which, 'frr'], { encoding: 'utf8' }).stdout))
  chownSync(directory, uid, gid)
  for (const host of lab.hosts) {
    mkdirSync(join(directory, host))
    chownSync(join(directory, host), uid, gid)
  }
  for (const daemon of ['zebra', 'bfdd', 'ospfd'] as const) {
    for (const host of lab.hosts) {
      const own = (name: string): string => join(directory, host, name)
      writeFileSync(own(`${daemon}.conf`), CONFIGS[daemon](lab, host))
      const flags = ['-f', own(`${daemon}.conf`), '-z', own('zserv'), '-i', own(`${daemon}.pid`), '--vty_socket', own('')]
      const who = ['-u', 'frr', '-g', 'frr', '-A', '127.0.0.1', '--log', 'stdout']
      const control = daemon === 'bfdd' ? ['--bfdctl', own('bfdd.sock')] : []
      lab.spawn(host, [join(BINARIES, daemon), ...flags, ...who, ...control], own(`${daemon}.log`))
    }
    await pause(START_MS)
  }
  return [loopbackOf(lab, 'a'), loopbackOf(lab, 'b')]
}

const CONFIGS: Readonly<Record<'zebra' | 'bfdd' | 'ospfd', (lab: Lab, host: string) => string>> = {
  zebra: (lab, host) => `hostname ${host}
route-map SRC permit 10
 set src ${loopbackOf(lab, host)}
exit
ip protocol ospf route-map SRC
`,
  bfdd: () => `bfd
 profile fast
  receive-interval 50
  transmit-interval 50
  detect-multiplier 3
 exit
exit
`,
  ospfd: (lab, host) => {
    const interfaces = lab.neighbours(host).map(
      (peer) => `interface ${peer}
 ip ospf network point-to-point
 ip ospf cost ${delayBetween(host, peer)}
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ip ospf area 0
 ip ospf bfd
 ip ospf bfd profile fast
exit
`,
    )
    return `hostname ${host}
${interfaces.join('')}interface lo
 ip ospf area 0
exit
router ospf
 ospf router-id ${loopbackOf(lab, host)}
 timers throttle spf 0 50 500
 timers throttle lsa all 0
 timers lsa min-arrival 0
exit
`
  },
}
