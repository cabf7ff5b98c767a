import { describe, expect, test } from 'vitest'
import {
  type Credential,
  type GrantRecord,
  type Instant,
  type LeaseHeld,
  SeededRandom,
  type StatusRecord,
  TASK_COLLECTIONS,
  type TaskPolicy,
  after,
  instant,
} from '@causeway/protocol'
import { Mesh } from '@causeway/mesh'
import type { TaskEffect } from '../task-contract.ts'
import { LeaseHolder } from './lease-holder.ts'
import type { Renew, TaskHost, Write } from './task-host.ts'
import { TaskIndex } from './task-index.ts'

const START = instant(100_000)
const CREDENTIAL: Credential = {
  ...{
    network: 'n',
    name: 'hkg-1-a',
    site: 'hkg-1',
    region: 'apac',
    role: 'edge',
    labels: {},
    write: [],
    key: new Uint8Array(32),
    notAfterMs: 1e15,
  },
}

interface Lab {
  readonly holder: LeaseHolder
  readonly effects: TaskEffect[]
  mates: string[]
  cutOff: boolean
  lone: boolean
  /** What an earlier life of the node said is on its disk. */
  said(status: Pick<StatusRecord, 'token' | 'state'>): void
  /** Records the grant, as if it had been replicated. */
  grant(now: Instant, token: number, change?: Partial<GrantRecord>, stored?: boolean): void
  /** What is asked now; all of it is answered as held, if `held` says so. */
  ask(now: Instant): Renew | undefined
  answer(now: Instant, question: Renew | undefined, held?: Partial<LeaseHeld>): void
  types(): string[]
}

function makeLab(policy: TaskPolicy): Lab {
  const effects: TaskEffect[] = []
  const index = new TaskIndex()
  const write: Write = () => {}
  const host: TaskHost = {
    ...{ credential: CREDENTIAL, place: { engine: 'none' }, crypto: { hash: (bytes) => bytes }, random: new SeededRandom(1) },
    mesh: Object.create(Mesh.prototype) as Mesh,
    wallMs: (now) => now,
    write: () => {},
    cutOff: () => lab.cutOff,
    hubs: () => [],
    mates: () => lab.mates,
    isLone: () => lab.lone,
    emit: (effect) => effects.push(effect as TaskEffect),
  }
  const holder = new LeaseHolder(START, host, index, write)
  const common = { partition: 'hkg-1', labels: {}, revision: 'r', writer: 'core-1', asOf: 1 }
  const desired = { spec: { n: 1 }, generation: 1 }
  const task = { desired, policy, convergeKey: null, needs: {}, nodes: '', site: null, near: null, createdAt: 0, token: 0 }
  index.take(TASK_COLLECTIONS.tasks, 't', 'hkg-1', { ...common, key: 't', value: task })
  const lab: Lab = {
    ...{ holder, effects, mates: [], cutOff: false, lone: false },
    said: (status) => {
      const value = { ...status, observedGeneration: 1, progress: null, status: null, conditions: [], alone: false }
      index.take(TASK_COLLECTIONS.status, 't@hkg-1-a', 'hkg-1', { ...common, key: 't@hkg-1-a', value: value as never })
    },
    grant: (now, token, change = {}, stored = false) => {
      const value = { phase: 'allocated', token, node: 'hkg-1-a', reason: 'r', goal: null, to: null, conditions: [], ...change }
      const parts = index.take(TASK_COLLECTIONS.grants, 't@core-1', 'hkg-1', { ...common, key: 't@core-1', value: value as never })
      if (parts) holder.changed(now, parts, stored)
    },
    ask: (now) => {
      holder.begin(now)
      return holder.questions(now)[0]
    },
    answer: (now, question, held = {}) => {
      expect(question).toBeDefined()
      const all = (question?.leases ?? []).map(
        ({ task: id, token }) => ({ task: id, was: token, token, phase: 'allocated', ...held }) as const,
      )
      holder.answered(now, { type: 'renewed', number: question?.number ?? 0, held: all, lost: [], ended: [], tasks: [] })
    },
    types: () => effects.splice(0).map(({ type }) => type),
  }
  return lab
}

const LOST = { task: 't', was: 7, reason: 'its lease has run out' } as const
const OFFER = { selector: '', slots: 4, capacity: {} }

/** A worker has the task, under a lease that was asked for at the instant that is returned. */
function running(policy: TaskPolicy, mates: string[] = []): Lab & { readonly askedAt: Instant } {
  const lab = makeLab(policy)
  lab.mates = mates
  lab.holder.work(START, 1, OFFER, [])
  lab.grant(START, 7)
  expect(lab.effects).toEqual([])
  const askedAt = after(START, 2)
  const question = lab.ask(askedAt)
  expect(question?.leases).toEqual([{ task: 't', token: 7 }])
  lab.answer(after(askedAt, 300), question)
  expect(lab.effects).toMatchObject([{ type: 'taskGiven', worker: 1, task: { id: 't', token: 7, phase: 'allocated' } }])
  lab.effects.splice(0)
  return Object.assign(lab, { askedAt })
}

