/**
 * Shared documents with real processes: a hub, and two sites behind it, each with programs that hold a Y.Doc. They edit at once,
 * are cut off from each other and edit on, and their own nodes are killed meanwhile; in the end all hold the same.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import * as Y from 'yjs'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type Attachment, type Causeway, connect } from '@causeway/client'
import type { StatusView } from '@causeway/protocol'
import { Deployment, type NodeSpec } from './deployment.ts'
import { eventually } from './eventually.ts'

const EXAMPLE = fileURLToPath(new URL('../../packages/client/examples/board.ts', import.meta.url))
const NODES: readonly NodeSpec[] = [
  { name: 'core-1', role: 'hub', site: 'core' },
  { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1'], write: ['documents/**'] },
  { name: 'nrt-2-a', role: 'edge', site: 'nrt-2', hubs: ['core-1'], write: ['documents/**'] },
]
const EDGES = ['hkg-1-a', 'nrt-2-a'] as const

const lab = new Deployment()
const at = (node: string): Promise<Causeway> => connect({ api: lab.path(`${node}.sock`) })
const isCutOff = async (node: string): Promise<boolean> => (await lab.ask<StatusView>(node, 'status')).cutOff

interface Editor {
  readonly doc: Y.Doc
  readonly attachment: Attachment
}

async function edit(node: string, name: string): Promise<Editor> {
  const doc = new Y.Doc()
  const attachment = await (await at(node)).shared(name).attach(doc, Y)
  onTestFinished(() => attachment.close().catch(() => undefined))
  return { doc, attachment }
}

const textOf = ({ doc }: Editor): string => doc.getText('text').toJSON()
const allOf = ({ doc }: Editor): unknown => ({ text: doc.getText('text').toJSON(), map: doc.getMap('map').toJSON() })

async function same(one: Editor, two: Editor, parts: readonly string[]): Promise<void> {
  await eventually('both show all that was edited', () =>
    [one, two].every((editor) => parts.every((part) => textOf(editor).includes(part))),
  )
  expect(allOf(one)).toEqual(allOf(two))
}

beforeAll(async () => {
  await lab.prepare('mynet', NODES)
  for (const spec of NODES) lab.write(`${spec.name}.yaml`, lab.config(spec).replace('"notes/**"', '"documents/**"'))
  for (const { name } of NODES) await lab.start(name)
  for (const name of EDGES) await eventually(`${name} has its hub`, async () => !(await isCutOff(name)))
})
afterAll(() => lab.close())

test('two sites edit one document, also while they are cut off from each other, and hold the same', async () => {
  const [one, two] = [await edit('hkg-1-a', 'plan'), await edit('nrt-2-a', 'plan')]
  one.doc.getText('text').insert(0, 'hello')
  await eventually('the other site reads it', () => textOf(two) === 'hello')
  for (let n = 0; n < 30; n++) {
    one.doc.getText('text').insert(0, `<${n}>`)
    two.doc.getText('text').insert(textOf(two).length, `[${n}]`)
    two.doc.getMap('map').set(`k${n % 3}`, n)
  }
  await same(one, two, ['<29>', '[29]'])

  await lab.end('core-1', 'SIGKILL')
  for (const name of EDGES) await eventually(`${name} is cut off`, () => isCutOff(name))
  one.doc.getText('text').delete(0, 4)
  one.doc.getText('text').insert(2, 'meanwhile in Hong Kong')
  two.doc.getText('text').insert(2, 'meanwhile in Narita')
  two.doc.getMap('map').set('k0', new Y.Array())
  for (const { attachment } of [one, two]) await attachment.flushed()
  expect(textOf(one)).not.toContain('Narita')
  expect(textOf(two)).not.toContain('Hong Kong')
  await lab.start('core-1')
  await same(one, two, ['meanwhile in Hong Kong', 'meanwhile in Narita'])
  const late = await edit('core-1', 'plan')
  expect(allOf(late)).toEqual(allOf(one))
})

test('a program edits on while its node is killed and started again, and nothing is lost', async () => {
  const [one, two] = [await edit('hkg-1-a', 'log'), await edit('nrt-2-a', 'log')]
  const words = Array.from({ length: 200 }, (_, n) => `word-${n} `)
  const writing = (async () => {
    for (const word of words) {
      one.doc.getText('text').insert(textOf(one).length, word)
      // So that they are many requests, some of which are under way when the node dies.
      await new Promise(setImmediate)
    }
  })()
  await eventually('some arrive', () => textOf(two).includes('word-0 '))
  await lab.end('hkg-1-a', 'SIGKILL')
  await writing
  one.doc.getText('text').insert(0, 'while it was gone ')
  await lab.start('hkg-1-a')
  await one.attachment.flushed()
  await same(one, two, ['while it was gone ', ...words])
  expect(textOf(two)).toBe(`while it was gone ${words.join('')}`)
})

test('what was written may be written again, what is in the name of another is refused, and an edited Y.Doc is not attached', async () => {
  const shared = (await at('hkg-1-a')).shared('notes/hkg')
  const { clientId } = await shared.state()
  const doc = new Y.Doc()
  doc.clientID = clientId
  doc.getText('text').insert(0, 'once')
  const update = Y.encodeStateAsUpdate(doc)
  const { token } = await shared.write([update])
  expect(await shared.write([update, update])).toEqual({ token })
  const copy = new Y.Doc()
  Y.applyUpdate(copy, (await shared.state()).update)
  expect(copy.getText('text').toJSON()).toBe('once')
  await expect(shared.attach(doc, Y)).rejects.toMatchObject({ code: 'usage' })
  const stranger = await edit('hkg-1-a', 'notes/hkg')
  stranger.doc.clientID = 7
  stranger.doc.getText('text').insert(0, 'twice')
  const { attachment } = stranger
  for (const told of [() => attachment.flushed(), () => attachment.ended, () => attachment.flushed()])
    await expect(told()).rejects.toMatchObject({ code: 'refused' })
})

test('the example shows at each site what was typed at the other', async () => {
  const start = (node: string): { readonly child: ChildProcessWithoutNullStreams; text: string } => {
    const child = spawn(process.execPath, [EXAMPLE], { env: { ...process.env, CAUSEWAY_API: lab.path(`${node}.sock`) } })
    const board = { child, text: '' }
    for (const output of [child.stdout, child.stderr]) output.on('data', (chunk: Buffer) => (board.text += chunk.toString()))
    onTestFinished(() => void child.kill())
    return board
  }
  const [one, two] = [start('hkg-1-a'), start('nrt-2-a')]
  one.child.stdin.write('good morning\n')
  await eventually('the other reads it', () => two.text.includes('good morning\n'))
  two.child.stdin.end('good night\n')
  await eventually('the first reads it', () => one.text.includes('good night\n'))
  await eventually('one that has no more to say ends', () => two.child.exitCode !== null)
  expect(two.child.exitCode).toBe(0)
})
