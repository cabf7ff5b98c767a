/**
 * Where a daemon's API is: a Unix socket (the rule) or an `http://` address with a bearer token (only if the daemon
 * was told to listen there). Who does not say gets `CAUSEWAY_API`, else `./causeway.sock`.
 */
import { resolve } from 'node:path'
import { CausewayError } from '@causeway/protocol'

export const DEFAULT_SOCKET = './causeway.sock'

export type ApiAddress =
  | { readonly type: 'socket'; readonly path: string }
  | { readonly type: 'http'; readonly host: string; readonly port: number; readonly token: string | undefined }

/** Reads an address as a person writes it. Relative socket paths are taken from the working directory. */
export function parseApiAddress(text: string, token?: string): ApiAddress {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return { type: 'socket', path: resolve(text) }
  const url = URL.parse(text)
  if (url?.protocol !== 'http:' || url.hostname === '') {
    throw new CausewayError('usage', `"${text}" is not an API address`, 'give a socket path or http://HOST:PORT')
  }
  // An IPv6 host stands in brackets in a URL but not in a connect call.
  return { type: 'http', host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80), token }
}

export function describeAddress(address: ApiAddress): string {
  if (address.type === 'socket') return address.path
  return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}
