import { describe, expect, it } from 'vitest'
import { Document } from './document.ts'
import { Lab, type LabNode } from './replica-lab.ts'

const LIMITED = { limits: { foldBytesMin: 4_000 } }

function overwrite(lab: Lab, node: LabNode, times: number, keys = 4): void {
  for (let n = 0; n < times; n++) {
    node.put('hkg-1', `k${n % keys}`, { n, text: 'x'.repeat(50) })
    lab.run(11)
  }
}

function batchKeys(node: LabNode): string[] {
  return [...node.store.keys()].filter((key) => key.startsWith('state/batch|'))
}

function hash(node: LabNode): string {
  return node.replica.contentHash('tasks', 'hkg-1')
}

/** Epochs of the only document. */
function epochs(node: LabNode): number[] {
  return node.replica.heads()[0]?.logs.map(({ epoch }) => epoch) ?? []
}

describe('a document that is folded', () => {
  it('stays near the size of its live records, in memory and on disk, here and at peers', () => {
    const lab = new Lab(1)
    const node = lab.add('a', LIMITED)
    const hub = lab.add('hub', LIMITED)
    lab.connect(node, hub, 'up')
    lab.run(100)
    overwrite(lab, node, 400)
    // Also while it is written on and on.
    for (let n = 0; n < 20; n++) {
      node.put('hkg-1', 'k3', { n: 399 })
      lab.run(1_000)
    }
    lab.run(30_000)
    expect(batchKeys(node).length).toBeLessThan(60)
    expect(batchKeys(hub).sort()).toEqual(batchKeys(node).sort())
    expect(epochs(hub)).toEqual(epochs(node))
    expect(epochs(node)).toHaveLength(1)
    expect(hash(hub)).toBe(hash(node))
    expect(node.replica.get('tasks', 'hkg-1', 'k3')?.value).toMatchObject({ n: 399 })
    expect(hub.violations()).toEqual([])
  })

  it('takes the place of what it replaces in one go: no disk holds both, neither that of its writer nor one of others', () => {
    const lab = new Lab(3)
    const node = lab.add('a', LIMITED)
    const hub = lab.add('hub', LIMITED)
    lab.connect(node, hub, 'up')
    lab.run(100)
    const nodes = [node, hub].map((each) => {
      const seen = new Set<string>()
      const persistNext = each.persistNext.bind(each)
      each.persistNext = () => {
        persistNext()
        const there = new Set(batchKeys(each).map((key) => key.split('|')[4] ?? ''))
        expect(there.size).toBeLessThan(2)
        for (const epoch of there) seen.add(epoch)
      }
      return { each, seen }
    })
    overwrite(lab, node, 200)
    for (const { each, seen } of nodes) {
      expect(seen.size).toBeGreaterThan(3)
      each.restart()
      expect(each.replica.get('tasks', 'hkg-1', 'k3')?.value).toMatchObject({ n: 199 })
    }
  })

  it('costs one who was cut off no more than what is live and what came since', () => {
    const lab = new Lab(2)
    const node = lab.add('a', LIMITED)
    const hub = lab.add('hub', LIMITED)
    const session = lab.connect(node, hub, 'up')
    lab.run(100)
    overwrite(lab, node, 30)
    lab.cut(session)
    overwrite(lab, node, 1_000)
    lab.bytes = 0
    lab.connect(node, hub, 'up')
    lab.run(100)
    expect(hash(hub)).toBe(hash(node))
    expect(lab.bytes).toBeLessThan(20_000)
    expect(hub.violations()).toEqual([])
  })

  it('is folded when it has been quiet, so that who joins reads hardly more than what is live', () => {
    const lab = new Lab(8)
    const node = lab.add('a', LIMITED)
    const hub = lab.add('hub', LIMITED)
    lab.connect(node, hub, 'up')
    lab.run(100)
    // A fifth once more: not so much that it is folded at once.
    for (const count of [60, 13]) {
      for (let n = 0; n < count; n++) node.put('hkg-1', `k${n}`, { count, text: 'x'.repeat(500) })
      lab.run(11)
    }
    const [epoch] = epochs(node)
    expect(epochs(node)).toHaveLength(1)
    expect(batchKeys(node).length).toBeGreaterThan(1)
    lab.run(80_000)
    expect(epochs(hub)).toEqual(epochs(node))
    expect(epochs(node)).not.toContain(epoch)
    expect(batchKeys(node)).toHaveLength(1)
    const late = lab.add('late')
    lab.bytes = 0
    lab.connect(late, hub, 'up')
    lab.run(100)
    expect(hash(late)).toBe(hash(node))
    expect(lab.bytes).toBeLessThan(1.3 * JSON.stringify(node.replica.list('tasks').map(({ key, value }) => [key, value])).length)
  })

  it('costs who has it all hardly anything', () => {
    const lab = new Lab(5)
    const node = lab.add('a', LIMITED)
    const hub = lab.add('hub', LIMITED)
    lab.connect(node, hub, 'up')
    lab.run(100)
    // Much that stays, and a little that is written again and again.
    for (let n = 0; n < 40; n++) node.put('hkg-1', `large-${n}`, 'x'.repeat(500))
    lab.run(100)
    const written = lab.bytes
    const [epoch] = epochs(node)
    let before = 0
    for (let times = 0; epochs(node).at(-1) === epoch; times++) {
      expect(times).toBeLessThan(1_000)
      before = lab.bytes
      overwrite(lab, node, 1, 1)
    }
    expect(epochs(hub)).toEqual(epochs(node))
    expect(hash(hub)).toBe(hash(node))
    expect(lab.bytes - before).toBeLessThan(written / 10)
    lab.run(20_000)
    expect(epochs(hub)).toHaveLength(1)
    expect([...node.violations(), ...hub.violations()]).toEqual([])
    hub.crash(0)
    lab.connect(node, hub, 'up')
    lab.run(100)
    expect(hash(hub)).toBe(hash(node))
  })

  it('arrives whole where the thin one cannot be made', () => {
    const lab = new Lab(6)
    const node = lab.add('a', LIMITED)
    const hub = lab.add('hub', LIMITED)
    const session = lab.connect(node, hub, 'up')
    lab.run(100)
    overwrite(lab, node, 5)
    // The hub's copy is not what its logs say it is: as with another version of Yjs.
    const original = Reflect.get(Document.prototype, 'append')
    const input = hub.input.bind(hub)
    let atHub = false
    let made = 0
    hub.input = (what) => {
      atHub = true
      input(what)
      atHub = false
    }
    Document.prototype.append = function (...given) {
      const update = Reflect.apply(original, this, given)
      if (atHub) made += 1
      return atHub ? update.slice(1) : update
    }
    try {
      overwrite(lab, node, 100)
      lab.run(60_000)
    } finally {
      Document.prototype.append = original
    }
    expect(made).toBeGreaterThan(0)
    expect(hub.violations()[0]).toMatchObject({ code: 'unexpected', detail: expect.stringContaining('the same fold') })
    // What came after it did not fit either, until the heads had told.
    expect(new Set(hub.violations().map(({ code }) => code))).toEqual(new Set(['unexpected']))
    expect(lab.sessions()).toContain(session)
    expect(hash(hub)).toBe(hash(node))
    expect(epochs(hub)).toEqual(epochs(node))
  })

  it('is whole after a crash at any moment of it', () => {
    let between = 0
    for (let seed = 0; seed < 60; seed++) {
      const lab = new Lab(seed)
      const node = lab.add('a', LIMITED)
      const hub = lab.add('hub', LIMITED)
      lab.connect(node, hub, 'up')
      lab.run(100)
      overwrite(lab, node, 8 + (seed % 20), 3)
      let n = 0
      let last = node.put('hkg-1', 'last', n)
      // Until one comes with a fold.
      while (node.unpersisted[0]?.entries.length === 1 && n < 60) {
        lab.run(11)
        last = node.put('hkg-1', 'last', ++n)
      }
      for (let step = 0; step < seed % 7; step++) lab.step()
      const acknowledged = node.answers.get(last)?.ok === true
      if (String(epochs(node)) !== String(epochs(hub))) between += 1
      for (const victim of [node, hub]) victim.crash(seed % 3)
      lab.connect(node, hub, 'up')
      lab.run(40_000)
      expect(hash(hub), `seed ${seed}`).toBe(hash(node))
      if (acknowledged) expect(hub.replica.get('tasks', 'hkg-1', 'last')?.value).toBe(n)
      overwrite(lab, node, 60, 3)
      lab.run(20_000)
      expect(epochs(node), `seed ${seed}`).toEqual(epochs(hub))
      expect(hash(hub)).toBe(hash(node))
      expect([...node.violations(), ...hub.violations()]).toEqual([])
    }
    expect(between).toBeGreaterThan(0)
  })

  it('is not folded by one who does not know what others hold of it', () => {
    const lab = new Lab(3)
    const node = lab.add('a', LIMITED)
    const hub = lab.add('hub', LIMITED)
    const session = lab.connect(node, hub, 'up')
    lab.run(100)
    overwrite(lab, node, 10)
    node.put('hkg-1', 'only-the-hub-has-it', 1)
    lab.run(100)
    lab.cut(session)
    // Its disk is lost, and it writes on before it has met anybody.
    node.restart(new Map())
    overwrite(lab, node, 100)
    lab.connect(node, hub, 'up')
    lab.run(40_000)
    overwrite(lab, node, 100)
    expect(node.replica.get('tasks', 'hkg-1', 'only-the-hub-has-it')?.value).toBe(1)
    expect(hash(hub)).toBe(hash(node))
    expect(epochs(node)).toEqual(epochs(hub))
  })

  it('is not folded by a gateway with an old disk that has met its members only', () => {
    const lab = new Lab(6)
    const [hub, gateway, member] = [lab.add('hub', { ...LIMITED, core: true }), lab.add('a', LIMITED), lab.add('b', LIMITED)]
    lab.connect(gateway, hub, 'up')
    overwrite(lab, gateway, 4)
    const backup = new Map(gateway.store)
    backup.delete('state/clean')
    gateway.put('hkg-1', 'kept', 1)
    lab.run(10_000)
    gateway.restart(backup)
    lab.connect(member, gateway, 'up')
    overwrite(lab, gateway, 400)
    lab.run(120_000)
    lab.connect(gateway, hub, 'up')
    lab.run(120_000)
    for (const node of lab.nodes) expect(node.replica.get('tasks', 'hkg-1', 'kept')).toMatchObject({ value: 1 })
    expect(epochs(hub)).toHaveLength(1)
  })

  it('is not folded by a hub that has met its peers, before they have given back what it lost with its disk', () => {
    const lab = new Lab(9)
    const hub = lab.add('hub', { ...LIMITED, core: true })
    const edge = lab.add('edge', { ...LIMITED, interest: ['tasks/hkg-1'] })
    lab.connect(edge, hub, 'up')
    lab.run(100)
    for (let n = 0; n < 100; n++) hub.put('hkg-1', `only-the-edge-has-${n}`, 'x'.repeat(500))
    lab.run(100)
    hub.restart(new Map())
    lab.messages = 0
    lab.connect(edge, hub, 'up')
    // They have greeted each other, and no more.
    while (!hub.replica.view(lab.now).sessions.includes('edge') || lab.messages < 2) lab.step()
    lab.step()
    for (let n = 0; n < 200; n++) {
      hub.put('hkg-1', 'k', { n, text: 'x'.repeat(50) })
      lab.tick(11)
      hub.persistNext()
    }
    lab.run(90_000)
    for (const node of [hub, edge]) expect(node.replica.list('tasks', 'hkg-1')).toHaveLength(101)
    expect(hash(hub)).toBe(hash(edge))
  })

  it('keeps the revisions of its records', () => {
    const lab = new Lab(4)
    const node = lab.add('a', LIMITED)
    lab.connect(node, lab.add('hub', LIMITED), 'up')
    lab.run(100)
    node.put('hkg-1', 'old', 1)
    lab.run(20)
    const { revision } = node.replica.get('tasks', 'hkg-1', 'old')!
    overwrite(lab, node, 200)
    lab.run(20_000)
    expect(epochs(node)).toHaveLength(1)
    expect(node.replica.get('tasks', 'hkg-1', 'old')!.revision).toBe(revision)
    node.crash(0)
    expect(node.replica.get('tasks', 'hkg-1', 'old')!.revision).toBe(revision)
    const update = node.write('hkg-1', 'old', { type: 'update', value: 2 }, revision)
    lab.run(20)
    expect(node.answers.get(update)).toMatchObject({ ok: true })
  })
})
