import { WAKE } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { Lab, type LabNode } from './replica-lab.ts'

const RECORDS = 3_000
const PARTS_MIN = RECORDS / 500
const LIMITED = { limits: { foldBytesMin: 4_000 } }

interface Folding {
  readonly lab: Lab
  readonly node: LabNode
  readonly hub: LabNode
  readonly session: number
}

/** A node has just told a hub of a fold, thin, which the hub begins to make. */
function folding(): Folding {
  const lab = new Lab(1)
  const [node, hub] = [lab.add('a', LIMITED), lab.add('hub', { ...LIMITED, core: true })]
  const session = lab.connect(node, hub, 'up')
  lab.run(100)
  for (let round = 0; !isMaking(hub); round++) {
    expect(round).toBeLessThan(300)
    const changes = Array.from({ length: 100 }, (_, at) => ({
      key: `k${(round * 100 + at) % RECORDS}`,
      operation: { type: 'put' as const, value: { round, text: 'x'.repeat(50) } },
    }))
    node.writeAll('hkg-1', changes)
    lab.tick(11)
    while (!isMaking(hub) && (lab.step() || wake(node)));
  }
  return { lab, node, hub, session }
}

function wake(node: LabNode): boolean {
  if ((node.replica.nextWake() ?? Infinity) > node.lab.now) return false
  node.input(WAKE)
  return true
}

/** It has something to do at once, and has not been told that it is late. */
function isMaking({ replica, lab }: LabNode): boolean {
  return (replica.nextWake() ?? Infinity) <= lab.now
}

function epochs({ store }: LabNode): number {
  return new Set([...store.keys()].filter((key) => key.startsWith('state/batch|')).map((key) => key.split('|')[4])).size
}

function hash({ replica }: LabNode): string {
  return replica.contentHash('tasks', 'hkg-1')
}

describe('a large fold that comes thin', () => {
  it('is made a part a turn, and nothing of it is seen before all of it is', () => {
    const { lab, node, hub, session } = folding()
    const [before] = hub.replica.heads()
    node.put('hkg-1', 'after', 1)
    lab.tick(11)
    let turns = 0
    for (; isMaking(hub); turns++) {
      // What comes from its session waits; what somebody here writes does not.
      while (lab.step());
      expect(hub.replica.heads()).toEqual([before])
      expect(hub.replica.get('tasks', 'hkg-1', 'after')).toBeUndefined()
      hub.input(WAKE)
    }
    expect(turns).toBeGreaterThanOrEqual(PARTS_MIN)
    lab.run(20_000)
    expect(hub.replica.get('tasks', 'hkg-1', 'after')?.value).toBe(1)
    expect(hash(hub)).toBe(hash(node))
    expect([epochs(hub), epochs(node)]).toEqual([1, 1])
    expect([...hub.violations(), ...node.violations()]).toEqual([])
    expect(lab.sessions()).toEqual([session])
  })

  it('is as if it had never come if its session ends meanwhile', () => {
    const { lab, node, hub, session } = folding()
    const [before, content] = [hub.replica.heads(), hash(hub)]
    wake(hub)
    lab.cut(session)
    expect(isMaking(hub)).toBe(false)
    expect([hub.replica.heads(), hash(hub)]).toEqual([before, content])
    hub.crash(0)
    lab.connect(node, hub, 'up')
    lab.run(20_000)
    expect(hash(hub)).toBe(hash(node))
    expect(epochs(hub)).toBe(1)
    expect(hub.violations()).toEqual([])
  })

  it('does not let its session say without end what has to wait', () => {
    const { hub, session } = folding()
    for (let sent = 0; sent < 8; sent++) hub.input({ type: 'sessionMessage', session, message: new Uint8Array(2 ** 20) })
    expect(hub.violations()).toMatchObject([{ code: 'overflow' }])
    expect(hub.lab.sessions()).toEqual([])
    expect(isMaking(hub)).toBe(false)
  })
})
