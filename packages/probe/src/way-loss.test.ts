import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WayLoss } from './way-loss.ts'

/** What becomes of each packet in turn: answered, lost on its way there, lost coming back. */
type Fate = 'answered' | 'forward' | 'backward'

/** A sender that leaves out number 1, and a reflector that counts, or copies. */
function run(fates: readonly Fate[], reflector: 'counts' | 'copies'): WayLoss {
  const loss = new WayLoss()
  let counted = 0
  for (const [index, fate] of fates.entries()) {
    const sequence = index === 0 ? 0 : index + 1
    if (fate === 'forward') continue
    const reflectorSequence = reflector === 'counts' ? counted++ : sequence
    if (fate === 'answered') loss.add({ index, sequence, reflectorSequence })
  }
  return loss
}

const fates = fc.array(fc.constantFrom<Fate>('answered', 'answered', 'forward', 'backward'), { minLength: 1, maxLength: 80 })

describe('WayLoss', () => {
  it('knows nothing before the first answer', () => expect(run(['forward', 'backward'], 'counts').counts()).toBeNull())

  it('tells the ways apart, up to the last answer (1)', () => {
    fc.assert(
      fc.property(fates, (all) => {
        const told = all.slice(0, all.lastIndexOf('answered') + 1)
        const count = (fate: Fate): number => told.filter((each) => each === fate).length
        const expected = told.length === 0 ? null : { forward: count('forward'), backward: count('backward') }
        expect(run(all, 'counts').counts()).toEqual(expected)
      }),
    )
  })

  it('is not fooled by a reflector that copies numbers (3)', () => {
    expect(run(['answered', 'backward', 'answered', 'forward', 'answered'], 'copies').counts()).toBeNull()
    expect(run(['answered', 'forward', 'answered'], 'counts').counts()).toEqual({ forward: 1, backward: 0 })
  })

  it('takes back a loss when the packet was only overtaken on its way there', () => {
    const loss = new WayLoss()
    for (const [index, reflectorSequence] of [
      [0, 0],
      [2, 1],
      [1, 2],
      [3, 3],
    ] as const) {
      loss.add({ index, sequence: index + 10, reflectorSequence })
    }
    expect(loss.counts()).toEqual({ forward: 0, backward: 0 })
  })

  it('counts what was overtaken on its way back as nothing', () => {
    const loss = new WayLoss()
    for (const n of [0, 2, 1, 3]) loss.add({ index: n, sequence: n + 10, reflectorSequence: n })
    expect(loss.counts()).toEqual({ forward: 0, backward: 0 })
  })

  it('is not shifted by packets that came twice on their way there', () => {
    const loss = new WayLoss()
    loss.add({ index: 0, sequence: 0, reflectorSequence: 0 })
    loss.repeat(1)
    loss.add({ index: 2, sequence: 3, reflectorSequence: 2 })
    expect(loss.counts()).toEqual({ forward: 1, backward: 0 })
  })

  it('says nothing false when the reflector begins to count anew (2)', () => {
    const loss = run(['answered', 'answered', 'answered'], 'counts')
    loss.add({ index: 6, sequence: 7, reflectorSequence: 0 })
    loss.add({ index: 8, sequence: 9, reflectorSequence: 1 })
    expect(loss.counts()).toEqual({ forward: 1, backward: 0 })
  })

  it('counts across the end of 32 bits', () => {
    const loss = new WayLoss()
    const first = 0xfffffffe
    for (const step of [0, 1, 3]) loss.add({ index: step, sequence: step + 10, reflectorSequence: (first + step) >>> 0 })
    expect(loss.counts()).toEqual({ forward: 0, backward: 1 })
  })
})
