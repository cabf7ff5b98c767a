/** Somebody who connects from a port of their own, for tests of who is let in. */
import { StreamMessageEvent } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'

export class ScriptedCaller extends EventTarget {
  readonly remote: string
  readonly remoteAddr: Multiaddr
  status: 'open' | 'closed' = 'open'
  /** Whether it was let in, once that is known. */
  admitted: boolean | undefined
  /** What was heard of it and left to be read. */
  readonly left: Buffer[] = []
  /** What it was told. */
  readonly told: Buffer[] = []

  constructor(port: number) {
    super()
    this.remote = `192.0.2.1:${port}`
    this.remoteAddr = multiaddr(`/ip4/192.0.2.1/tcp/${port}`)
  }

  /** Asks to be let in; who answers is handed this as a connection. */
  async come(admit: (connection: never) => Promise<boolean>): Promise<void> {
    this.admitted = await admit(this as never)
  }

  say(bytes: Uint8Array): void {
    this.dispatchEvent(new StreamMessageEvent(bytes))
  }

  send(bytes: Buffer): boolean {
    this.told.push(bytes)
    return true
  }

  unshift(bytes: Buffer): void {
    this.left.unshift(bytes)
  }

  close(): void {
    this.status = 'closed'
    this.dispatchEvent(new Event('close'))
  }
}
