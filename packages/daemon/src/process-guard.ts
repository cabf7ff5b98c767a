/**
 * The last net under the process. Sockets fail at any moment, and a library that forgets one rejection must not
 * take the node down with it: such faults are logged. Anything else that nobody caught is a bug, and stops it.
 */
import type { Logger } from 'pino'
import { EXIT_BUG } from './node-runtime.ts'

const SOCKET_FAULTS: ReadonlySet<string> = new Set([
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTCONN',
  'EPIPE',
  'ERR_SOCKET_CLOSED',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'ETIMEDOUT',
])

/** Returns a function that takes the net away again. */
export function guardProcess(log: Logger): () => void {
  const onRejection = (reason: unknown): void => log.error({ err: reason }, 'a rejection that nobody handled')
  const onException = (error: Error): void => {
    const { code } = error as NodeJS.ErrnoException
    if (code !== undefined && SOCKET_FAULTS.has(code)) return log.warn({ err: error }, 'a socket failed that nobody watched')
    log.fatal({ err: error }, 'a bug in Causeway; the node stops. Please report this with the lines before it')
    process.exit(EXIT_BUG)
  }
  process.on('unhandledRejection', onRejection)
  process.on('uncaughtException', onException)
  return () => {
    process.off('unhandledRejection', onRejection)
    process.off('uncaughtException', onException)
  }
}
