/**
 * What the main thread and the datagram thread say to each other. State of associations travels as commands, in
 * order; what happens too often for that (drops, the pulse, how far each is behind) stands in shared memory.
 */
import type { ConnectionId, DatagramKey } from '@causeway/protocol'
import type { HostPort } from './host-port.ts'

/** With which the thread is started. */
export interface DatagramThreadData {
  readonly listen: HostPort
  readonly pulse: SharedArrayBuffer
  readonly drops: SharedArrayBuffer
  /** Bytes on their way to the thread, and from it. */
  readonly commandBacklog: SharedArrayBuffer
  readonly reportBacklog: SharedArrayBuffer
}

/** From the main thread; those of one turn come as one array. */
export type DatagramCommand =
  | {
      readonly type: 'associate'
      readonly connection: ConnectionId
      readonly local: DatagramKey
      readonly address: HostPort | undefined
      /** The local address from which datagrams to it leave; `undefined`: that of the listening socket. */
      readonly from: string | undefined
    }
  | { readonly type: 'openRemote'; readonly connection: ConnectionId; readonly remote: DatagramKey }
  | { readonly type: 'forget'; readonly connection: ConnectionId }
  | { readonly type: 'send'; readonly connection: ConnectionId; readonly message: Uint8Array }
  /** An encoded probe, to be stamped. */
  | { readonly type: 'probe'; readonly connection: ConnectionId; readonly message: Uint8Array }
  | { readonly type: 'close' }

/** To the main thread. First `bound` or `bindFailed`, then buffers of reports (`ReportWriter`). */
export type DatagramNews =
  | { readonly type: 'bound'; readonly port: number }
  | { readonly type: 'bindFailed'; readonly code: string | undefined; readonly message: string }
  | ArrayBuffer
