/**
 * What nodes of this protocol version said when it was recorded is read back, and means the same. A fleet is upgraded one node at a
 * time, so a change that fails here would cut the nodes that have it from those that do not yet.
 *
 *     RECORD=1 npx vitest run --project unit test/wire       records anew: only before a version is released; then oxfmt
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { PROTOCOL_VERSION } from '@causeway/protocol'
import { READERS, samples } from './samples.ts'

interface Recorded {
  readonly name: string
  readonly reader: string
  readonly hex: string
  readonly means: unknown
}

const FILE = fileURLToPath(new URL(`frames-${PROTOCOL_VERSION}.json`, import.meta.url))
const ADVICE = `nodes that run the recorded version cannot be understood any more. Read both forms; or, if that cannot be, raise \
PROTOCOL_VERSION and record the new one beside the old (RECORD=1)`

/** As JSON, with bytes in hexadecimal. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value ?? null, (_, each: unknown) => (each instanceof Uint8Array ? `0x${Buffer.from(each).toString('hex')}` : each)),
  )
}

const meaning = (reader: string, bytes: Uint8Array): unknown => plain(READERS[reader]?.(bytes))

if (process.env['RECORD'] || !existsSync(FILE)) {
  const frames = samples().map(({ name, reader, bytes }): Recorded => {
    return { reader, name, hex: Buffer.from(bytes).toString('hex'), means: meaning(reader, bytes) }
  })
  writeFileSync(FILE, `${JSON.stringify(frames, null, 2)}\n`)
}
const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as Recorded[]

test.each(recorded)('$reader $name means what it meant', ({ reader, hex, means }) => {
  expect(means).not.toBeNull()
  expect(meaning(reader, Uint8Array.from(Buffer.from(hex, 'hex'))), ADVICE).toEqual(means)
})

test('everything that is said is recorded', () => {
  const names = (all: readonly { readonly reader: string; readonly name: string }[]): string[] =>
    all.map(({ reader, name }) => `${reader} ${name}`)
  expect(names(recorded)).toEqual(names(samples()))
})
