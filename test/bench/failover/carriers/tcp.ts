/** What a program does that knows nothing of all this: one TCP connection, which the kernel of one hub forwards. */
import { type Carrier, inHost, loopbackOf, makeRouters } from '../carrier.ts'

/** Of the way through each topology that is the shortest. */
const WAYS = [
  ['a', 'h1', 'b'],
  ['a', 'h1', 'h4', 'b'],
]

export const TCP: Carrier = {
  name: 'tcp',
  mode: 'one TCP connection, static routes',
  programs: { ip: 'iproute2' },
  restMs: 1_000,
  patienceMs: 4_000,
  waits: true,
  start: (lab) => {
    makeRouters(lab)
    const way = WAYS.find((hosts) => hosts.slice(1).every((host, index) => lab.neighbours(host).includes(hosts[index] as string))) ?? []
    const route = (at: string, to: string, by: string): unknown =>
      inHost(lab, at, ['ip', 'route', 'add', loopbackOf(lab, to), 'via', lab.address(by, at), 'src', loopbackOf(lab, at)])
    for (let i = 0; i + 1 < way.length; i++) {
      const [here = '', next = ''] = way.slice(i, i + 2)
      route(here, 'b', next)
      route(next, 'a', here)
    }
    const host = loopbackOf(lab, 'b')
    return Promise.resolve({ a: { type: 'tcp', side: 'a', host }, b: { type: 'tcp', side: 'b', host } })
  },
}
