/** For tests of the client: a real HTTP server on a Unix socket that notes what is asked, and answers as the test says. */
import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export class ScriptedDaemon {
  readonly api: string
  /** Method, path and body of each request. */
  readonly seen: string[] = []
  handle: (request: IncomingMessage, response: ServerResponse, body: string) => void = (_, response) => void response.end()
  readonly #directory: string
  readonly #server: Server

  static async start(): Promise<ScriptedDaemon> {
    const daemon = new ScriptedDaemon()
    await new Promise<void>((done) => daemon.#server.listen(daemon.api, done))
    return daemon
  }

  private constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'cw-client-'))
    this.api = join(this.#directory, 's.sock')
    this.#server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      request.on('end', () => {
        this.seen.push(`${request.method} ${request.url} ${body}`.trim())
        this.handle(request, response, body)
      })
    })
  }

  /** Every request gets this, from now on. */
  answer(value: unknown, status = 200): void {
    this.handle = (_, response) => response.writeHead(status).end(JSON.stringify(value))
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((done) => this.#server.close(done))
    rmSync(this.#directory, { recursive: true })
  }
}
