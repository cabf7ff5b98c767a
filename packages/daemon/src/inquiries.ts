/**
 * Questions that nodes ask each other: which way leads there and why, what a link is like, who offers services. Each goes
 * over a channel of its own to a service that every node offers, so it works between any two nodes that have a way.
 *
 *     question: a msgpack record `{ask: 'use' | 'explain' | 'link' | 'offers', …}` of at most 1 KiB
 *     answer:   a record `{answer}` or `{error}`
 *
 *  1. What a node answers are facts that it shows to its own people as well; it changes nothing.
 *  2. Answers are checked like everything from a peer, and waited for 3 s at most.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import {
  CausewayError,
  type Credential,
  type Instant,
  type LinkView,
  NAME_PATTERN,
  type PathUseView,
  type PlanExplanation,
  type TraceHop,
  type TraceView,
  WAKE,
  type WhyView,
  decodeRecord,
  encodeRecord,
} from '@causeway/protocol'
import { type Offer, heldOffers, offerSchema } from './forwarding/offers.ts'
import type { NodeRuntime } from './node-runtime.ts'
import type { ProgramChannel } from './program-channel.ts'

const SERVICE = 'causeway-inquiry'
const ANSWER_MS = 3_000
const QUESTION_BYTES_MAX = 1024
/** Questions of others that are answered at once; more are refused. */
const ANSWERING_MAX = 64
/** A node that has never been asked for that way has to ask its hub first. */
const PLAN_TRIES = 8
const PLAN_TRY_MS = 200
/** A node that has just started reaches no hub yet; programs that come at once wait for the first, within this time since its start. */
const FIRST_HUB_MS = 10_000
const FIRST_HUB_LOOK_MS = 50
/** A member asks its gateway, the gateway its hub. */
const REFERRALS_MAX = 2

/** Of one site. */
const OFFERS_MAX = 4_096

const name = z.string().regex(NAME_PATTERN)
const referrals = z.number().int().min(0).max(REFERRALS_MAX)
const questionSchema = z.discriminatedUnion('ask', [
  z.object({ ask: z.literal('use'), to: name }),
  z.object({ ask: z.literal('explain'), from: name, to: name, referrals }),
  z.object({ ask: z.literal('link'), to: name }),
  z.object({ ask: z.literal('offers'), site: name, referrals }),
])
type Question = z.infer<typeof questionSchema>

const text = z.string().max(300)
const figure = z.number().nullable()
const hops = z.array(text).max(16)
const useSchema: z.ZodType<PathUseView> = z.object({
  to: text,
  paths: z.array(z.object({ hops, costMs: figure, state: z.enum(['up', 'suspect', 'down']), active: z.boolean() })).max(32),
  reason: text,
})
const candidate = z.object({
  hops,
  costMs: z.number(),
  steps: z.array(z.object({ from: text, to: text, costMs: figure })).max(16),
  planned: z.boolean(),
  reason: text,
})
const explanationSchema: z.ZodType<PlanExplanation> = z.object({
  from: text,
  to: text,
  hub: text,
  candidates: z.array(candidate).max(64),
  excluded: z.array(z.object({ hub: text, reason: text })).max(64),
})
const directions = z.object({ forward: figure, backward: figure })
const hopSchema: z.ZodType<TraceHop> = z.object({
  from: text,
  to: text,
  state: z.enum(['probing', 'up', 'degraded', 'down']),
  oneWayMs: directions,
  uncertaintyMs: figure,
  rttMs: z.object({ last: figure, p50: figure, p95: figure }),
  lossRatio: directions,
  costMs: figure,
})
const offersSchema: z.ZodType<Offer[]> = z.array(offerSchema).max(OFFERS_MAX)
const replySchema = z.object({ answer: z.unknown().optional(), error: text.optional() })

export class Inquiries {
  readonly #runtime: NodeRuntime
  readonly #own: Pick<Credential, 'name' | 'site' | 'role'>
  readonly #self: string
  readonly #bornAt: Instant
  #answering = 0

