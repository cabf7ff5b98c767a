import { describe, expect, it } from 'vitest'
import { putContent } from './entry.ts'
import { Lab, type LabNode, labCredential, labCredentials, labCrypto } from './replica-lab.ts'
import { ReplicatedDocument } from './replicated-document.ts'

const RECORDS = 3_000
const AT_ONCE = 100

function overwrite(node: LabNode, from: number, n: number): void {
  const changes = Array.from({ length: AT_ONCE }, (_, at) => {
    return { key: `k${(from + at) % RECORDS}`, operation: { type: 'put', value: { n, text: 'x'.repeat(20) } } } as const
  })
  node.writeAll('hkg-1', changes)
}

/** It wants to go on at once. */
function isFolding({ lab, replica }: LabNode): boolean {
  return (replica.nextWake() ?? Infinity) <= lab.now
}

/** A node and its hub, in the middle of a fold. */
function begun(): { readonly lab: Lab; readonly node: LabNode; readonly hub: LabNode } {
  const lab = new Lab(1)
  const [node, hub] = [lab.add('a'), lab.add('hub')]
  lab.connect(node, hub, 'up')
  lab.run(100)
  for (let at = 0; !isFolding(node) || at < RECORDS; at += AT_ONCE) {
    expect(at).toBeLessThan(10 * RECORDS)
    lab.run(11)
    overwrite(node, at, at)
  }
  return { lab, node, hub }
}

describe('a fold of a large document', () => {
  it('is made in turns, and what is written meanwhile is put upon it', () => {
    const { lab, node, hub } = begun()
    const late = node.put('hkg-1', 'late', 1)
    let turns = 0
    for (; isFolding(node); turns++) node.input({ type: 'wake' })
    expect(turns).toBeGreaterThan(3)
    expect(node.answers.has(late)).toBe(false)
    lab.run(100)
    expect(node.answers.get(late)).toMatchObject({ ok: true })
    lab.run(20_000)
    for (const each of [node, hub]) {
      expect(each.replica.heads()[0]?.logs).toHaveLength(1)
      expect(each.replica.list('tasks', 'hkg-1')).toHaveLength(RECORDS + 1)
    }
    expect(hub.replica.contentHash('tasks', 'hkg-1')).toBe(node.replica.contentHash('tasks', 'hkg-1'))
    expect([...node.violations(), ...hub.violations()]).toEqual([])
  })

  it('does not keep a node from stopping, nor from writing down what waits', () => {
    const { lab, node } = begun()
    const late = node.put('hkg-1', 'late', 1)
    node.input({ type: 'flush' })
    while (!node.flushed) node.persistNext()
    expect(node.answers.get(late)).toMatchObject({ ok: true })
    const { length } = node.replica.list('tasks', 'hkg-1')
    expect(length).toBe(RECORDS + 1)
    node.restart()
    lab.run(11)
    expect(node.replica.list('tasks', 'hkg-1')).toHaveLength(length)
  })

  it('is refused if the document has changed meanwhile', () => {
    const credential = labCredentials().check(labCredential('a'))
    if (typeof credential === 'string') throw new Error(credential)
    const document = new ReplicatedDocument(
      { collection: 'tasks', partition: 'hkg-1', writer: 'a' },
      labCrypto('a'),
      labCredentials(),
      true,
    )
    const put = (key: string): unknown => document.write(1, credential, [putContent({ key, ms: 1, counter: 0 }, 1, {})])
    put('a')
    const [early, late] = [document.draftFold(2), document.draftFold(3)]
    while (early.step() !== undefined);
    put('b')
    expect(document.install(early, credential)).toBeUndefined()
    expect(document.fold(4, credential)).toHaveLength(1)
    while (late.step() !== undefined);
    expect(document.install(late, credential)).toBeUndefined()
    expect([...document.keys()].sort()).toEqual(['a', 'b'])
  })
})
