import { type Credential, type NodeId, SeededRandom, after, encodeRecord, instant, nodeId } from '@causeway/protocol'
import { describe, expect, it } from 'vitest'
import { DirectLinks } from './direct-links.ts'

const SELF = nodeId('c')
const FAR = ['a', 'e', 'x', 'y']
const OWN = ['198.51.100.1:7400']
const THEIRS = ['198.51.100.2:7400']
const LIMITS = { directLinksMax: 2, directAfterMs: 20_000, directIdleMs: 60_000 }
/** A message a second, and its acknowledgement. */
const SOME = 20

/** Node `c` of a site with a mate, and what it says to others and wants of its mesh. */
class Node {
  now = instant(1_000)
  readonly linked = new Set<NodeId>()
  readonly direct: DirectLinks
  readonly #places = new Map<NodeId, Pick<Credential, 'name' | 'site' | 'role'>>()
  readonly #peers: string[] = []
  #traffic = new Map<NodeId, number>()
  #said: string[] = []

  constructor(addresses: readonly string[] = OWN, limits: Partial<typeof LIMITS> = {}) {
    this.#places.set(nodeId('mate'), { name: 'mate', site: 'here', role: 'edge' })
    this.#places.set(nodeId('hub'), { name: 'hub', site: 'core', role: 'hub' })
    for (const name of FAR) this.#places.set(nodeId(name), { name, site: name, role: 'edge' })
    this.direct = new DirectLinks(this.now, {
      ...{ self: SELF, site: 'here', addresses, limits: { ...LIMITS, ...limits }, random: new SeededRandom(1) },
      mesh: {
        open: (_now, peer) => this.#peers.push(this.#name(peer)) - 1,
        write: (_now, channel) => this.#said.push(`says to ${this.#peers[channel]}`),
        finish: () => undefined,
        stop: (reason, peer) => {
          if (peer !== undefined && this.linked.delete(peer)) this.#said.push(`leaves ${this.#name(peer)}: ${reason}`)
        },
        takeTraffic: () => {
          const traffic = this.#traffic
          this.#traffic = new Map()
          return traffic
        },
        credentialOf: (peer) => this.#places.get(peer),
        link: (peer) => (this.linked.has(peer) ? { connection: 1 as never } : undefined),
        nameOf: (peer) => this.#name(peer),
      },
      dialer: {
        learn: (at, node, [address]) => {
          if (address !== undefined) this.#said.push(`dials ${this.#name(node)} after ${at - this.now} ms`)
        },
        forget: (node) => this.#said.push(`forgets ${this.#name(node)}`),
      },
      report: (event, { peer, reason }) => this.#said.push([event, peer, ...(reason === undefined ? [] : [reason])].join(' ')),
    })
  }

  /** What was said and wanted since the last call. */
  take(): string[] {
    const said = this.#said
    this.#said = []
    return said
  }

  /** So many windows pass, with so many packets to and from each in every one. */
  windows(count: number, packets: Readonly<Record<string, number>>): void {
    for (let window = 0; window < count; window++) {
      for (const [peer, sum] of Object.entries(packets)) this.#traffic.set(nodeId(peer), sum)
      this.now = after(this.now, 10_000)
      this.direct.wake(this.now)
    }
  }

  /** That node answers what it was asked last. */
  answer(peer: string, said: object): void {
    this.direct.message(this.now, this.#peers.lastIndexOf(peer), encodeRecord(said))
  }

  /** That node asks us. */
  asks(peer: string, addresses: readonly string[]): void {
    const channel = this.#peers.push(peer) - 1
    this.direct.accepted(channel, nodeId(peer))
    this.direct.message(this.now, channel, encodeRecord({ addresses }))
  }

  /** A link that both ends have agreed on. */
  links(peer: string, packets: number): void {
    this.windows(2, { [peer]: packets })
    this.answer(peer, { addresses: THEIRS })
    this.linked.add(nodeId(peer))
    this.take()
  }

  #name(peer: NodeId): string {
    return this.#places.get(peer)?.name ?? '?'
  }
}

