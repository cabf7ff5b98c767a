/** babeld with hellos every 0.1 s and the rule of wired links, by which two lost of three make a link unusable. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Carrier, loopbackOf, makeRouters, overUdp } from '../carrier.ts'

export const BABEL: Carrier = {
  name: 'babel',
  mode: 'wired, hello 0.1 s, update 1 s',
  programs: { babeld: 'babeld' },
  restMs: 6_000,
  patienceMs: 15_000,
  start: (lab, directory) => {
    makeRouters(lab)
    for (const host of lab.hosts) {
      const own = (kind: string): string => join(directory, `${host}.${kind}`)
      const lines = [
        'default type wired hello-interval 0.1 update-interval 1',
        ...lab.neighbours(host).map((peer) => `interface ${peer}`),
        'redistribute local ip 10.78.0.0/16 allow',
        'redistribute local deny',
        'redistribute deny',
        `install ip 10.78.0.0/16 pref-src ${loopbackOf(lab, host)}`,
      ]
      writeFileSync(own('conf'), `${lines.join('\n')}\n`)
      lab.spawn(host, ['babeld', '-I', own('pid'), '-S', own('state'), '-c', own('conf')], own('log'))
    }
    return Promise.resolve(overUdp(loopbackOf(lab, 'a'), loopbackOf(lab, 'b')))
  },
}
