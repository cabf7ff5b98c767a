/** One end of the flows of a bench, as a process of its own in some host: opens a medium, and does as it is ordered. */
import { setImmediate as turn } from 'node:timers/promises'
import { type FlowAnswer, type FlowNews, type FlowOrder, STAMP_BYTES, monotonicMs } from './flow-talk.ts'
import { type FlowName, type Medium, type MediumSpec, type Outlet, openMedium } from './medium.ts'

/** One turn of a flood sends so many bytes at most, so that what comes in is heeded between. */
const TURN_BYTES = 256 * 1024

class Flow {
  #outlet: Outlet | undefined
  #how: 'note' | 'count' | 'reflect' = 'note'
  #running = 0
  #writable = Promise.withResolvers<void>()
  #next = 0
  #taken = 0
  #sentAt: number[] = []
  #sequences: number[] = []
  #arrivalSentAt: number[] = []
  #arrivedAt: number[] = []
  #messages = 0
  #bytes = 0

  async open(medium: Medium, name: FlowName): Promise<void> {
    this.#outlet = await medium.open(name, {
      messages: (messages) => this.#heed(messages),
      writable: () => this.#writable.resolve(),
    })
  }

  heed(how: 'note' | 'count' | 'reflect'): void {
    this.#how = how
  }

  stop(): void {
    this.#running++
  }

  async pace(intervalMs: number, bytes: number): Promise<void> {
    const run = ++this.#running
    const began = monotonicMs()
    for (let count = 0; run === this.#running; count++) {
      const waitMs = began + count * intervalMs - monotonicMs()
      if (waitMs > 0) await new Promise((done) => setTimeout(done, waitMs))
      if (!this.#send(bytes)) await this.#drained()
    }
  }

  async flood(bytes: number): Promise<void> {
    const run = ++this.#running
    while (run === this.#running) {
      let taken = true
      for (let sent = 0; taken && sent < TURN_BYTES; sent += bytes) taken = this.#send(bytes)
      if (taken) await turn()
      else await this.#drained()
    }
  }

  take(): FlowNews {
    const news = {
      firstSent: this.#taken,
      sentAt: Float64Array.from(this.#sentAt),
      sequences: Float64Array.from(this.#sequences),
      arrivalSentAt: Float64Array.from(this.#arrivalSentAt),
      arrivedAt: Float64Array.from(this.#arrivedAt),
      messages: this.#messages,
      bytes: this.#bytes,
    }
    this.#taken = this.#next
    for (const list of [this.#sentAt, this.#sequences, this.#arrivalSentAt, this.#arrivedAt]) list.length = 0
    return news
  }

  #send(bytes: number): boolean {
    // Not shared: who takes a message may keep it.
    const message = Buffer.allocUnsafe(Math.max(bytes, STAMP_BYTES))
    const at = monotonicMs()
    message.writeDoubleBE(this.#next++, 0)
    message.writeDoubleBE(at, 8)
    if (this.#how === 'note') this.#sentAt.push(at)
    this.#writable = Promise.withResolvers()
    return this.#outlet?.send(message) ?? true
  }

  #drained(): Promise<void> {
    return this.#writable.promise
  }

  #heed(messages: readonly Uint8Array[]): void {
    this.#messages += messages.length
    for (const message of messages) this.#bytes += message.length
    if (this.#how === 'reflect') for (const message of messages) this.#outlet?.send(Uint8Array.from(message))
    if (this.#how !== 'note') return
    const now = monotonicMs()
    for (const { buffer, byteOffset } of messages) {
      const view = new DataView(buffer, byteOffset, STAMP_BYTES)
      this.#sequences.push(view.getFloat64(0))
      this.#arrivalSentAt.push(view.getFloat64(8))
      this.#arrivedAt.push(now)
    }
  }
}

const flows = new Map<FlowName, Flow>()
const medium = await openMedium(JSON.parse(process.argv[2] ?? '') as MediumSpec)
process.on('message', (order: FlowOrder) => {
  obey(order).then(
    (taken) => answer(taken ? { taken } : {}),
    (error: unknown) => answer({ fault: (error as Error).message }),
  )
})
process.on('disconnect', () => process.exit())
answer({})

async function obey(order: FlowOrder): Promise<FlowNews | undefined> {
  if (order.order === 'open') {
    const opened = new Flow()
    flows.set(order.flow, opened)
    await opened.open(medium, order.flow)
    return undefined
  }
  const flow = flows.get(order.flow)
  if (!flow) throw new Error(`the flow ${order.flow} was not opened`)
  switch (order.order) {
    case 'heed':
      flow.heed(order.how)
      return undefined
    case 'pace':
      void flow.pace(order.intervalMs, order.bytes)
      return undefined
    case 'flood':
      void flow.flood(order.bytes)
      return undefined
    case 'stop':
      flow.stop()
      return undefined
    case 'take':
      return flow.take()
  }
}

function answer(text: FlowAnswer): void {
  process.send?.(text)
}
