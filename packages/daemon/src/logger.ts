/** The daemon's log: one JSON line per event on stderr, readable lines if stderr is a terminal. */
import { type Logger, type LoggerOptions, destination, pino } from 'pino'

export type { Logger } from 'pino'

const STDERR = 2

/** Written synchronously: the line that explains the end of the process must not be lost with it. */
export async function createLogger(level = 'info'): Promise<Logger> {
  const options: LoggerOptions = { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` }
  if (!process.stderr.isTTY) return pino(options, destination({ fd: STDERR, sync: true }))
  const { default: pretty } = await import('pino-pretty')
  return pino(options, pretty({ destination: STDERR, sync: true, singleLine: true, ignore: 'pid,hostname' }))
}