  /** Begins to answer, until the runtime stops. */
  constructor(runtime: NodeRuntime, own: Pick<Credential, 'name' | 'site' | 'role'>) {
    this.#runtime = runtime
    this.#own = own
    this.#self = own.name
    this.#bornAt = runtime.now()
    runtime.programs.serve(SERVICE, (channel) => this.#serve(channel))
  }

  async why(from: string, to: string): Promise<WhyView> {
    for (const each of [from, to]) checkName(each)
    if (from === to) throw new CausewayError('refused', `the way from ${from} to itself has no hops`, 'name two nodes')
    const explanation = await this.#explain(from, to, REFERRALS_MAX)
    const known = explanation.candidates.length > 0
    const use = from === this.#self ? this.#use(to) : known ? this.#ask(from, { ask: 'use', to }, useSchema) : Promise.resolve(null)
    return { ...explanation, from, to, use: await use.catch(() => null) }
  }

  async trace(to: string): Promise<TraceView> {
    checkName(to)
    if (to === this.#self) throw new CausewayError('refused', 'the way to this node itself has no hops', 'name another node')
    const { paths } = await this.#use(to)
    const path = paths.find(({ active, state }) => active && state !== 'down')
    if (!path || !isPlanned(paths))
      throw new CausewayError('unreachable', `no way to ${to} is known here`, `see why: causeway why ${this.#self} ${to}`)
    const nodes = [this.#self, ...path.hops]
    const unknown: { from: string; to: string; reason: string }[] = []
    const asked = await Promise.all(
      path.hops.map(async (hop, index) => {
        const from = nodes[index] ?? ''
        try {
          return from === this.#self ? this.#link(hop) : await this.#ask(from, { ask: 'link', to: hop }, hopSchema)
        } catch (error) {
          unknown.push({ from, to: hop, reason: error instanceof Error ? error.message : String(error) })
          return undefined
        }
      }),
    )
    const hops = asked.filter((hop) => hop !== undefined)
    const rtts = hops.map(({ rttMs }) => rttMs.p50)
    const complete = unknown.length === 0 && rtts.every((rttMs) => rttMs !== null)
    return { to, hops, rttMs: complete ? rtts.reduce((sum: number, rttMs) => sum + (rttMs ?? 0), 0) : null, unknown }
  }

  /** Who offers what at a site, as a node says that holds its records. */
  async offersAt(site: string, referrals: number = REFERRALS_MAX): Promise<readonly Offer[]> {
    const held = heldOffers(this.#runtime.machine.replica, this.#own, site)
    if (held) return held.slice(0, OFFERS_MAX)
    const hub = await this.#firstHub()
    if (hub !== null && referrals > 0) return this.#ask(hub, { ask: 'offers', site, referrals: referrals - 1 }, offersSchema)
    throw new CausewayError(
      'unreachable',
      `no hub is reached from here that knows what ${site} offers`,
      'name the node, as SERVICE@SITE/NODE',
    )
  }

  // ---- what this node knows

  async #firstHub(): Promise<string | null> {
    for (;;) {
      const hub = this.#runtime.machine.planHub()
      if (hub !== null || this.#runtime.now() - this.#bornAt > FIRST_HUB_MS) return hub
      await sleep(FIRST_HUB_LOOK_MS)
    }
  }

  async #use(to: string): Promise<PathUseView> {
    for (let tries = 0; ; tries++) {
      const view = this.#runtime.machine.use(this.#runtime.now(), to)
      // Asking may have made the node look for a way: let it send what it has to.
      this.#runtime.input(WAKE)
      if (isPlanned(view.paths) || tries >= PLAN_TRIES) return view
      await sleep(PLAN_TRY_MS)
    }
  }

  async #explain(from: string, to: string, referrals: number): Promise<PlanExplanation> {
    const own = this.#runtime.machine.explain(from, to)
    if (own) return own
    const hub = this.#runtime.machine.planHub()
    if (hub === null || referrals === 0) {
      throw new CausewayError('unreachable', 'no hub that could explain is reached from here', 'see "causeway status"')
    }
    return this.#ask(hub, { ask: 'explain', from, to, referrals: referrals - 1 }, explanationSchema)
  }

  #link(to: string): TraceHop {
    const link = this.#runtime.machine.links(this.#runtime.now()).find((each) => each.to === to)
    if (!link) throw new CausewayError('not-found', `${this.#self} has no link to ${to}`, 'try again: the path has changed')
    return traceHop(link)
  }

  // ---- asking others

  async #ask<Answer>(node: string, question: Question, schema: z.ZodType<Answer>): Promise<Answer> {
    const reply = replySchema.safeParse(decodeRecord(await this.#exchange(node, encodeRecord(question)))).data
    if (reply?.error !== undefined) throw new CausewayError('not-found', `${node} answers: ${reply.error}`, 'try again')
    const answer = schema.safeParse(reply?.answer)
    if (answer.success) return answer.data
    throw new CausewayError('refused', `${node} answers in a way that this version does not understand`, 'upgrade the older of the two')
  }

  #exchange(node: string, question: Uint8Array): Promise<Uint8Array> {
    const channel = this.#runtime.programs.open(node, SERVICE)
    const answer = Promise.withResolvers<Uint8Array>()
    const patience = setTimeout(() => {
      channel.reset('no answer in time')
      answer.reject(new CausewayError('timeout', `${node} has not answered within ${ANSWER_MS / 1000} s`, `see: causeway paths ${node}`))
    }, ANSWER_MS)
    channel.listen({
      messages: ([first]) => {
        if (first) answer.resolve(first)
        channel.finish()
      },
      ended: (reason) => {
        clearTimeout(patience)
        answer.reject(
          new CausewayError('unreachable', `${node} has not answered: ${reason ?? 'it hung up'}`, `see: causeway paths ${node}`),
        )
      },
    })
    channel.send(question)
    return answer.promise.finally(() => clearTimeout(patience))
  }

  // ---- answering

  #serve(channel: ProgramChannel): void {
    let ended = false
    channel.listen({
      messages: ([question]) => {
        if (!question || question.length > QUESTION_BYTES_MAX || this.#answering >= ANSWERING_MAX)
          return channel.reset('cannot answer that now')
        this.#answering++
        void this.#reply(question, (reply) => {
          this.#answering--
          if (ended) return
          channel.send(reply)
          channel.finish()
        })
      },
      ended: () => (ended = true),
    })
  }

  async #reply(bytes: Uint8Array, done: (reply: Uint8Array) => void): Promise<void> {
    const question = questionSchema.safeParse(decodeRecord(bytes)).data
    let reply: unknown = { error: 'this version does not understand the question' }
    try {
      if (question) reply = { answer: await this.#answer(question) }
    } catch (error) {
      reply = { error: error instanceof CausewayError ? error.message.slice(0, 300) : 'the node has a fault' }
    }
    done(encodeRecord(reply))
  }

  #answer(question: Question): Promise<PathUseView | PlanExplanation | readonly Offer[]> | TraceHop {
    switch (question.ask) {
      case 'use':
        return this.#use(question.to)
      case 'explain':
        return this.#explain(question.from, question.to, question.referrals)
      case 'link':
        return this.#link(question.to)
      case 'offers':
        return this.offersAt(question.site, question.referrals)
    }
  }
}

function traceHop({ from, to, state, oneWayMs, rttMs, lossRatio, costMs }: LinkView): TraceHop {
  const { forward, backward, uncertainty } = oneWayMs
  const { last, p50, p95 } = rttMs
  return { from, to, state, oneWayMs: { forward, backward }, uncertaintyMs: uncertainty, rttMs: { last, p50, p95 }, lossRatio, costMs }
}

/** Without a plan there are last resorts only, which have no cost. */
function isPlanned(paths: PathUseView['paths']): boolean {
  return paths.some(({ costMs }) => costMs !== null)
}

function checkName(node: string): void {
  if (NAME_PATTERN.test(node)) return
  throw new CausewayError('usage', `"${node}" is not the name of a node`, 'use lower-case letters, digits, dots and hyphens')
}
