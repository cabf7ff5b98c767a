/**
 * The calls of etcd's v3 API that leases need, over its JSON gateway (`/v3/…` since etcd 3.4; etcd.io, "gRPC gateway"):
 * plain HTTP with what Node
 * has, where the client on npm would bring gRPC along.
 *
 * Keys and values are base64, 64-bit numbers are decimal strings, and what is zero is left out.
 *
 *  1. A call tries the member that last answered, then the others, each once. What it asks for must bear being asked twice.
 *  2. At most `CALLS_MAX` are under way; the others wait their turn.
 */
import { z } from 'zod'

/** A member that has lost its majority answers nothing for seconds: the next one may. */
const ATTEMPT_MS_MAX = 1_500
const CALLS_MAX = 32
/**
 * What a first read of etcd's takes, with room to spare: 512 bytes, at some 30 a lease. The server answers over HTTP/1.1, where
 * Go throws the rest of a request away once the first answer is written (net/http, `ResponseController.EnableFullDuplex`);
 * of 93 leases in one request a busy etcd read 17.
 */
const KEEP_ALIVES_MAX = 16
const ANSWER_CHARACTERS_MAX = 64 * 1024 * 1024

export interface EtcdRegister {
  readonly key: string
  readonly value: string
  /** Of the last put. */
  readonly revision: number
}

export type EtcdCompare =
  | { readonly key: string; readonly revision: number }
  /** Not put after this revision, or not there. */
  | { readonly key: string; readonly revisionMax: number }
  | { readonly key: string; readonly absent: true }
  | { readonly key: string; readonly present: true }

export type EtcdOperation =
  | { readonly put: string; readonly value: string; readonly lease: string }
  | { readonly delete: string }
  | { readonly get: string }

export interface EtcdTxnResult {
  readonly succeeded: boolean
  readonly revision: number
  /** Of the gets of the branch that was taken: what is there. */
  readonly registers: readonly EtcdRegister[]
}

/** etcd cannot be reached, or has no majority: nobody knows whether the call took effect. */
class EtcdUnavailable extends Error {
  override readonly name = 'EtcdUnavailable'
}

const revision = z.string().regex(/^\d+$/).transform(Number)
const text = z.base64().transform((encoded) => Buffer.from(encoded, 'base64').toString())
const header = z.object({ revision })
const register = z
  .object({ key: text, value: text.default(''), mod_revision: revision })
  .transform(({ key, value, mod_revision: last }): EtcdRegister => ({ key, value, revision: last }))
const rangeAnswer = z.object({ header, kvs: z.array(register).default([]), more: z.boolean().default(false) })
const txnAnswer = z.object({
  header,
  succeeded: z.boolean().default(false),
  responses: z.array(z.object({ response_range: z.object({ kvs: z.array(register).default([]) }).optional() })).default([]),
})
const leaseAnswer = z.object({ ID: z.string(), error: z.string().default('') })
const keepAliveLine = z.object({ result: z.object({ ID: z.string(), TTL: z.coerce.number().default(0) }) })
const fault = z.object({ message: z.string().optional(), error: z.string().optional() })

export class EtcdClient {
  readonly #endpoints: readonly string[]
  #current = 0
  #underWay = 0
  readonly #waiting: (() => void)[] = []

  constructor(endpoints: readonly string[]) {
    this.#endpoints = endpoints.map((endpoint) => endpoint.replace(/\/+$/, ''))
  }

