/**
 * One request, one connection: HTTP/1.1 to the daemon, JSON or a stream of JSON lines back.
 *
 * Connections are not kept: to a Unix socket a new one costs a fraction of a millisecond, and a restarted daemon
 * never leaves us holding a dead one. Every fault becomes a `CausewayError` that names the daemon's address.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import { CausewayError, type ErrorCode, type Problem } from '@causeway/protocol'
import { type ApiAddress, describeAddress } from './api-address.ts'

/** A plain request that takes longer than this has failed; streams have no limit. */
const ANSWER_MS_MAX = 30_000
/** No line and no answer is longer: the largest record is 256 KiB, a list of many may be some megabytes. */
const LINE_CHARS_MAX = 4 * 1024 * 1024
const ANSWER_CHARS_MAX = 64 * 1024 * 1024

type Method = 'GET' | 'PUT' | 'PATCH' | 'DELETE' | 'POST'
type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

export interface Call {
  readonly method: Method
  /** Path segments below `/v1`; each is encoded, so a key may hold any character. */
  readonly path: readonly string[]
  readonly query?: Query | undefined
  /** Sent as JSON. */
  readonly body?: unknown
  readonly signal?: AbortSignal | undefined
}

export class Transport {
  readonly #address: ApiAddress

  constructor(address: ApiAddress) {
    this.#address = address
  }

  /** The whole answer as JSON; `undefined` if it is empty. */
  async json<Result>(call: Call): Promise<Result> {
    const response = await this.#send(call, ANSWER_MS_MAX)
    const text = await this.#text(response)
    return (text === '' ? undefined : this.#parse(text)) as Result
  }

  /** A document outside of `/v1`, such as `/metrics`, as it is. */
  async text(path: string): Promise<string> {
    return this.#text(await this.#send({ method: 'GET', path: [] }, ANSWER_MS_MAX, path))
  }

  /**
   * One value per line; a last line `{"error": Problem}` tells of a fault after the status line has long gone out. Aborting `call.signal` ends the
   * iteration quietly; a daemon that dies ends it with an error.
   */
  async *lines<Item>(call: Call): AsyncGenerator<Item, void, undefined> {
    const { signal } = call
    let response: IncomingMessage | undefined
    try {
      response = await this.#send(call, undefined)
      response.setEncoding('utf8')
      let rest = ''
      for await (const chunk of response as AsyncIterable<string>) {
        const parts = (rest + chunk).split('\n')
        rest = parts.pop() ?? ''
        if (rest.length > LINE_CHARS_MAX) throw this.#garbled()
        for (const part of parts) if (part.trim() !== '') yield this.#line(part) as Item
      }
      if (rest.trim() !== '') yield this.#line(rest) as Item
    } catch (error) {
      if (signal?.aborted) return
      throw error instanceof CausewayError ? error : this.#unreachable(error)
    } finally {
      response?.destroy()
    }
  }

  /** The connection itself, once the daemon has made it a channel; with what has come on it already. */
  async upgrade(call: Call, protocol: string): Promise<{ readonly socket: Socket; readonly head: Uint8Array }> {
    const outgoing = this.#open(call, pathOf(call), { connection: 'Upgrade', upgrade: protocol })
    const upgraded = Promise.withResolvers<{ readonly socket: Socket; readonly head: Uint8Array }>()
    outgoing.on('upgrade', (_response, socket, head) => upgraded.resolve({ socket, head }))
    outgoing.on('response', (response) => {
      this.#text(response).then((text) => upgraded.reject(problemError(parseProblem(text), response.statusCode ?? 0)), upgraded.reject)
    })
    outgoing.on('error', (error) => upgraded.reject(this.#unreachable(error)))
    outgoing.end()
    return upgraded.promise
  }

  async #send(call: Call, timeoutMs: number | undefined, path = pathOf(call)): Promise<IncomingMessage> {
    const outgoing = this.#open(call, path)
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => outgoing.destroy(new AnswerTimeout()), timeoutMs)
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        outgoing.on('response', resolve)
        outgoing.on('error', reject)
        outgoing.end(call.body === undefined ? undefined : JSON.stringify(call.body))
      })
      const status = response.statusCode ?? 0
      if (status < 200 || status > 299) throw problemError(parseProblem(await this.#text(response)), status)
      if (timer) response.once('close', () => clearTimeout(timer))
      return response
    } catch (error) {
      clearTimeout(timer)
      throw error instanceof CausewayError ? error : this.#unreachable(error)
    }
  }

