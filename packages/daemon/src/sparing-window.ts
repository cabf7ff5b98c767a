/**
 * Flow control without chatter. js-yamux answers every data frame with a window update: for a heartbeat that is another
 * packet of 96 bytes with its headers, for bulk another encryption and system call per frame. The protocol only wants
 * the window to stay open, so a stream that is established tells of it when half of it is used.
 *
 * js-yamux offers no setting for this, so its method is wrapped; a version that is built otherwise works unchanged.
 */
import type { Stream } from '@libp2p/interface'

/** What we need of a js-yamux stream. */
export interface WindowedStream {
  readonly state: number
  readonly recvWindow: number
  readonly recvWindowCapacity: number
  sendWindowUpdate: () => void
}

const ESTABLISHED = 3

export function spareWindowUpdates(stream: Stream): void {
  const windowed: Partial<WindowedStream> = stream as Stream & Partial<WindowedStream>
  if (isWindowed(windowed)) spare(windowed)
}

export function spare(stream: WindowedStream): void {
  const update = stream.sendWindowUpdate.bind(stream)
  stream.sendWindowUpdate = () => {
    if (stream.state !== ESTABLISHED || stream.recvWindowCapacity <= stream.recvWindow / 2) update()
  }
}

function isWindowed(stream: Partial<WindowedStream>): stream is WindowedStream {
  return (
    typeof stream.state === 'number' &&
    typeof stream.recvWindow === 'number' &&
    typeof stream.recvWindowCapacity === 'number' &&
    typeof stream.sendWindowUpdate === 'function'
  )
}
