/**
 * Listening on a Unix socket: private to its owner from the first moment, replacing what a dead process left
 * behind, and never what a live one uses.
 */
import { type Stats, chmodSync, lstatSync, rmSync } from 'node:fs'
import { type Server, connect } from 'node:net'
import { dirname } from 'node:path'
import { CausewayError } from '@causeway/protocol'
import { makeDirectory } from './make-directory.ts'

/** `sun_path` of unix(7) has 108 bytes, the last of which is 0. */
const PATH_BYTES_MAX = 107
const MODE = 0o600

/** Throws `config-invalid` of a path that no socket can have. */
export function checkSocketPath(path: string): void {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    throw new CausewayError(
      'config-invalid',
      `the path ${path} is too long for a socket`,
      `set api.socket to a path of at most ${PATH_BYTES_MAX} bytes`,
    )
  }
}

/** Throws `port-in-use` or `config-invalid`. */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  checkSocketPath(path)
  await makeWay(path)
  try {
    makeDirectory(dirname(path))
  } catch (cause) {
    throw listenError(cause as NodeJS.ErrnoException, path)
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, path)))
    const before = process.umask(0o177)
    try {
      server.listen(path, resolve)
    } finally {
      process.umask(before)
    }
  })
  server.removeAllListeners('error')
  chmodSync(path, MODE)
}

export function removeSocket(path: string): void {
  rmSync(path, { force: true })
}

/** Removes a socket that nobody listens on. */
async function makeWay(path: string): Promise<void> {
  const found = look(path)
  if (!found) return
  if (!found.isSocket()) {
    throw new CausewayError(
      'config-invalid',
      `${path} exists and is not a socket`,
      'set api.socket to another path, or move that file away',
    )
  }
  if (await isLive(path)) throw inUse(path)
  rmSync(path, { force: true })
}

function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (cause) {
    throw listenError(cause as NodeJS.ErrnoException, path)
  }
}

function isLive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    // A socket that may not be opened belongs to somebody else, who may well be alive.
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'))
  })
}

function inUse(path: string): CausewayError {
  return new CausewayError('port-in-use', `another process listens on ${path}`, 'stop that node, or set api.socket to another path')
}

function listenError(cause: NodeJS.ErrnoException, path: string): CausewayError {
  if (cause.code === 'EADDRINUSE') return inUse(path)
  return new CausewayError('config-invalid', `cannot listen on ${path}: ${cause.message}`, 'set api.socket to a path that can be written', {
    cause,
  })
}
