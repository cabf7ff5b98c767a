/** Causeway with its default settings: a hub on each of them, and at either end a program with its daemon inside. */
import { eventually } from '../../../e2e/eventually.ts'
import { Fleet } from '../../../netlab/fleet.ts'
import type { CausewaySpec } from '../../flow/medium.ts'
import type { Carrier } from '../carrier.ts'
import { isEnd } from '../topology.ts'

const READY_MS_MAX = 60_000

export const CAUSEWAY: Carrier = carrierOf('causeway', 'ordered')
export const CAUSEWAY_TWIN: Carrier = carrierOf('causeway-twin', 'twin')

function carrierOf(name: string, frameClass: CausewaySpec['class']): Carrier {
  return {
    name,
    mode: `${frameClass}, defaults`,
    programs: {},
    restMs: 3_000,
    patienceMs: 10_000,
    // Links that fall again and again are held back longer each time, up to minutes.
    roundsMax: 3,
    start: async (lab) => {
      // The members of a's site are a, a1, a2.
      const fleet = new Fleet(lab, (host) => host.charAt(0))
      await fleet.prepare()
      await Promise.all(lab.hosts.filter((host) => !isEnd(host)).map((host) => fleet.launch(host)))
      const spec = (side: 'a' | 'b', peer: string): { type: 'causeway' } & CausewaySpec => ({
        type: 'causeway',
        side,
        config: fleet.configPath(side),
        peer,
        class: frameClass,
      })
      const ways = lab.neighbours('a').length
      return {
        a: spec('a', 'b'),
        b: spec('b', 'a'),
        ready: async () => {
          const allUp = async (from: string, to: string): Promise<boolean> => {
            const { paths } = await fleet.at(from).paths(to)
            return paths.filter(({ state }) => state === 'up').length >= ways
          }
          await eventually('all paths are up', async () => (await allUp('a', 'b')) && (await allUp('b', 'a')), READY_MS_MAX)
        },
        kill: (host) => fleet.kill(host),
        revive: (host) => fleet.launch(host),
        drain: async (hub, draining) => void (await fleet.at(hub).drain(draining)),
        stop: () => fleet.close(),
      }
    },
  }
}