  /** A new lease of so many seconds; its number. */
  async grantLease(ttlSeconds: number): Promise<string> {
    const { ID, error } = leaseAnswer.parse(await this.#json('lease/grant', { TTL: String(ttlSeconds) }))
    if (error !== '') throw new EtcdUnavailable(`etcd grants no lease: ${error}`)
    return ID
  }

  /** Begins these leases anew; tells those that are still there. */
  async keepAlive(leases: readonly string[]): Promise<ReadonlySet<string>> {
    const alive = new Set<string>()
    const few: Promise<void>[] = []
    for (let at = 0; at < leases.length; at += KEEP_ALIVES_MAX) few.push(this.#keepFewAlive(leases.slice(at, at + KEEP_ALIVES_MAX), alive))
    await Promise.all(few)
    return alive
  }

  /** A stream both ways: one document a lease, one line an answer, in order. What was not read has no line, and is sent again. */
  async #keepFewAlive(leases: readonly string[], alive: Set<string>): Promise<void> {
    for (let unanswered = leases; unanswered.length > 0;) {
      const answer = await this.#call('lease/keepalive', unanswered.map((ID) => JSON.stringify({ ID })).join('\n'))
      const lines = answer.split('\n').filter((line) => line.trim() !== '')
      const answered = new Set<string>()
      for (const line of lines) {
        const { ID, TTL } = keepAliveLine.parse(parseJson(line)).result
        answered.add(ID)
        if (TTL > 0) alive.add(ID)
      }
      const left = unanswered.filter((ID) => !answered.has(ID))
      if (left.length === unanswered.length) throw new EtcdUnavailable('etcd does not answer the renewal of a lease')
      unanswered = left
    }
  }

  /** All comparisons hold: `success`; else `failure`. */
  async txn(compare: readonly EtcdCompare[], success: readonly EtcdOperation[], failure: readonly EtcdOperation[]): Promise<EtcdTxnResult> {
    const answer = txnAnswer.parse(
      await this.#json('kv/txn', {
        compare: compare.map(compareBody),
        success: success.map(operationBody),
        failure: failure.map(operationBody),
      }),
    )
    const registers = answer.responses.flatMap(({ response_range: range }) => range?.kvs ?? [])
    return { succeeded: answer.succeeded, revision: answer.header.revision, registers }
  }

  /** All keys with that prefix as of one revision, so many at a time. */
  async list(prefix: string, pageSize = 1_000): Promise<readonly EtcdRegister[]> {
    const registers: EtcdRegister[] = []
    const end = base64(prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1))
    let at: number | undefined
    for (let from = prefix; ;) {
      const body = { key: base64(from), range_end: end, limit: String(pageSize), ...(at !== undefined && { revision: String(at) }) }
      const page = rangeAnswer.parse(await this.#json('kv/range', body))
      registers.push(...page.kvs)
      const last = page.kvs.at(-1)
      if (!page.more || !last) return registers
      at ??= page.header.revision
      from = `${last.key}\0`
    }
  }

  async #json(path: string, body: unknown): Promise<unknown> {
    return parseJson(await this.#call(path, JSON.stringify(body)))
  }

  async #call(path: string, body: string): Promise<string> {
    if (this.#underWay >= CALLS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#underWay++
    try {
      return await this.#anyMember(path, body)
    } finally {
      this.#underWay--
      this.#waiting.shift()?.()
    }
  }

  async #anyMember(path: string, body: string): Promise<string> {
    const first = this.#current
    const faults: string[] = []
    for (let n = 0; n < this.#endpoints.length; n++) {
      const index = (first + n) % this.#endpoints.length
      const endpoint = this.#endpoints[index] ?? ''
      try {
        const answer = await post(`${endpoint}/v3/${path}`, body)
        this.#current = index
        return answer
      } catch (error) {
        faults.push(`${endpoint}: ${reasonOf(error)}`)
      }
    }
    throw new EtcdUnavailable(`no member of etcd answers: ${faults.join('; ')}`)
  }
}

async function post(url: string, body: string): Promise<string> {
  const response = await fetch(url, { method: 'POST', body, signal: AbortSignal.timeout(ATTEMPT_MS_MAX), redirect: 'error' })
  const answer = await response.text()
  if (answer.length > ANSWER_CHARACTERS_MAX) throw new Error('the answer is too long')
  if (response.ok) return answer
  const { data } = fault.safeParse(parseJson(answer))
  throw new Error(data?.message ?? data?.error ?? `HTTP status ${response.status}`)
}

function parseJson(answer: string): unknown {
  try {
    return JSON.parse(answer)
  } catch {
    throw new EtcdUnavailable('what answers is not etcd: no JSON')
  }
}

function compareBody(compare: EtcdCompare): unknown {
  const key = base64(compare.key)
  if ('absent' in compare) return { key, target: 'CREATE', result: 'EQUAL', create_revision: '0' }
  if ('present' in compare) return { key, target: 'CREATE', result: 'GREATER', create_revision: '0' }
  if ('revisionMax' in compare) return { key, target: 'MOD', result: 'LESS', mod_revision: String(compare.revisionMax + 1) }
  return { key, target: 'MOD', result: 'EQUAL', mod_revision: String(compare.revision) }
}

function operationBody(operation: EtcdOperation): unknown {
  if ('put' in operation) return { request_put: { key: base64(operation.put), value: base64(operation.value), lease: operation.lease } }
  if ('delete' in operation) return { request_delete_range: { key: base64(operation.delete) } }
  return { request_range: { key: base64(operation.get) } }
}

function base64(plain: string): string {
  return Buffer.from(plain).toString('base64')
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const { name, message, cause } = error as Error
  if (name === 'TimeoutError') return `no answer within ${ATTEMPT_MS_MAX} ms`
  return cause instanceof Error ? cause.message || String((cause as { code?: unknown }).code) : message
}
