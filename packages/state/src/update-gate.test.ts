import fc from 'fast-check'
import * as Y from 'yjs'
import { describe, expect, it } from 'vitest'
import { SeededRandom } from '@causeway/protocol'
import { type Batch, decodeBatch, signBatch } from './batch.ts'
import { type Content, putContent } from './entry.ts'
import { labCredential, labCredentials, labCrypto } from './replica-lab.ts'
import type { Document } from './document.ts'
import { ReplicatedDocument } from './replicated-document.ts'
import type { WriterCredential } from './writer-credentials.ts'

const NAME = { collection: 'tasks', partition: 'hkg-1', writer: 'a' }
const EPOCH = 1_790_000_000 * 2 ** 20 + 5

function content(key: string, ms: number, value: unknown = ms): Content {
  return putContent({ key, ms, counter: 0 }, value, {})
}

const OWN = ((): WriterCredential => {
  const checked = labCredentials().check(labCredential('a'))
  if (typeof checked === 'string') throw new Error(checked)
  return checked
})()

/** A victim that holds three keys, each overwritten, and the writer's own copy. */
function pair(): { writer: ReplicatedDocument; victim: ReplicatedDocument } {
  const writer = new ReplicatedDocument(NAME, labCrypto('a'), labCredentials())
  const victim = new ReplicatedDocument(NAME, labCrypto('a'), labCredentials())
  for (let n = 1; n <= 6; n++) expect(victim.accept(writer.write(EPOCH, OWN, [content(`k${n % 3}`, n)]).batch).type).toBe('applied')
  return { writer, victim }
}

function state(document: ReplicatedDocument): unknown {
  return [...document.keys()].sort().map((key) => document.get(key))
}

/** The next batch of the victim's log, signed by its writer, with any update inside. */
function forge(victim: ReplicatedDocument, update: Uint8Array, signer = 'a'): Batch {
  const log = victim.log(EPOCH)
  const fields = { ...NAME, epoch: EPOCH, seq: (log?.seq ?? 0) + 1, head: undefined, update }
  return signBatch(labCrypto(signer), fields, log?.tip ?? new Uint8Array(0)).batch
}

/** An update made by Yjs itself on top of what the victim holds. */
function hostile(victim: ReplicatedDocument, change: (doc: Y.Doc) => void, client = EPOCH): Uint8Array {
  const doc = new Y.Doc()
  for (const log of victim.logs()) for (const { update } of log.batches()) Y.applyUpdate(doc, update)
  const updates: Uint8Array[] = []
  doc.on('update', (update: Uint8Array) => void updates.push(update))
  doc.clientID = client
  doc.transact(() => change(doc))
  return updates[0]!
}

const tuple = (key: string, ms: number, value: unknown = 1): unknown[] => [key, ms, 0, value]