/** Turns at every deadline up to then, and one at the end. */
function live(lab: Lab, until: Instant): void {
  for (let at = lab.holder.nextWake(); at !== undefined && at < until; at = lab.holder.nextWake()) {
    lab.holder.begin(at)
    lab.holder.questions(at)
  }
  lab.holder.begin(until)
}

describe('a lease', () => {
  test('counts from when it was asked for, and is renewed', () => {
    const lab = running('at-most-one')
    expect(lab.holder.leaseUntil(lab.askedAt, 't', 7)).toBe(after(lab.askedAt, 12_000))
    const renewedAt = after(lab.askedAt, 5_000)
    lab.answer(after(renewedAt, 10), lab.ask(renewedAt))
    expect(lab.holder.leaseUntil(renewedAt, 't', 7)).toBe(after(renewedAt, 12_000))
    expect(lab.effects).toEqual([])
    expect(lab.holder.leaseUntil(renewedAt, 't', 8)).toBeUndefined()
  })

  test('is no lease if the answer comes too late', () => {
    const lab = makeLab('at-most-one')
    lab.holder.work(START, 1, OFFER, [])
    lab.grant(START, 7)
    const askedAt = after(START, 2)
    const question = lab.ask(askedAt)
    live(lab, after(askedAt, 12_001))
    lab.answer(after(askedAt, 12_001), question)
    expect(lab.types()).not.toContain('taskGiven')
  })

  test('ends by a record with a higher token for somebody else, and is told as ended until that is heard', () => {
    const lab = running('sticky')
    lab.grant(after(lab.askedAt, 1_000), 8, { node: 'nrt-1-a' })
    expect(lab.effects).toMatchObject([{ type: 'taskTaken', worker: 1, token: 7, reason: 'it is granted to nrt-1-a' }])
    const question = lab.ask(after(lab.askedAt, 2_000))
    expect(question).toMatchObject({ leases: [], ended: [{ task: 't', token: 7, how: 'lost' }] })
    lab.answer(after(lab.askedAt, 2_010), question)
    expect(lab.ask(after(lab.askedAt, 8_000))?.ended).toHaveLength(1)
  })

  test('goes on under a higher token, with the same worker, which is told', () => {
    const lab = running('sticky')
    const askedAt = after(lab.askedAt, 5_000)
    lab.answer(askedAt, lab.ask(askedAt), { token: 9 })
    expect(lab.effects).toMatchObject([{ type: 'taskChanged', worker: 1, task: { token: 9 } }])
    lab.holder.report(askedAt, 1, 't', 7, { progress: 0.5 })
    lab.holder.report(askedAt, 2, 't', 9, { progress: 0.5 })
    expect(lab.effects.slice(1)).toMatchObject([{ type: 'taskTaken', worker: 2 }])
  })
})

describe('without an answer', () => {
  test('at-most-one is taken after 12 s', () => {
    const lab = running('at-most-one')
    live(lab, after(lab.askedAt, 11_999))
    expect(lab.effects).toEqual([])
    live(lab, after(lab.askedAt, 12_000))
    expect(lab.effects).toMatchObject([{ type: 'taskTaken', id: 't', reason: 'its lease could not be renewed' }])
  })

  test('sticky goes on, and its worker is told so in time', () => {
    const lab = running('sticky', ['hkg-1-b'])
    live(lab, after(lab.askedAt, 9_000))
    expect(lab.holder.leaseUntil(after(lab.askedAt, 9_000), 't', 7)).toBe(after(lab.askedAt, 21_000))
    live(lab, after(lab.askedAt, 600_000))
    expect(lab.types()).toEqual([])
    expect(lab.holder.leaseUntil(after(lab.askedAt, 600_000), 't', 7)).toBe(after(lab.askedAt, 612_000))
  })

  test('sticky is taken if this node alone was cut off from its site as well: others may call it crashed', () => {
    const lab = running('sticky', ['hkg-1-b'])
    lab.mates = []
    live(lab, after(lab.askedAt, 12_000))
    expect(lab.types()).toEqual(['taskTaken'])
  })

  test('at-least-one goes on, without an end', () => {
    const lab = running('at-least-one')
    expect(lab.holder.leaseUntil(lab.askedAt, 't', 7)).toBeNull()
    live(lab, after(lab.askedAt, 60_000))
    expect(lab.effects).toEqual([])
  })
})

