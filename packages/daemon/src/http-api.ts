/**
 * The local API over HTTP, for programs that cannot open a Unix socket: on loopback only, and only for who knows the token,
 * since every user of the machine can reach a port. The token is made once, and kept in a file that only the owner can read.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { HTTPException } from 'hono/http-exception'
import type { Logger } from 'pino'
import { CausewayError } from '@causeway/protocol'
import type { HostPort } from './host-port.ts'
import { HttpServer } from './http-server.ts'
import { HEADER_BYTES_MAX } from './local-api.ts'
import { modeWarnings } from './credential-file.ts'
import { makeDirectory } from './make-directory.ts'
import { problemResponse } from './problem.ts'

const CONNECTIONS_MAX = 1_000
const TOKEN_BYTES = 32
const TOKEN_FORM = /^[A-Za-z0-9_-]{20,}$/

export interface HttpApiOptions {
  readonly listen: HostPort
  /** Where the token is. */
  readonly tokenFile: string
  readonly log: Logger
}

/** Throws `port-in-use` or `config-invalid`. */
export function startHttpApi(api: Hono, { listen, tokenFile, log }: HttpApiOptions): Promise<HttpServer> {
  const token = readOrMakeToken(tokenFile)
  for (const warning of modeWarnings(tokenFile)) log.warn(warning)
  const refused = (): Response => {
    const remedy = `send "Authorization: Bearer …" with what is in ${tokenFile}; clients read it from CAUSEWAY_TOKEN_FILE`
    const response = problemResponse(new CausewayError('refused', 'this API wants its token', remedy), 401)
    // RFC 9110, section 11.6.1: a 401 names the scheme.
    response.headers.set('www-authenticate', 'Bearer')
    return response
  }
  const routes = new Hono()
  // Whoever has the wrong one is told no more than who has none.
  routes.onError((error) => (error instanceof HTTPException ? refused() : problemResponse(error)))
  routes.use(bearerAuth({ token }))
  routes.route('/', api)
  return HttpServer.start(routes.fetch, {
    listen,
    setting: 'api.http',
    connectionsMax: CONNECTIONS_MAX,
    headerBytesMax: HEADER_BYTES_MAX,
    log,
  })
}

function readOrMakeToken(path: string): string {
  try {
    const token = readFileSync(path, 'utf8').trim()
    if (TOKEN_FORM.test(token)) return token
    throw new CausewayError('config-invalid', `${path} holds no token`, 'remove the file: a new one is made')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const token = randomBytes(TOKEN_BYTES).toString('base64url')
  makeDirectory(dirname(path))
  writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' })
  chmodSync(path, 0o600)
  return token
}
