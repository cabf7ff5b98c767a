/** One request to the socket of a node, as curl would send it. */
import { type Agent, type OutgoingHttpHeaders, request } from 'node:http'

export interface SocketRequest {
  readonly method: string
  readonly path: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Uint8Array | undefined
  readonly agent?: Agent
}

export interface SocketAnswer {
  readonly status: number
  /** Without parameters; empty if there is no body. */
  readonly type: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The whole body, or of a stream what came first. */
  readonly text: string
}

/** Of a stream only the first lines are taken, and then the reader hangs up. */
export function ask(socketPath: string, { method, path, headers = {}, body, agent }: SocketRequest): Promise<SocketAnswer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const sent = request({ socketPath, method, path, headers: { ...length, ...headers }, agent: agent ?? false }, (response) => {
      const type = response.headers['content-type']?.split(';')[0] ?? ''
      const chunks: Buffer[] = []
      const done = (): void => {
        resolve({ status: response.statusCode ?? 0, type, headers: response.headers, text: Buffer.concat(chunks).toString() })
      }
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        if (type !== 'application/x-ndjson') return
        done()
        response.destroy()
      })
      response.on('end', done)
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