  #open(call: Call, path: string, more: Readonly<Record<string, string>> = {}): ClientRequest {
    const headers: Record<string, string> = { accept: 'application/json, */*', ...more }
    if (call.body !== undefined) headers['content-type'] = 'application/json'
    const shape = { method: call.method, path, headers, agent: false as const, ...(call.signal && { signal: call.signal }) }
    if (this.#address.type === 'socket') return request({ ...shape, socketPath: this.#address.path })
    if (this.#address.token !== undefined) headers['authorization'] = `Bearer ${this.#address.token}`
    return request({ ...shape, host: this.#address.host, port: this.#address.port })
  }

  async #text(response: IncomingMessage): Promise<string> {
    response.setEncoding('utf8')
    let text = ''
    try {
      for await (const chunk of response as AsyncIterable<string>) {
        text += chunk
        if (text.length > ANSWER_CHARS_MAX) throw this.#garbled()
      }
    } catch (error) {
      throw error instanceof CausewayError ? error : this.#unreachable(error)
    }
    return text
  }

  #line(text: string): unknown {
    const value = this.#parse(text)
    const { error } = value as { error?: Partial<Problem> }
    if (typeof error === 'object' && error !== null) throw problemError(error, error.status ?? 500)
    return value
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch {
      throw this.#garbled()
    }
  }

  #garbled(): CausewayError {
    const where = describeAddress(this.#address)
    return new CausewayError('refused', `what answers at ${where} is not a causeway daemon`, 'check --api or CAUSEWAY_API')
  }

  #unreachable(cause: unknown): CausewayError {
    const where = describeAddress(this.#address)
    const code = (cause as { code?: unknown } | undefined)?.code
    if (cause instanceof AnswerTimeout) {
      const remedy = 'look at its log; it may be overloaded'
      return new CausewayError('timeout', `the daemon at ${where} did not answer in ${ANSWER_MS_MAX / 1000} s`, remedy, { cause })
    }
    if (code === 'EACCES' || code === 'EPERM') {
      const remedy = 'run this as the user that runs the daemon'
      return new CausewayError('daemon-unreachable', `no permission to open ${where}`, remedy, { cause })
    }
    if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'ABORT_ERR') {
      const remedy = 'see its log for the reason, then try again'
      return new CausewayError('daemon-unreachable', `the connection to the daemon at ${where} ended early`, remedy, { cause })
    }
    const remedy = 'start it with "causeway run --config FILE", or point --api (or CAUSEWAY_API) at the socket of a running one'
    return new CausewayError('daemon-unreachable', `no daemon answers at ${where}`, remedy, { cause })
  }
}

class AnswerTimeout extends Error {}

/** Fault codes that a daemon may name; anything newer is told apart by its HTTP status. */
const CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'config-invalid',
  'credential-invalid',
  'port-in-use',
  'store-corrupt',
  'store-locked',
  'store-full',
  'not-found',
  'conflict',
  'gone',
  'invalid',
  'unreachable',
  'timeout',
  'usage',
  'daemon-unreachable',
  'refused',
])

/** An RFC 9457 problem document, or nothing of one. */
function parseProblem(text: string): Partial<Problem> {
  try {
    return JSON.parse(text) as Partial<Problem>
  } catch {
    // Not a document: the status says enough.
    return {}
  }
}

function problemError(problem: Partial<Problem>, status: number): CausewayError {
  const code = typeof problem.code === 'string' && CODES.has(problem.code) ? (problem.code as ErrorCode) : codeOfStatus(status)
  const detail = problem.detail || problem.title || `the daemon answered with HTTP status ${status}`
  return new CausewayError(code, detail, problem.remedy || "see the daemon's log for the reason")
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 404) return 'not-found'
  if (status === 409 || status === 412) return 'conflict'
  if (status === 410) return 'gone'
  if (status === 504) return 'timeout'
  return status === 400 || status === 422 ? 'usage' : 'refused'
}

function pathOf({ path, query }: Call): string {
  return `/v1/${path.map(encodeURIComponent).join('/')}${queryString(query ?? {})}`
}

function queryString(query: Query): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue
    for (const one of typeof value === 'object' ? value : [value]) parameters.append(name, String(one))
  }
  return parameters.size === 0 ? '' : `?${parameters.toString()}`
}
