import { DIALLED_SELF, type Instant, type NodeId, SeededRandom, instant, nodeId } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { Dialer, type Whereabouts } from './dialer.ts'

const HUBS = ['h1:1', 'h2:1', 'h3:1']
const none = (): boolean => false

function dialer(uplinks: number, peers: string[] = []): Dialer {
  return new Dialer(instant(0), { hubs: HUBS, peers, uplinks, random: new SeededRandom(1) })
}

const addresses = (targets: readonly { readonly address: string }[]): string[] => targets.map(({ address }) => address)

describe('Dialer', () => {
  it('tells once why an address cannot be had, until it could be had or the reason is another', () => {
    const d = dialer(2, ['p:1'])
    expect([d.blame('h1:1', 'refused'), d.blame('h1:1', 'refused'), d.blame('h1:1', 'no answer')]).toEqual([true, false, true])
    expect([d.blame('p:1', 'refused'), d.blame('elsewhere:1', 'refused')]).toEqual([true, false])
    const both = [
      { address: 'h1:1', reason: 'no answer' },
      { address: 'p:1', reason: 'refused' },
    ]
    expect(d.unreached(none)).toEqual(both)
    d.worked('h1:1')
    expect(d.unreached(none)).toEqual(both.slice(1))
    expect(d.blame('h1:1', 'no answer')).toBe(true)
    // Who dials us is reached, whatever became of our own dials; and we are not missed by ourselves.
    d.identified('h1:1', nodeId('h1'))
    expect(d.blame('p:1', DIALLED_SELF)).toBe(false)
    expect(d.unreached((node) => node === nodeId('h1'))).toEqual([])
  })

  it('tries all addresses that a node has told', () => {
    const d = dialer(1)
    d.takeDue(instant(0), none)
    d.connected(instant(0), 'h1:1')
    d.identified('h1:1', nodeId('h1'), ['h1:1', 'h1.example:1'])
    d.failed(instant(10), 'h1:1', true)
    expect(d.takeDue(instant(60_000), none)).toMatchObject([{ address: 'h1:1', others: ['h1.example:1'] }])
  })

  it('dials for a direct link until it is told to forget it, and takes nobody else for it', () => {
    const d = dialer(0)
    const far = nodeId('far')
    d.learn(instant(0), far, ['f:1', 'f:2'], 'direct')
    expect(d.takeDue(instant(0), none)).toMatchObject([{ address: 'f:1', others: ['f:2'] }])
    expect([d.identified('f:1', nodeId('x')), d.identified('f:1', far)]).toEqual([false, true])
    const pauses = Array.from({ length: 50 }, () => {
      d.failed(instant(0), 'f:1', false)
      return d.nextWake(none) ?? 0
    })
    expect([Math.max(...pauses) > 30_000, Math.max(...pauses) <= 60_100]).toEqual([true, true])
    expect(d.unreached(none)).toEqual([])
    // A dial that is under way when the link is not wanted any more leads to nobody; a later wish is a new one.
    expect(d.takeDue(instant(90_000), none)).toHaveLength(1)
    d.forget(far)
    expect([d.takeDue(instant(900_000), none), d.identified('f:1', far)]).toEqual([[], false])
    d.failed(instant(900_000), 'f:1', false)
    d.learn(instant(900_000), far, ['f:1'], 'direct')
    expect([d.takeDue(instant(900_000), none).length, d.identified('f:1', far)]).toEqual([1, true])
    d.learn(instant(900_000), nodeId('mate'), ['m:1'])
    d.forget(nodeId('mate'))
    expect(addresses(d.takeDue(instant(900_000), none))).toEqual(['m:1'])
  })

  it('dials nodes that it has learned of, at their newest addresses, and nobody twice', () => {
    const d = dialer(0, ['p:1'])
    d.learn(instant(500), nodeId('q'), ['q:1', 'q:2'])
    d.learn(instant(0), nodeId('p'), ['p:1'])
    expect(addresses(d.takeDue(instant(0), none))).toEqual(['p:1'])
    expect(d.takeDue(instant(500), none)).toMatchObject([{ address: 'q:1', others: ['q:2'] }])
    d.failed(instant(510), 'q:1', true)
    d.learn(instant(520), nodeId('q'), ['q:3'])
    expect(d.takeDue(instant(60_000), (node) => node === nodeId('q'))).toEqual([])
    expect(d.takeDue(instant(60_000), none)).toMatchObject([{ address: 'q:3', others: [] }])
    // That it announces nothing takes none of its addresses away.
    d.learn(instant(60_000), nodeId('r'), ['r:1', 'r:2'])
    d.takeDue(instant(60_000), (node) => node === nodeId('q'))
    d.identified('r:1', nodeId('r'), [])
    d.failed(instant(60_005), 'r:1', true)
    expect(d.takeDue(instant(90_000), (node) => node === nodeId('q'))).toMatchObject([{ address: 'r:1', others: ['r:2'] }])
    // Somebody else has that address here.
    d.identified('q:3', nodeId('x'))
    d.failed(instant(60_010), 'q:3', true)
    expect(d.takeDue(instant(120_000), (node) => node === nodeId('q'))).toEqual([])
    for (let index = 0; index < 100; index++) d.learn(instant(0), nodeId(`n${index}`), [`n${index}:1`])
    expect(d.takeDue(instant(240_000), none).length).toBeLessThanOrEqual(64)
  })

  it('holds hubs that it is told of after those of the config, each once, and no more than wanted', () => {
    const d = dialer(4)
    const soon = (): Instant => instant(500)
    const told = (...names: string[]): Whereabouts[] => names.map((name) => ({ node: nodeId(name), addresses: [`${name}:1`, `${name}:2`] }))
    d.learnHubs(soon, told('h3', 'h5', 'h4'))
    expect(addresses(d.takeDue(instant(0), none))).toEqual(HUBS)
    expect(d.nextWake(none)).toBe(500)
    expect(d.takeDue(instant(500), none)).toMatchObject([{ address: 'h5:1', others: ['h5:2'] }])
    expect(d.takeDue(instant(500), none)).toEqual([])
    // One of the config, dialled by another address, was told of as well: it counts once.
    const named = dialer(2)
    named.learnHubs(soon, [{ node: nodeId('h1'), addresses: ['h1.example:1'] }])
    named.takeDue(instant(0), none)
    for (const name of ['h1', 'h2']) {
      named.connected(instant(0), `${name}:1`)
      named.identified(`${name}:1`, nodeId(name))
    }
    named.failed(instant(10), 'h2:1', false)
    expect(addresses(named.takeDue(instant(10), (node) => node === nodeId('h1')))).toEqual(['h3:1'])
    // What is not told of any more is forgotten, but not while it is held.
    const left = dialer(5)
    left.learnHubs(soon, told('h4', 'h5', 'h6'))
    expect(addresses(left.takeDue(instant(500), none))).toEqual([...HUBS, 'h4:1', 'h5:1'])
    left.failed(instant(600), 'h4:1', false)
    left.learnHubs(soon, told('h7'))
    expect(addresses(left.takeDue(instant(700), none))).toEqual(['h7:1'])
  })

  it('dials hubs that have moved where they are now, soon, also if it was told while it dialled them in vain', () => {
    const d = dialer(2)
    d.learnHubs(() => instant(0), [{ node: nodeId('h9'), addresses: ['h9:1'] }])
    d.takeDue(instant(0), none)
    for (const name of ['h1', 'h2']) {
      d.connected(instant(0), `${name}:1`)
      d.identified(`${name}:1`, nodeId(name))
    }
    for (let n = 0; n < 12; n++) d.failed(instant(10), 'h1:1', false)
    const moved = (name: string): Whereabouts => ({ node: nodeId(name), addresses: [`${name}.new:1`] })
    d.learnHubs(() => instant(500), [moved('h1'), moved('h9')])
    const linked = (node: NodeId): boolean => node === nodeId('h2')
    expect(d.takeDue(instant(500), linked)).toEqual([{ address: 'h1:1', others: ['h1.new:1'] }])
    d.learnHubs(() => instant(9_000), [{ node: nodeId('h1'), addresses: ['h1.last:1'] }, moved('h9')])
    d.failed(instant(600), 'h1:1', false)
    expect(d.takeDue(instant(9_000), linked)).toEqual([{ address: 'h1:1', others: ['h1.last:1'] }])
    d.setUplinks(4)
    expect(addresses(d.takeDue(instant(9_000), linked))).toEqual(['h3:1', 'h9.new:1'])
    d.learnHubs(() => instant(9_500), [{ node: nodeId('h9'), addresses: ['h9.last:1', 'h9:2'] }])
    d.failed(instant(9_600), 'h9.new:1', false)
    expect(d.takeDue(instant(90_000), linked)).toMatchObject([{ address: 'h9.new:1', others: ['h9.last:1', 'h9:2'] }])
  })

  it('stops dialling hubs when it shall hold none, and begins again', () => {
    const d = dialer(2)
    d.setUplinks(0)
    expect(d.takeDue(instant(0), none)).toEqual([])
    expect(d.nextWake(none)).toBeUndefined()
    d.setUplinks(1)
    expect(d.nextWake(none)).toBe(0)
    expect(addresses(d.takeDue(instant(0), none))).toEqual(['h1:1'])
  })

  it('dials as many hubs as wanted, once at a time, and all peers', () => {
    const d = dialer(2, ['p:1'])
    expect(addresses(d.takeDue(instant(0), none))).toEqual(['h1:1', 'h2:1', 'p:1'])
    expect(addresses(d.takeDue(instant(0), none))).toEqual([])
  })

  it('holds hubs from each of its local addresses, from another when one is dead, and from its own again (5)', () => {
    const hubs = ['h1:1', 'h2:1', 'h3:1', 'h4:1', 'h5:1']
    const d = new Dialer(instant(0), { hubs, peers: ['p:1'], uplinks: 2, bind: ['A', 'B'], random: new SeededRandom(1) })
    const linked = new Set<string>()
    const isLinked = (node: number): boolean => [...linked].some((name) => nodeId(name) === node)
    let now = 0
    /** What is dialled within so many ms, as `hub from`; `dead` local addresses reach nobody. */
    const run = (ms: number, dead = ''): string[] => {
      const dialled: string[] = []
      for (const until = now + ms; now < until; now += 100) {
        for (const { address, from } of d.takeDue(instant(now), isLinked)) {
          const name = address.slice(0, 2)
          const works = from?.find((local) => local !== dead)
          dialled.push(`${name} ${from?.join('') ?? '-'}`)
          if (from && works === undefined) d.failed(instant(now), address, false)
          else {
            d.connected(instant(now), address, works)
            d.identified(address, nodeId(name))
            d.worked(address)
            linked.add(name)
          }
        }
      }
      return dialled
    }
    expect(run(1_000)).toEqual(['h1 AB', 'h2 BA', 'h3 AB', 'h4 BA', 'p: -'])
    // A is cut.
    for (const name of ['h1', 'h3']) {
      linked.delete(name)
      d.failed(instant(now), `${name}:1`, false)
    }
    const instead = run(2_000, 'A')
    expect(instead.map((dial) => dial.slice(3))).toEqual(['AB', 'AB'])
    const homewards = instead.map((dial) => dial.slice(0, -1)).toSorted()
    // It is tried in vain, and at last is there again.
    expect([...new Set(run(60_000, 'A'))].toSorted()).toEqual(homewards)
    expect(run(60_000).toSorted()).toEqual(homewards)
    expect(run(60_000)).toEqual([])
    expect(d.nextWake(isLinked)).toBeUndefined()
  })

  it('goes on to the next hub when one does not answer, and comes back to it', () => {
    const d = dialer(1)
    expect(addresses(d.takeDue(instant(0), none))).toEqual(['h1:1'])
    d.failed(instant(10), 'h1:1', true)
    expect(addresses(d.takeDue(instant(10), none))).toEqual(['h2:1'])
    d.failed(instant(20), 'h2:1', true)
    expect(addresses(d.takeDue(instant(20), none))).toEqual(['h3:1'])
    d.failed(instant(30), 'h3:1', true)
    expect(addresses(d.takeDue(instant(1000), none))).toEqual(['h1:1'])
  })

  it('backs off up to its ceiling, never beyond, never for ever', () => {
    const d = dialer(1)
    let now = 0
    let longest = 0
    for (let i = 0; i < 300; i++) {
      const [address] = addresses(d.takeDue(instant(now), none))
      if (address) d.failed(instant(now), address, false)
      const next = d.nextWake(none) ?? Infinity
      longest = Math.max(longest, next - now)
      now = Math.max(now, next)
    }
    expect(longest).toBeGreaterThan(1000)
    expect(longest).toBeLessThanOrEqual(30_100)
  })

  it('tries about one node of its site a second, however many do not answer, and all of them once one is back', () => {
    const d = dialer(0)
    const mates = Array.from({ length: 40 }, (_, at) => nodeId(`m${at}`))
    for (const mate of mates) d.learn(instant(0), mate, [`${mate}:1`])
    const dialled = (fromMs: number, toMs: number, linked: (node: NodeId) => boolean = none): string[] => {
      const all: string[] = []
      for (let now = d.nextWake(linked) ?? Infinity; now <= toMs; now = d.nextWake(linked) ?? Infinity) {
        const due = addresses(d.takeDue(instant(Math.max(now, fromMs)), linked))
        for (const address of due) d.failed(instant(Math.max(now, fromMs)), address, false)
        all.push(...due)
      }
      return all
    }
    expect(new Set(dialled(0, 1_000)).size).toBe(40)
    dialled(1_000, 100_000)
    const minute = dialled(100_000, 160_000).length
    expect([minute > 45, minute < 80]).toEqual([true, true])
    // One of them has dialled us.
    const back = nodeId('m7')
    d.regained(instant(160_000), back)
    const others = dialled(160_000, 162_000, (node) => node === back)
    expect([new Set(others).size, others.includes(`${back}:1`)]).toEqual([39, false])
    expect(dialled(162_000, 170_000, (node) => node === back).length).toBeLessThan(20)
  })

  it('rests for a node that is linked, whoever dialled, and never dials itself again', () => {
    const d = dialer(3)
    d.takeDue(instant(0), none)
    for (const address of HUBS) d.connected(instant(0), address)
    d.identified('h1:1', nodeId('h1'))
    d.blame('h2:1', DIALLED_SELF)
    for (const address of HUBS) d.failed(instant(1), address, true)
    const linked = (node: NodeId): boolean => node === nodeId('h1')
    expect(addresses(d.takeDue(instant(60_000), linked))).toEqual(['h3:1'])
    expect(addresses(d.takeDue(instant(60_000), none))).toEqual(['h1:1'])
  })

  it('dials another hub in place of one that drains, and keeps that one', () => {
    const d = dialer(2)
    expect(addresses(d.takeDue(instant(0), none))).toEqual(['h1:1', 'h2:1'])
    d.connected(instant(0), 'h1:1')
    d.identified('h1:1', nodeId('h1'))
    const linked = (node: NodeId): boolean => node === nodeId('h1')
    d.setDraining(nodeId('h1'), true)
    expect(addresses(d.takeDue(instant(1), linked))).toEqual(['h3:1'])
    d.setDraining(nodeId('h1'), false)
    expect(addresses(d.takeDue(instant(2), linked))).toEqual([])
  })
})
