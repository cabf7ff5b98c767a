/**
 * Makes a connection to a service: tries one node after the other, as the directory ranks them, until one says that it is
 * connected. If all that were known fail, the directory is asked once more, because it may have been behind.
 */
import { CausewayError } from '@causeway/protocol'
import type { Programs } from '../program-channel.ts'
import { type Destination, channelService } from './destination.ts'
import { type Opening, deliveryError, encodeOpening } from './opening.ts'
import type { ServiceDirectory } from './service-directory.ts'
import { SocketSplice } from './socket-splice.ts'
import type { TrafficCounts } from './traffic.ts'

/** While there is another node to try; a new way around a cut is found much sooner. */
const TRY_MS = 4_000
/** Of the last one: what is cut may be healed. */
const LAST_TRY_MS = 15_000
const TRIES_MAX = 4

export interface Connecting {
  readonly destination: Destination
  readonly opening: Opening
  readonly counts: TrafficCounts
  /** Called when a connection that was made is over. */
  readonly onOver: () => void
}

export class ServiceConnector {
  readonly #programs: Programs
  readonly #directory: ServiceDirectory

  constructor(programs: Programs, directory: ServiceDirectory) {
    this.#programs = programs
    this.#directory = directory
  }

  /** A channel that is connected at the other end; it may end before it is joined (`open`). Throws what the last node said, or the reason of `abort`. */
  async connect(connecting: Connecting, abort: AbortSignal): Promise<SocketSplice> {
    const tried = new Set<string>()
    let fault: unknown
    for (const doubted of [false, true]) {
      const nodes = await this.#untried(connecting.destination, doubted, tried).catch((error: unknown) => {
        fault ??= error
        return []
      })
      for (const [index, node] of nodes.entries()) {
        if (tried.size >= TRIES_MAX) break
        tried.add(node)
        abort.throwIfAborted()
        try {
          return await this.#try(node, connecting, index + 1 < nodes.length ? TRY_MS : LAST_TRY_MS, abort)
        } catch (error) {
          abort.throwIfAborted()
          this.#directory.failed(node)
          fault = error
        }
      }
    }
    throw fault
  }

  async #untried(destination: Destination, doubted: boolean, tried: ReadonlySet<string>): Promise<string[]> {
    const nodes = await this.#directory.nodesFor(destination, 'tcp', doubted)
    return nodes.filter((node) => !tried.has(node))
  }

  #try(node: string, { destination, opening, counts, onOver }: Connecting, patienceMs: number, abort: AbortSignal): Promise<SocketSplice> {
    return new Promise((resolve, reject) => {
      const channel = this.#programs.open(node, channelService('tcp', destination.service))
      let connected = false
      const giveUp = (error: unknown, reason: string): void => {
        reject(error instanceof Error ? error : new Error(String(error)))
        channel.reset(reason)
      }
      const onAbort = (): void => giveUp(abort.reason, 'the client has gone')
      const patience = setTimeout(() => {
        const message = `${node} has not connected within ${patienceMs / 1000} s`
        giveUp(new CausewayError('timeout', message, `see: causeway paths ${node}`), 'no answer in time')
      }, patienceMs)
      const settle = (): void => {
        clearTimeout(patience)
        abort.removeEventListener('abort', onAbort)
      }
      abort.addEventListener('abort', onAbort, { once: true })
      const splice = new SocketSplice(
        channel,
        {
          first: () => {
            settle()
            connected = true
            this.#directory.worked(node)
            resolve(splice)
          },
          failed: (reason) => {
            settle()
            reject(deliveryError(node, reason))
          },
          over: () => {
            if (connected) onOver()
          },
        },
        counts,
      )
      channel.send(encodeOpening(opening))
    })
  }
}
