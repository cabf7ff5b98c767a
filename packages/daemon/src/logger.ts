/** The daemon's log: one JSON line per event on stderr, readable lines if stderr is a terminal. */
import { type Logger, type LoggerOptions, pino } from 'pino'
import { LogOutput, takeOnStderr } from './log-output.ts'

export type { Logger } from 'pino'

/** Written before the call returns, where there is room: the line that explains the end of the process must not be lost with it. */
export async function createLogger(level = 'info'): Promise<Logger> {
  const options: LoggerOptions = { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` }
  if (!process.stderr.isTTY) return pino(options, new LogOutput(takeOnStderr()))
  const { prettyFactory } = await import('pino-pretty')
  return pino(options, new LogOutput(takeOnStderr(), prettyFactory({ singleLine: true, ignore: 'pid,hostname' })))
}
