/** A channel between two daemons. The daemon of this end runs in this process, as it does for who uses it as a library. */
import type { ProgramChannel } from '../../../packages/daemon/src/program-channel.ts'
import { startDaemon } from '../../../packages/daemon/src/daemon.ts'
import type { CausewaySpec, FlowListener, Medium, Outlet } from './medium.ts'

export async function openCausewayMedium({ side, config, peer, class: frameClass }: CausewaySpec): Promise<Medium> {
  const { programs } = await startDaemon(config)
  return {
    open: (flow, listener) => {
      const options = { class: flow === 'bulk' ? ('ordered' as const) : frameClass }
      if (side === 'a') return Promise.resolve(outletOf(programs.open(peer, flow, options), listener))
      let outlet: Outlet | undefined
      programs.serve(flow, (channel) => {
        outlet = outletOf(channel, listener)
      })
      return Promise.resolve({ send: (message) => outlet?.send(message) ?? true })
    },
  }
}

function outletOf(channel: ProgramChannel, listener: FlowListener): Outlet {
  channel.listen({
    messages: (messages) => listener.messages(messages),
    writable: () => listener.writable(),
    // A flow that breaks off must not pass for one that lost something: the process ends, and the bench with it.
    ended: (reason) => {
      throw new Error(`the channel to ${channel.peer} ended: ${reason ?? 'both sides had finished'}`)
    },
  })
  return channel
}
