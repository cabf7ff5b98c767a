import * as Y from 'yjs'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '@causeway/protocol'
import { Collections, type SharedDocument } from './collections.ts'
import { Lab, type LabNode, WALL_MS, labCrypto } from './replica-lab.ts'
import { drawClient } from './shared-gate.ts'

/** An application with a Y.Doc of its own on a node. */
class Application {
  readonly doc = new Y.Doc()
  readonly outcomes: string[] = []
  readonly collections: Collections
  readonly shared: SharedDocument

  constructor(node: LabNode) {
    const { lab } = node
    const submit = (input: Parameters<LabNode['input']>[0]): void => node.input(input)
    this.collections = new Collections({ replica: node.replica, submit, random: lab.random, now: lab.now, wallOffsetMs: WALL_MS })
    const handle = node.replica.handle.bind(node.replica)
    node.replica.handle = (now, input) => this.collections.take(now, handle(now, input))
    this.shared = this.collections.sharedDocument('board')
    this.doc.clientID = this.shared.clientId
    Y.applyUpdate(this.doc, this.shared.state(), 'replica')
    this.shared.follow((update) => Y.applyUpdate(this.doc, update, 'replica'))
    this.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'replica') this.shared.write(update, (outcome) => this.outcomes.push(outcome.ok ? 'ok' : outcome.message))
    })
  }

  get text(): string {
    return this.doc.getText('text').toJSON()
  }
}

function pair(seed: number): { lab: Lab; a: LabNode; b: LabNode; hub: LabNode } {
  const lab = new Lab(seed)
  const [hub, a, b] = [lab.add('core-1', { core: true }), lab.add('a'), lab.add('b', { interest: ['documents/board'] })]
  lab.connect(a, hub, 'up')
  lab.connect(b, hub, 'up')
  return { lab, a, b, hub }
}

/** Of what a Y.Doc with that client id types at first, all but the first ten letters. */
function laterPart(client: number): Uint8Array {
  const doc = new Y.Doc()
  doc.clientID = client
  doc.getText('text').insert(0, 'ten more, ')
  const before = Y.encodeStateVector(doc)
  doc.getText('text').insert(0, 'and one')
  return Y.encodeStateAsUpdate(doc, before)
}

describe('a shared document', () => {
  it('is edited by two at once, and comes out the same, also after restarts and cuts', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { lab, a, b, hub } = pair(seed)
      let [one, two] = [new Application(a), new Application(b)]
      one.doc.getText('text').insert(0, 'hello')
      lab.run(100)
      expect(two.text).toBe('hello')
      lab.cutAll(a)
      for (let n = 0; n < 10; n++) {
        one.doc.getText('text').insert(lab.random.uint32() % (one.text.length + 1), `<${n}>`)
        one.doc.getMap('map').set(`k${n % 3}`, `one ${n}`)
        two.doc.getText('text').delete(0, 1)
        two.doc.getText('text').insert(two.text.length, `[${n}]`)
        two.doc.getMap('map').set(`k${n % 2}`, new Y.Array())
        lab.tick(5)
      }
      lab.run(100)
      if (seed % 2 === 0) {
        a.crash(9)
        b.crash(9)
        lab.connect(b, hub, 'up')
        ;[one, two] = [new Application(a), new Application(b)]
      }
      two.doc.getText('text').insert(0, 'more ')
      lab.connect(a, hub, 'up')
      lab.run(1_000)
      one.doc.getText('text').insert(0, 'last ')
      lab.run(1_000)
      expect(one.text).toBe(two.text)
      for (const part of ['last ', 'more ', '[9]']) expect(one.text).toContain(part)
      expect(one.doc.toJSON()).toEqual(two.doc.toJSON())
      expect(new Set([...one.outcomes, ...two.outcomes])).toEqual(new Set(['ok']))
      const late = new Application(hub)
      expect(late.text).toBe(one.text)
      for (const node of lab.nodes) {
        expect(node.violations()).toEqual([])
        expect(node.replica.complete()).toBe(true)
      }
    }
  })

  it('takes an update once, however often it comes, and says so only when it is durable', () => {
    const { lab, a, b } = pair(1)
    const one = new Application(a)
    const updates: Uint8Array[] = []
    one.doc.on('update', (update: Uint8Array) => updates.push(update))
    const outcomes: boolean[] = []
    const repeat = (): void => one.shared.write(updates[0] as Uint8Array, ({ ok }) => outcomes.push(ok))
    one.doc.getText('text').insert(0, 'hello')
    repeat()
    expect([...one.outcomes, ...outcomes]).toEqual([])
    lab.run(100)
    const [written] = a.replica.heads()
    repeat()
    lab.run(100)
    expect([...one.outcomes, ...outcomes]).toEqual(['ok', true, true])
    expect(a.replica.heads()).toEqual([written])
    one.doc.getText('text').insert(5, ' world')
    lab.run(100)
    expect(new Application(b).text).toBe('hello world')
  })

  it('leaves memory when it is closed, and is there again when somebody asks', () => {
    const { lab, a, b } = pair(1)
    const [one, two] = [new Application(a), new Application(b)]
    b.replica.shared.close('board')
    one.doc.getText('text').insert(0, 'hello')
    lab.run(100)
    expect(two.text).toBe('')
    expect(new Application(b).text).toBe('hello')
  })

  it('takes nothing in the name of another, no gap, no garbage, and no records', () => {
    const { lab, a, b } = pair(1)
    const one = new Application(a)
    one.doc.getText('text').insert(0, 'hello')
    lab.run(100)
    const refused = (update: Uint8Array): string => {
      let message = ''
      one.shared.write(update, (outcome) => (message = outcome.ok ? 'taken' : outcome.message))
      lab.run(100)
      return message
    }
    const by = (client: number): Uint8Array => {
      const doc = new Y.Doc()
      doc.clientID = client
      doc.getText('text').insert(0, 'x')
      return Y.encodeStateAsUpdate(doc)
    }
    expect(refused(by(drawClient(labCrypto('b'), 'b', new SeededRandom(1))))).toMatch(/does not belong/)
    expect(refused(by(7))).toMatch(/does not belong/)
    expect(refused(laterPart(one.shared.clientId))).toMatch(/comes next/)
    expect(refused(Uint8Array.of(1, 2, 3))).toMatch(/cannot be decoded/)
    expect(refused(Uint8Array.of(0, 0))).toMatch(/empty/)
    expect(refused(new Uint8Array(1_000_000))).toMatch(/bytes/)
    let record: unknown
    one.collections.put({ collection: 'documents', partition: 'board', key: 'k' }, 1, (outcome) => (record = outcome))
    expect(record).toMatchObject({ ok: false, code: 'refused' })
    one.doc.getText('text').insert(5, ' world')
    lab.run(100)
    expect(new Application(b).text).toBe('hello world')
  })
})
