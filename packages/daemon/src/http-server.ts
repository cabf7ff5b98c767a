/** HTTP/1.1 on a TCP address that a config names, with faults that name the setting. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { CausewayError } from '@causeway/protocol'
import { type HostPort, formatHostPort } from './host-port.ts'
import { closeHttpServer, createHttpServer, type HttpLimits } from './http-listener.ts'

export interface HttpServerOptions extends HttpLimits {
  readonly listen: HostPort
  /** Key of the config that says so. */
  readonly setting: string
  readonly log: Logger
}

export class HttpServer {
  readonly #server: Server
  readonly #host: string

  private constructor(server: Server, host: string) {
    this.#server = server
    this.#host = host
  }

  /** Throws `port-in-use` or `config-invalid`. */
  static async start(fetch: (request: Request) => Response | Promise<Response>, options: HttpServerOptions): Promise<HttpServer> {
    const { listen, setting, log } = options
    const server = createHttpServer(fetch, options)
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, listen, setting)))
      server.listen(listen.port, listen.host, resolve)
    })
    server.removeAllListeners('error')
    server.on('error', (error) => log.error({ err: error }, `the server of ${setting} has a fault`))
    return new HttpServer(server, listen.host)
  }

  /** Where it listens, with the port that was chosen. */
  get address(): string {
    return formatHostPort({ host: this.#host, port: (this.#server.address() as AddressInfo).port })
  }

  async stop(): Promise<void> {
    await closeHttpServer(this.#server)
  }
}

function listenError(cause: NodeJS.ErrnoException, listen: HostPort, setting: string): CausewayError {
  const address = formatHostPort(listen)
  if (cause.code === 'EADDRINUSE') {
    const remedy = `stop the program that uses it, or set another port in ${setting}`
    return new CausewayError('port-in-use', `TCP ${address} is in use, so ${setting} cannot be served`, remedy, { cause })
  }
  const remedy = `set ${setting} to an address of this machine and a port that may be opened`
  return new CausewayError('config-invalid', `cannot serve ${setting} on TCP ${address}: ${cause.message}`, remedy, { cause })
}
