/**
 * Who may shake hands with us, and when. A handshake takes milliseconds of work and anybody may ask for one: so whoever connects
 * says first whether they belong to this network (`knock.ts`), and members and strangers wait in queues of their own.
 *
 *  1. Who says nothing costs a socket and a timer, not a handshake: no longer than `SILENT_MS`, no more of them than `SILENT_MAX`.
 *  2. Members never wait for a stranger. Of those `STRANGERS` shake hands at a time and one each `STRANGER_MS`, for the sake of
 *     nodes of earlier versions, which do not knock, and of other networks, so that both sides can say what is wrong.
 *  3. Who says anything else is disconnected.
 *  4. All wait until the node is ready for them: to who shakes hands before, its protocols are unknown.
 */
import type { MultiaddrConnection } from '@libp2p/interface'
import { HandshakeQueue } from './handshake-queue.ts'
import { type Caller, type Hearable, callerOf } from './knock.ts'

/** A dialler that gets little of its processor takes seconds to speak. */
const SILENT_MS = 10_000
/** Twice what a whole fleet that returns at once may have: what is silent is mostly not of it. */
const SILENT_MAX = 4_096
/** Some milliseconds of work each. Handshakes take four round trips: from 200 ms away, 80 a second still get in. */
const MEMBERS = 64
const STRANGERS = 4
const STRANGER_MS = 20
const STRANGERS_WAITING_MAX = 512

type Coming = Hearable & Pick<MultiaddrConnection, 'remoteAddr'>

/** Who has come, by what they said first; `crowded` are strangers that were turned away because too many of them waited. */
export type CallerCounts = Record<Exclude<Caller, 'gone'> | 'crowded', number>

export class Doorkeeper {
  readonly callers: CallerCounts = { member: 0, stranger: 0, crowded: 0, other: 0, silent: 0 }
  readonly #knock: string
  readonly #members = new HandshakeQueue({ atOnce: MEMBERS })
  readonly #strangers = new HandshakeQueue({ atOnce: STRANGERS, everyMs: STRANGER_MS })
  readonly #ready = Promise.withResolvers<void>()
  /** In the order in which they came. */
  readonly #silent = new Set<AbortController>()

  constructor(knock: string) {
    this.#knock = knock
  }

  /** The node is ready. */
  open(): void {
    this.#ready.resolve()
  }

  /** Resolves when its turn to shake hands has come; with `false` if it is to be disconnected. */
  async admit(connection: Coming): Promise<boolean> {
    const caller = await this.#listen(connection)
    if (caller === 'gone') return false
    await this.#ready.promise
    const kind = caller === 'stranger' && this.#strangers.waiting >= STRANGERS_WAITING_MAX ? 'crowded' : caller
    this.callers[kind]++
    if (kind === 'member') return await this.#members.enter(connection)
    return kind === 'stranger' && (await this.#strangers.enter(connection))
  }

  /** Its handshake is done, by address and port of the peer. */
  leave(remote: string): void {
    this.#members.leave(remote)
    this.#strangers.leave(remote)
  }

  async #listen(connection: Coming): Promise<Caller> {
    const patience = new AbortController()
    const timer = setTimeout(() => patience.abort(), SILENT_MS).unref()
    this.#silent.add(patience)
    if (this.#silent.size > SILENT_MAX) this.#giveUpOldest()
    try {
      return await callerOf(connection, this.#knock, patience.signal)
    } catch {
      // It has closed its end while it was being answered.
      return 'gone'
    } finally {
      clearTimeout(timer)
      this.#silent.delete(patience)
    }
  }

  #giveUpOldest(): void {
    const [oldest] = this.#silent
    if (!oldest) return
    this.#silent.delete(oldest)
    oldest.abort()
  }
}
