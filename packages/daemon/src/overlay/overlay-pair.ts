/** Two ends of one overlay connection over a channel in memory, for tests. */
import type { Logger } from '@libp2p/interface'
import { MemoryNetwork } from './memory-programs.ts'
import { overlayAddress } from './overlay-address.ts'
import { OverlayConnection } from './overlay-connection.ts'

const SERVICE = 'libp2p'
export const SILENT: Logger = Object.assign(() => {}, { error: () => {}, trace: () => {}, enabled: false, newScope: () => SILENT })

export interface OverlayPair {
  readonly network: MemoryNetwork
  readonly dialler: OverlayConnection
  readonly listener: OverlayConnection
}

export async function openOverlayPair(from = 'node-a', to = 'node-b'): Promise<OverlayPair> {
  const network = new MemoryNetwork()
  const accepted = Promise.withResolvers<OverlayConnection>()
  network.programs(to).serve(SERVICE, (channel) => {
    const remoteAddr = overlayAddress(channel.peer)
    accepted.resolve(new OverlayConnection({ channel, self: to, remoteAddr, direction: 'inbound', log: SILENT }))
  })
  const channel = network.programs(from).open(to, SERVICE)
  const remoteAddr = overlayAddress(to)
  const dialler = new OverlayConnection({ channel, self: from, remoteAddr, direction: 'outbound', log: SILENT })
  return { network, dialler, listener: await accepted.promise }
}
