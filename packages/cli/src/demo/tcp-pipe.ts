/**
 * One TCP connection through an emulated link: two sockets and a delay line each way.
 *
 * Everything an end does (connect, bytes, close, reset) travels through the line as an event, so it takes the delay,
 * stays in order, and is not seen by the other end while the link is cut: no close, no reset, just silence. A connect
 * during a cut is accepted here and held, which is kinder than a lost SYN; what follows is silent all the same.
 *
 *  1. The target is dialled only after the delay, and never during a cut.
 *  2. What waits in one direction is bounded: beyond it the sending end is no longer read, as a full path would have it.
 */
import { connect, type Socket } from 'node:net'
import { DelayLine } from './delay-line.ts'

/** More than delay times bandwidth of any link here. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024

type Happening = { readonly type: 'dial' | 'end' | 'reset' } | { readonly type: 'data'; readonly chunk: Uint8Array }

export interface TcpPipeOptions {
  readonly targetPort: number
  readonly delayMs: number
  readonly cut: boolean
  /** Called for every chunk that an end sends. */
  readonly onBytes: (direction: 'forward' | 'backward', bytes: number) => void
  readonly onClose: (pipe: TcpPipe) => void
}

export class TcpPipe {
  readonly #options: TcpPipeOptions
  readonly #client: Socket
  #target: Socket | undefined
  readonly #forward: DelayLine<Happening>
  readonly #backward: DelayLine<Happening>
  readonly #waitingBytes = { forward: 0, backward: 0 }

  constructor(client: Socket, options: TcpPipeOptions) {
    this.#options = options
    this.#client = client
    this.#forward = new DelayLine(options.delayMs, (happening) => this.#arriveAtTarget(happening))
    this.#backward = new DelayLine(options.delayMs, (happening) => this.#arrive('backward', this.#client, happening))
    if (options.cut) this.hold()
    this.#forward.push({ type: 'dial' })
    this.#listen('forward', client, this.#forward)
  }

  hold(): void {
    this.#forward.hold()
    this.#backward.hold()
  }

  release(): void {
    this.#forward.release()
    this.#backward.release()
  }

  destroy(): void {
    this.#forward.clear()
    this.#backward.clear()
    this.#client.destroy()
    this.#target?.destroy()
  }

  #arriveAtTarget(happening: Happening): void {
    if (happening.type !== 'dial') return this.#arrive('forward', this.#target, happening)
    this.#target = connect({ port: this.#options.targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.#listen('backward', this.#target, this.#backward)
  }

  #arrive(direction: 'forward' | 'backward', sink: Socket | undefined, happening: Happening): void {
    if (!sink || sink.destroyed) return
    if (happening.type === 'data') {
      this.#waitingBytes[direction] -= happening.chunk.length
      sink.write(happening.chunk)
      this.#throttle(direction)
    } else if (happening.type === 'end') sink.end()
    else sink.resetAndDestroy()
  }

  #listen(direction: 'forward' | 'backward', source: Socket, line: DelayLine<Happening>): void {
    let over = false
    const tell = (happening: Happening): void => {
      if (!over) line.push(happening)
      if (happening.type === 'reset') over = true
    }
    source.on('data', (chunk: Uint8Array) => {
      this.#options.onBytes(direction, chunk.length)
      this.#waitingBytes[direction] += chunk.length
      tell({ type: 'data', chunk })
      this.#throttle(direction)
    })
    source.on('end', () => tell({ type: 'end' }))
    source.on('error', () => tell({ type: 'reset' }))
    source.on('drain', () => this.#throttle(direction === 'forward' ? 'backward' : 'forward'))
    source.on('close', () => {
      if (this.#client.destroyed && (this.#target?.destroyed ?? false)) this.#options.onClose(this)
    })
  }

  #throttle(direction: 'forward' | 'backward'): void {
    const [source, sink] = direction === 'forward' ? [this.#client, this.#target] : [this.#target, this.#client]
    if (!source) return
    const full = this.#waitingBytes[direction] + (sink?.writableLength ?? 0) > WAITING_BYTES_MAX
    if (full && !source.isPaused()) source.pause()
    if (!full && source.isPaused()) source.resume()
  }
}
