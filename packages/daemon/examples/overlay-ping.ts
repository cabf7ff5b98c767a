/**
 * libp2p's ping between two nodes of a network, wherever they are. On one machine, and then on the other:
 *
 *     node overlay-ping.ts edge.yaml               # runs the node and answers
 *     node overlay-ping.ts edge.yaml nrt-2-a 5     # runs the node and pings nrt-2-a five times
 */
import { yamux } from '@chainsafe/libp2p-yamux'
import { overlayAddress, overlayTransport, startDaemon } from '@causeway/daemon'
import { ping } from '@libp2p/ping'
import { createLibp2p } from 'libp2p'

const [config = '', target, count = '5'] = process.argv.slice(2)
const daemon = await startDaemon(config)
const libp2p = await createLibp2p({
  addresses: { listen: [overlayAddress(daemon.name).toString()] },
  transports: [overlayTransport({ programs: daemon.programs, self: daemon.name })],
  streamMuxers: [yamux()],
  services: { ping: ping() },
})
console.log(`listening on ${libp2p.getMultiaddrs().join(' ')}`)

const stop = async (): Promise<void> => {
  await libp2p.stop()
  await daemon.stop()
}
if (target === undefined) {
  process.once('SIGINT', () => void stop())
} else {
  for (let sent = 0; sent < Number(count); sent++)
    console.log(`${target} answered after ${await libp2p.services.ping.ping(overlayAddress(target))} ms`)
  await stop()
}