describe('a node that stood still', () => {
  test.each(['at-most-one', 'sticky'] as const)('takes %s before anything else', (policy) => {
    const lab = running(policy)
    lab.holder.begin(after(lab.askedAt, 20_000))
    expect(lab.types()).toEqual(['taskTaken'])
  })

  test('counts the time for which the machine slept, and its clock with it', () => {
    const lab = running('at-most-one')
    lab.holder.slept(after(lab.askedAt, 1_000), 8_000, true)
    expect(lab.effects).toEqual([])
    live(lab, after(lab.askedAt, 4_000))
    expect(lab.types()).toEqual(['taskTaken'])
  })

  test.each([
    ['at-most-one', false, 'or its clock was set'],
    ['sticky', false, undefined],
    ['sticky', true, 'this machine slept for longer'],
    ['at-least-one', true, undefined],
  ] as const)('takes %s when the clock is two hours on, sleep for sure: %s', (policy, surely, because) => {
    const lab = running(policy)
    lab.holder.slept(after(lab.askedAt, 1_000), 7_200_000, surely)
    expect(lab.effects).toMatchObject(because === undefined ? [] : [{ type: 'taskTaken', reason: expect.stringContaining(because) }])
  })
})

describe('after a restart', () => {
  test('a task of the earlier life goes to the worker that still runs it, at once', () => {
    const lab = makeLab('at-most-one')
    lab.grant(START, 7, {}, true)
    lab.holder.work(START, 4, OFFER, [{ task: 't', token: 7 }])
    lab.answer(after(START, 10), lab.ask(after(START, 2)))
    expect(lab.effects).toMatchObject([{ type: 'taskGiven', worker: 4 }])
  })

  test.each([undefined, 5_000])(
    'a lease that is lost is not told as ended while a worker may still run it, which says so after %s ms',
    (ms) => {
      const lab = makeLab('sticky')
      lab.grant(START, 7, { phase: 'tombstone', goal: 'move' }, true)
      const ask = (at: Instant): Renew | undefined => {
        const question = lab.ask(at)
        if (question?.leases.length)
          lab.holder.answered(at, { type: 'renewed', number: question.number, held: [], lost: [LOST], ended: [], tasks: [] })
        return question
      }
      const ends = (from: number, until: number): unknown[] =>
        Array.from({ length: (until - from) / 500 }, (_, index) => ask(after(START, from + 500 * index))?.ended ?? []).flat()
      if (ms === undefined) expect(ends(500, 13_000)).toEqual([])
      else {
        expect(ends(500, ms)).toEqual([])
        lab.holder.work(after(START, ms), 2, OFFER, [{ task: 't', token: 7 }])
        ask(after(START, ms + 2))
        expect(lab.effects).toMatchObject([{ type: 'taskTaken', worker: 2, token: 7 }])
      }
      expect(ends(13_500, 14_500)).toMatchObject([{ task: 't', token: 7, how: 'stopped' }])
    },
  )

  test('and to another one only when that must have stopped', () => {
    const lab = makeLab('at-most-one')
    lab.grant(START, 7, {}, true)
    lab.holder.work(START, 4, OFFER, [])
    for (let ms = 2; ms < 13_000; ms += 1_000) {
      const question = lab.ask(after(START, ms))
      if (question) lab.answer(after(START, ms), question)
    }
    expect(lab.effects).toEqual([])
    lab.holder.begin(after(START, 13_000))
    expect(lab.effects).toMatchObject([{ type: 'taskGiven', worker: 4 }])
  })

  test.each([
    ['running', 7, 13_000],
    ['running', 6, 0],
    ['stopped', 7, 0],
  ] as const)(
    'a task whose grant came to the earlier life by word of mouth only, which said "%s" under %d, is ended after %d ms',
    (state, token, ms) => {
      const lab = makeLab('at-most-one')
      lab.said({ token, state })
      lab.grant(after(START, 20), 7, { phase: 'tombstone' })
      live(lab, after(START, Math.max(ms - 1, 20)))
      expect(lab.holder.held).toBe(ms === 0 ? 0 : 1)
      live(lab, after(START, ms + 21))
      expect(lab.holder.held).toBe(0)
    },
  )

  test.each(['stopped', 'done', 'failed'] as const)(
    'a task that the earlier life called "%s" is not given again, and told as ended',
    (state) => {
      const lab = makeLab('sticky')
      Object.assign(lab, { cutOff: true, lone: true })
      lab.said({ token: 7, state })
      lab.grant(START, 7, {}, true)
      lab.holder.work(START, 4, OFFER, [])
      expect(lab.ask(after(START, 2))).toMatchObject({
        leases: [],
        ended: [{ task: 't', token: 7, how: state === 'stopped' ? 'lost' : state }],
      })
      live(lab, after(START, 14_000))
      expect(lab.types()).toEqual([])
    },
  )

  test.each([
    ['sticky', true, ['taskGiven']],
    ['sticky', false, []],
    ['at-most-one', true, []],
    ['at-least-one', false, ['taskGiven']],
  ] as const)('while cut off, %s (lone: %s) is given again only if nobody can have been granted it: %j', (policy, lone, expected) => {
    const lab = makeLab(policy)
    Object.assign(lab, { cutOff: true, lone })
    lab.grant(START, 7, {}, true)
    lab.holder.work(START, 4, OFFER, [])
    live(lab, after(START, 14_000))
    expect(lab.types()).toEqual(expected)
  })
})