describe('the gate', () => {
  it('lets an honest update through', () => {
    const { victim } = pair()
    const update = hostile(victim, (doc) => doc.getArray('entries').push([tuple('new', 9)]))
    expect(victim.accept(forge(victim, update)).type).toBe('applied')
    expect(victim.get('new')).toMatchObject({ value: 1, ms: 9, writer: 'a', epoch: EPOCH })
  })

  const attacks: Record<string, [RegExp, (doc: Y.Doc) => void, number?]> = {
    'a struct of another client': [/of epoch 7/, (doc) => doc.getArray('entries').push([tuple('x', 9)]), 7],
    'a second root': [/root/, (doc) => doc.getArray('other').push([tuple('x', 9)])],
    'a map root': [/not appended|root/, (doc) => doc.getMap('entries2').set('x', 1)],
    'a key of the array': [/not appended/, (doc) => doc.getMap('m').set('x', tuple('x', 9))],
    'a nested array': [/plain content/, (doc) => doc.getArray('entries').push([new Y.Array()])],
    'a nested text': [/plain content/, (doc) => doc.getArray('entries').push([new Y.Text('x')])],
    'a subdocument': [/plain content/, (doc) => doc.getArray('entries').push([new Y.Doc()])],
    'binary content': [/plain content/, (doc) => doc.getArray('entries').push([new Uint8Array(3)])],
    'text in a root': [/plain content/, (doc) => doc.getText('t').insert(0, 'hello')],
    'an insertion at the front': [/not appended/, (doc) => doc.getArray('entries').insert(0, [tuple('x', 9)])],
    'something that is no entry': [/tuple/, (doc) => doc.getArray('entries').push([{ k: 'x' }])],
    'a stamp that is no number': [/stamp/, (doc) => doc.getArray('entries').push([['x', 'soon', 0, 1]])],
    'a key with control characters': [/key/, (doc) => doc.getArray('entries').push([tuple('\n', 9)])],
    'labels that are no strings': [/labels/, (doc) => doc.getArray('entries').push([['x', 9, 0, 1, { l: { a: 1 } }]])],
    'a patch that is no list': [/patch/, (doc) => doc.getArray('entries').push([['x', 9, 0, 1, { p: [] }]])],
    'a patched field newer than its patch': [/patch/, (doc) => doc.getArray('entries').push([['x', 9, 0, [['f', 10, 0, 1]], { p: [] }]])],
    'an entry of a later log': [/later log/, (doc) => doc.getArray('entries').push([['x', 9, 0, 1, { e: EPOCH + 1 }]])],
    'a patch in place of a put': [
      /without a newer one/,
      (doc) => (doc.getArray('entries').delete(0, 1), doc.getArray('entries').push([['k1', 99, 0, [], { p: [] }]])),
    ],
    'a value that is not JSON': [/value/, (doc) => doc.getArray('entries').push([tuple('x', 9, [undefined])])],
    'a bare delete': [/without a newer one/, (doc) => doc.getArray('entries').delete(0, 2)],
    'a delete for an older entry': [
      /without a newer one/,
      (doc) => (doc.getArray('entries').delete(0, 1), doc.getArray('entries').push([tuple('k1', 1)])),
    ],
  }
  it.each(Object.entries(attacks))('refuses %s', (_, [reason, change, client]) => {
    const { victim, writer } = pair()
    const before = state(victim)
    const acceptance = victim.accept(forge(victim, hostile(victim, change, client)))
    expect(acceptance).toMatchObject({ type: 'bad', reason: expect.stringMatching(reason) })
    expect(state(victim)).toEqual(before)
    expect(victim.accept(writer.write(EPOCH, OWN, [content('k0', 99)]).batch).type).toBe('applied')
  })

  it('refuses deletes of what nobody has written yet', () => {
    const { victim } = pair()
    // No structs; one client with one range: clock 6, length 1,000. The document ends at 6.
    const varint = (n: number): number[] => (n < 128 ? [n] : [(n % 128) | 128, ...varint(Math.floor(n / 128))])
    const update = Uint8Array.from([0, 1, ...varint(EPOCH), 1, ...varint(6), ...varint(1_000)])
    expect(victim.accept(forge(victim, update))).toMatchObject({ type: 'bad', reason: expect.stringMatching(/beyond what is known/) })
  })

  it('refuses an update that skips ahead', () => {
    const { victim, writer } = pair()
    writer.write(EPOCH, OWN, [content('skipped', 10)])
    const { batch } = writer.write(EPOCH, OWN, [content('next', 11)])
    expect(victim.accept(forge(victim, batch.update))).toMatchObject({ type: 'bad', reason: expect.stringMatching(/comes next/) })
  })

  it('is not muted by a frame of a few bytes that claims to know a writer to the end', () => {
    const { victim, writer } = pair()
    const varint = (n: number): number[] => (n < 128 ? [n] : [(n % 128) | 128, ...varint(Math.floor(n / 128))])
    const far = 2 ** 40
    // One client with one struct that is deleted (0) or skipped (10), for ever so long: from here on nothing of it would be new.
    for (const kind of [0, 10]) {
      const frame = Uint8Array.from([1, 1, ...varint(EPOCH), ...varint(6), kind, ...varint(far), 0])
      expect(victim.accept(forge(victim, frame))).toMatchObject({ type: 'bad', reason: expect.stringMatching(/plain content|decoded/) })
    }
    expect(victim.accept(writer.write(EPOCH, OWN, [content('k0', 99)]).batch).type).toBe('applied')
    expect(victim.get('k0')!.ms).toBe(99)
  })

  it('keeps nothing of a flood that waits for what never comes', () => {
    const { victim, writer } = pair()
    const bytes = (): number => (victim.snapshot() as Document).encodedBytes()
    const before = bytes()
    for (let n = 0; n < 500; n++) {
      // Each comes after an entry of an epoch that nobody has.
      const alien = new Y.Doc()
      alien.clientID = EPOCH - 1 - n
      alien.getArray('entries').push([tuple('never', 1)])
      const doc = new Y.Doc()
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(alien))
      doc.clientID = EPOCH
      const vector = Y.encodeStateVector(doc)
      doc.getArray('entries').push([tuple('x', 9)])
      expect(victim.accept(forge(victim, Y.encodeStateAsUpdate(doc, vector))).type).toBe('bad')
    }
    expect(bytes()).toBe(before)
    expect(victim.log(EPOCH)!.seq).toBe(6)
    expect(victim.accept(writer.write(EPOCH, OWN, [content('k0', 99)]).batch).type).toBe('applied')
  })

  it('takes batches in order only, once, and only if the chain holds', () => {
    const { victim, writer } = pair()
    const first = writer.write(EPOCH, OWN, [content('x', 10)]).batch
    const second = writer.write(EPOCH, OWN, [content('x', 11)]).batch
    expect(victim.accept(second).type).toBe('gap')
    expect(victim.accept(first).type).toBe('applied')
    expect(victim.accept(first).type).toBe('duplicate')
    const detached = signBatch(labCrypto('a'), second, new Uint8Array(16)).batch
    expect(victim.accept(detached)).toMatchObject({ type: 'bad', reason: expect.stringMatching(/not signed/) })
    expect(victim.accept(forge(victim, second.update, 'b'))).toMatchObject({ type: 'bad', reason: expect.stringMatching(/not signed/) })
    expect(victim.accept(second).type).toBe('applied')
    expect(victim.get('x')!.ms).toBe(11)
  })

  it('waits for the base of a new epoch', () => {
    const { writer, victim } = pair()
    const missing = writer.write(EPOCH, OWN, [content('k0', 20)]).batch
    const next = writer.write(EPOCH + 1, OWN, [content('k0', 21)]).batch
    expect(next.head?.base).toMatchObject([{ epoch: EPOCH, seq: 7 }])
    expect(victim.accept(next).type).toBe('gap')
    expect([missing, next].map((batch) => victim.accept(batch).type)).toEqual(['applied', 'applied'])
    expect(state(victim)).toEqual(state(writer))
    expect(victim.frontier('applied')).toMatchObject([{ epoch: EPOCH + 1, seq: 1 }])
  })

  it('is never thrown off by mutated updates, and they never change content', () => {
    const random = new SeededRandom(7)
    let { writer, victim } = pair()
    let refused = 0
    let taken = 0
    for (let round = 0; round < 6_000; round++) {
      if (round % 200 === 0) ({ writer, victim } = pair())
      const honest = hostile(victim, (doc) => {
        doc.getArray('entries').delete(0, 1)
        doc.getArray('entries').push([tuple('k1', 50, { a: [1, 'two', null, 3.5], b: 'x'.repeat(20) }), tuple('z', 51)])
      })
      const update = mutate(honest, random)
      const before = state(victim)
      const acceptance = victim.accept(forge(victim, update))
      if (acceptance.type === 'bad') {
        refused += 1
        expect(state(victim)).toEqual(before)
      } else {
        // The mutation hit content only: then it is what that writer wrote, and the document is as good as before.
        taken += 1
        ;({ writer, victim } = pair())
      }
    }
    expect(writer.log(EPOCH)!.seq).toBe(6)
    expect(refused).toBeGreaterThan(4_000)
    expect(taken).toBeGreaterThan(50)
    expect(victim.accept(writer.write(EPOCH, OWN, [content('k0', 99)]).batch).type).toBe('applied')
  })

  it('reads no batch out of garbage', () => {
    const { writer } = pair()
    const { encoded } = writer.write(EPOCH, OWN, [content('k0', 99)]).batch
    const random = new SeededRandom(9)
    for (let round = 0; round < 3_000; round++) {
      const batch = decodeBatch(mutate(encoded, random))
      if (batch) expect(batch).toMatchObject({ collection: expect.any(String), update: expect.any(Uint8Array) })
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => decodeBatch(bytes) === undefined))
    expect(decodeBatch(encoded)).toMatchObject({ ...NAME, epoch: EPOCH, seq: 7 })
  })
})

function mutate(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  let copy = Uint8Array.from(bytes)
  const at = (): number => Math.floor(random.float() * copy.length)
  for (let n = random.uint32() % 3; n >= 0; n--) {
    const position = at()
    switch (random.uint32() % 5) {
      case 0:
        copy[position] = random.uint32()
        break
      case 1:
        copy[position]! ^= 1 << (random.uint32() % 8)
        break
      case 2:
        copy = copy.slice(0, position)
        break
      case 3:
        copy = Uint8Array.from([...copy.slice(0, position), ...copy.slice(at())])
        break
      default:
        copy = Uint8Array.from([...copy.slice(0, position), random.uint32() & 0xff, ...copy.slice(position)])
    }
  }
  return copy
}
