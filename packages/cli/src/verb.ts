/**
 * What the verbs share: how one is declared, the two options of every verb that reads from a daemon, and numbers
 * and interrupts as arguments.
 */
import type { Causeway } from '@causeway/client'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { NAME_PATTERN } from '@causeway/protocol'
import { FORMATS, type Format } from './output.ts'

/** Adds the verb to the program; `onResult` takes its exit code. */
export type DeclareVerb = (program: Command, onResult: (code: number) => void) => void

export interface ReadingOptions {
  readonly api?: string
  readonly output: Format
}

export interface WatchedOptions extends ReadingOptions {
  readonly watch?: boolean
}

/** `--api` and `-o` for a verb that asks a daemon. */
export function addReadingOptions(command: Command, formats: readonly string[] = FORMATS): Command {
  return addApiOption(command).addOption(outputOption(formats))
}

export function addApiOption(command: Command): Command {
  return command.addOption(
    new Option('--api <where>', "the daemon's socket or http://HOST:PORT; default: CAUSEWAY_API, else ./causeway.sock"),
  )
}

/** `-w` for a verb that shows something that changes. */
export function addWatchOption(command: Command): Command {
  return command.option('-w, --watch', 'again every second, until Ctrl-C')
}

export function outputOption(formats: readonly string[] = FORMATS): Option {
  return new Option('-o, --output <format>', 'how to print').choices(formats).default('table')
}

export async function connectTo(api: string | undefined): Promise<Causeway> {
  const { connect } = await import('@causeway/client')
  return connect({ api })
}

/** A parser of numeric options that refuses what is out of range. */
export function numberBetween(min: number, max: number, kind: 'integer' | 'real' = 'integer'): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text)
    const fits = kind === 'integer' ? Number.isInteger(value) : Number.isFinite(value)
    if (!fits || value < min || value > max) {
      throw new InvalidArgumentError(`It must be ${kind === 'integer' ? 'a whole number' : 'a number'} from ${min} to ${max}.`)
    }
    return value
  }
}

/** A parser of names of nodes. */
export function nodeName(text: string): string {
  if (NAME_PATTERN.test(text)) return text
  throw new InvalidArgumentError('Names of nodes have lower-case letters, digits, dots and hyphens.')
}

/** Collects a repeatable option. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value]
}

/** Aborted by the first Ctrl-C or SIGTERM; a second one ends the process the hard way. */
export function untilInterrupted(): AbortSignal {
  const interrupt = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // The listener stays: libraries that tidy up a terminal end the process if they find themselves the only ones listening.
    const listener = (): void => {
      if (!interrupt.signal.aborted) return interrupt.abort()
      process.off(signal, listener)
      process.kill(process.pid, signal)
    }
    process.on(signal, listener)
  }
  return interrupt.signal
}

/** `k=v,k2=v2` as an object. */
export function parseLabels(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {}
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=')
    if (at < 1) throw new InvalidArgumentError(`"${pair}" is not of the form key=value.`)
    labels[pair.slice(0, at).trim()] = pair.slice(at + 1).trim()
  }
  return labels
}
