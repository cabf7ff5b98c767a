/**
 * TCP sockets that read to one and the same piece of memory. What is read must be consumed before the next read, so it is
 * copied to where it stays; still that is the cheaper way. Node otherwise makes new memory for every 64 KiB, which costs
 * page faults and collections of garbage: 2.0 CPU s/GB at the receiving end of the stream lane instead of 1.2.
 *
 * Node offers this (`onread`) only for sockets that dial. For one that was accepted a second socket is put on its handle;
 * a version of Node that is built otherwise reads as usual.
 */
import { type OnReadOpts, Socket, connect } from 'node:net'
import type { HostPort } from './host-port.ts'

/** One read, one call: all sockets share it. */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024)

/**
 * Keeps firewalls in between from forgetting; those of clouds do after 240 s and more. One end is enough, and each costs an idle
 * link as much as a heartbeat. A peer that has gone is noticed by the link's probes.
 */
const KEEPALIVE_MS = 180_000

export interface BulkSocket {
  /** Has a listener for errors; they are followed by `close`. */
  readonly socket: Socket
  /** Must not keep the chunk. */
  onChunk: (chunk: Uint8Array) => void
}

/** `from`: the local address to dial from. */
export function dialBulk(address: HostPort, from?: string): BulkSocket {
  const bulk = bulkOf((onread) => connect({ ...address, ...(from !== undefined && { localAddress: from }), onread }))
  bulk.socket.setKeepAlive(true, KEEPALIVE_MS)
  return bulk
}

/** Of a server with `pauseOnConnect`. The socket it is given must not be used afterwards. */
export function acceptBulk(accepted: Socket): BulkSocket {
  accepted.on('error', () => {})
  const { _handle: handle } = accepted as Socket & { readonly _handle?: unknown }
  const bulk = bulkOf((onread) => (handle ? new Socket({ handle, onread } as object) : accepted))
  if (!handle) accepted.on('data', (chunk) => bulk.onChunk(chunk))
  return bulk
}

function bulkOf(open: (onread: OnReadOpts) => Socket): BulkSocket {
  const callback = (bytes: number): boolean => {
    bulk.onChunk(READ_BUFFER.subarray(0, bytes))
    return true
  }
  const socket = open({ buffer: READ_BUFFER, callback })
  const bulk: BulkSocket = { socket, onChunk: () => {} }
  // First of all: an error that nobody listens for ends the process.
  socket.on('error', () => {})
  socket.setNoDelay(true)
  socket.resume()
  return bulk
}
