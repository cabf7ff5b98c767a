/** What the subcommands of `kv` share: how one is declared, and addresses and values as arguments. */
import type { Collection } from '@causeway/client'
import { CausewayError } from '@causeway/protocol'
import type { Command } from 'commander'
import { addReadingOptions, connectTo, type ReadingOptions } from '../../verb.ts'

export interface KvOptions extends ReadingOptions {
  readonly partition?: string
}

/** `partition`: what is meant if none is named. */
export function addSubcommand(kv: Command, grammar: string, description: string, partition: string, examples: readonly string[]): Command {
  const help = `\n${examples.length === 1 ? 'Example' : 'Examples'}:\n${examples.map((example) => `  $ causeway kv ${example}\n`).join('')}`
  return addReadingOptions(kv.command(grammar).description(description))
    .option('--partition <partition>', `default: ${partition}`)
    .addHelpText('after', help)
}

export const OWN_SITE = "this node's site"
export const EVERYTHING = 'all that this node holds'

export const SELECTOR = ['-l, --selector <conditions>', 'labels that must hold: a=b, c!=d, e in (x,y), f, !g'] as const
export const AT_LEAST = ['--at-least <token>', 'wait until what a write returned this for can be read, at most 2 s'] as const

export async function collectionOf(options: ReadingOptions, name: string): Promise<Collection<unknown>> {
  return (await connectTo(options.api)).collection(name)
}

/** The first slash splits; a key may hold more of them. */
export function parseAddress(text: string): readonly [collection: string, key: string] {
  const at = text.indexOf('/')
  if (at < 1 || at === text.length - 1) {
    throw new CausewayError('usage', `"${text}" is not of the form COLLECTION/KEY`, 'write it like tasks/rec-42')
  }
  return [text.slice(0, at), text.slice(at + 1)]
}

/** What begins like JSON and is not is a slip of the pen, and must not be stored as text. */
export async function readValue(text: string): Promise<unknown> {
  const source = text === '-' ? await readInput() : text
  try {
    return JSON.parse(source)
  } catch (cause) {
    if (!/^\s*[[{"]/.test(source)) return text === '-' ? source.replace(/\n$/, '') : source
    throw notJson('value', cause, 'correct it; text needs no quotes')
  }
}

export async function readInput(): Promise<string> {
  return (await import('node:stream/consumers')).text(process.stdin)
}

export function notJson(what: string, cause: unknown, remedy: string): CausewayError {
  const fault = (cause as SyntaxError).message.split('\n')[0]
  return new CausewayError('usage', `the ${what} is not JSON: ${fault}`, remedy, { cause })
}

export function shortValue(value: unknown): string {
  const text = JSON.stringify(value) ?? ''
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