describe('DirectLinks', () => {
  it('asks a node of another site that it has had something to say to for long enough, without a pause', () => {
    const node = new Node()
    node.windows(1, { a: SOME })
    node.windows(1, { a: SOME - 1 })
    node.windows(1, { a: SOME, mate: 1_000, hub: 1_000 })
    expect(node.take()).toEqual([])
    node.windows(1, { a: SOME, mate: 1_000, hub: 1_000 })
    expect(node.take()).toEqual(['says to a'])
  })

  it('takes longer windows for what they are', () => {
    const node = new Node()
    node.now = after(node.now, 90_000)
    node.windows(1, { a: 10 * SOME - 1 })
    node.windows(1, { a: SOME })
    expect(node.take()).toEqual([])
    node.windows(1, { a: SOME })
    expect(node.take()).toEqual(['says to a'])
  })

  it('dials where the other says it can be dialled: at once if its own id is the lower, or nobody can dial it', () => {
    const higher = FAR.find((name) => nodeId(name) > SELF) ?? ''
    const lower = FAR.find((name) => nodeId(name) < SELF) ?? ''
    const waits = (peer: string, own: readonly string[]): string[] => {
      const node = new Node(own)
      node.asks(peer, THEIRS)
      return node.take()
    }
    const agreed = (peer: string, ms: number): string[] => [`direct-link-wanted ${peer}`, `dials ${peer} after ${ms} ms`, `says to ${peer}`]
    expect(waits(higher, OWN)).toEqual(agreed(higher, 0))
    expect(waits(lower, OWN)).toEqual(agreed(lower, 4_000))
    expect(waits(lower, [])).toEqual(agreed(lower, 0))
  })

  it('refuses who is a hub or of its own site, or if neither of the two can be dialled', () => {
    const node = new Node([])
    node.asks('hub', THEIRS)
    node.asks('mate', THEIRS)
    node.asks('a', [])
    expect(node.take()).toEqual(['says to hub', 'says to mate', 'says to a'])
    node.asks('a', THEIRS)
    expect(node.take()).toContain('direct-link-wanted a')
  })

  it('tells a refusal once, and asks again later', () => {
    const node = new Node()
    node.windows(2, { a: SOME })
    node.answer('a', { addresses: [], refused: 'no' })
    expect(node.take()).toEqual(['says to a', 'direct-link-refused a no'])
    node.windows(48, { a: SOME })
    expect(node.take()).toEqual([])
    node.windows(24, { a: SOME })
    node.answer('a', { addresses: [], refused: 'no' })
    expect(node.take()).toEqual(['says to a'])
  })

  it('takes a channel that is reset for a refusal: the other knows no such links', () => {
    const node = new Node()
    node.windows(2, { a: SOME })
    node.direct.ended(node.now, 0, 'no service')
    expect(node.take()).toEqual(['says to a', 'direct-link-refused a no service'])
    expect(node.direct.owns(0)).toBe(false)
  })

  it('gives a link up when there was little to say for long enough, and asks anew when there is', () => {
    const node = new Node()
    node.links('a', SOME)
    node.windows(5, { a: 1 })
    expect(node.take()).toEqual([])
    node.windows(1, { a: 1 })
    const reason = 'it has carried little for long enough'
    expect(node.take()).toEqual(['forgets a', `leaves a: ${reason}`, `direct-link-ended a ${reason}`])
    node.windows(60, {})
    node.windows(2, { a: SOME })
    expect(node.take()).toEqual(['says to a'])
  })

  it('gives up what cannot be had', () => {
    const node = new Node()
    node.windows(2, { a: SOME })
    node.answer('a', { addresses: THEIRS })
    node.take()
    node.windows(60, { a: SOME })
    expect(node.take()).toEqual(['forgets a', 'direct-link-ended a it could not be had for too long'])
    node.windows(48, { a: SOME })
    expect(node.take()).toEqual([])
  })

  it('has no more links than it may; one more takes the place of the least used only if it carries twice as much', () => {
    const node = new Node()
    node.links('a', 3 * SOME)
    node.windows(1, { a: 3 * SOME })
    node.asks('e', THEIRS)
    node.linked.add(nodeId('e'))
    node.take()
    node.windows(2, { a: 3 * SOME, e: SOME, x: 2 * SOME })
    expect(node.take()).toEqual([])
    node.asks('x', THEIRS)
    expect(node.take()).toEqual(['says to x'])
    node.windows(70, { a: 3 * SOME, e: SOME, x: 2 * SOME + 1 })
    expect(node.take()).toContain('says to x')
    node.answer('x', { addresses: THEIRS })
    const reason = 'another node has more to say'
    const left = ['forgets e', `leaves e: ${reason}`, `direct-link-ended e ${reason}`]
    expect(node.take()).toEqual([...left, 'direct-link-wanted x', 'dials x after 0 ms'])
  })

  it('does not insist on a link that the other gives up, unless its process stops', () => {
    const node = new Node()
    node.links('a', SOME)
    node.direct.saidGoodbye(node.now, nodeId('a'), false)
    node.linked.clear()
    node.windows(20, { a: SOME })
    expect(node.take()).toEqual(['forgets a'])
    const other = new Node()
    other.links('a', SOME)
    other.direct.saidGoodbye(other.now, nodeId('a'), true)
    other.linked.clear()
    other.windows(20, {})
    other.windows(2, { a: SOME })
    expect(other.take()).toEqual(['forgets a', 'says to a'])
  })

  it('keeps a link that the other has with its former self, if there is room', () => {
    const node = new Node(OWN, { directLinksMax: 1 })
    node.linked.add(nodeId('a')).add(nodeId('e'))
    node.windows(2, { a: 3 * SOME, e: SOME })
    expect(node.take()).toEqual(['direct-link-wanted a', 'leaves e: it has direct links enough'])
  })

  it('wants nothing if it may have no such links', () => {
    const node = new Node(OWN, { directLinksMax: 0 })
    node.windows(5, { a: SOME })
    node.asks('a', THEIRS)
    expect(node.take()).toEqual(['says to a'])
  })

  it('does not read what no such node says', () => {
    const node = new Node()
    node.windows(2, { a: SOME })
    for (const nonsense of [encodeRecord('x'), encodeRecord({}), new Uint8Array([0xc1])]) {
      expect(node.direct.message(node.now, 0, nonsense)).toBe(false)
    }
  })
})
