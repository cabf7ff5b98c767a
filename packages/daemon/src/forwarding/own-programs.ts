/**
 * Channels of this node, also to itself. The mesh leads to other nodes only; a forward does not care where its service is, so a
 * channel from the node to itself is made in memory, with windows and faults like any other.
 */
import { MemoryNetwork } from '../overlay/memory-programs.ts'
import type { Programs } from '../program-channel.ts'

export function withOwnServices(programs: Programs, self: string): Programs {
  const own = new MemoryNetwork().programs(self)
  return {
    open: (to, service, options) => (to === self ? own : programs).open(to, service, options),
    serve: (service, onChannel) => {
      const withdrawals = [programs.serve(service, onChannel), own.serve(service, onChannel)]
      return () => {
        for (const withdraw of withdrawals) withdraw()
      }
    },
  }
}
