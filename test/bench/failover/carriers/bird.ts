/** BIRD's OSPF, its neighbours watched by BFD at 20 ms × 3. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../../../netlab/lab.ts'
import { type Carrier, loopbackOf, makeRouters, overUdp } from '../carrier.ts'
import { delayBetween } from '../topology.ts'

export const BIRD: Carrier = {
  name: 'bird',
  mode: 'OSPF hello 1 s, BFD 20 ms × 3',
  programs: { bird: 'bird2' },
  restMs: 8_000,
  patienceMs: 15_000,
  start: (lab, directory) => {
    makeRouters(lab)
    for (const host of lab.hosts) {
      const own = (kind: string): string => join(directory, `${host}.${kind}`)
      writeFileSync(own('conf'), configOf(lab, host))
      lab.spawn(host, ['bird', '-f', '-c', own('conf'), '-s', own('ctl'), '-P', own('pid')], own('log'))
    }
    return Promise.resolve(overUdp(loopbackOf(lab, 'a'), loopbackOf(lab, 'b')))
  },
}

function configOf(lab: Lab, host: string): string {
  const address = loopbackOf(lab, host)
  const interfaces = lab
    .neighbours(host)
    .map((peer) => `  interface "${peer}" { type ptp; cost ${delayBetween(host, peer)}; hello 1; dead 4; bfd yes; };`)
  return `router id ${address};
protocol device {}
protocol kernel { ipv4 { export filter { krt_prefsrc = ${address}; accept; }; }; }
protocol bfd { interface "*" { interval 20 ms; multiplier 3; }; }
protocol ospf v2 {
 ipv4 { import all; };
 area 0 {
  interface "lo" { stub; };
${interfaces.join('\n')}
 };
}
`
}
