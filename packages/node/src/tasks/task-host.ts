/** What tasks need of the node they are on. */
import type {
  Credential,
  Crypto,
  Instant,
  NodeId,
  Random,
  TaskOrder,
  TaskOutcome,
  TaskQuestion,
  TaskWhyView,
  TaskAnswer,
  Refusal,
  StrictOutcome,
  StrictWrite,
} from '@causeway/protocol'
import type { Mesh } from '@causeway/mesh'
import type { WriteInput, WriteOutcome, WrittenEffect } from '@causeway/state'
import type { EventEffect } from '@causeway/protocol'
import type { AllocatorPlace, EngineEffect, TaskEffect } from '../task-contract.ts'

export type OwnWrite = Omit<WriteInput, 'type' | 'request'>

export interface TaskHost {
  readonly credential: Credential
  readonly place: AllocatorPlace
  /** Collections that are only written strictly. */
  readonly strict?: ReadonlySet<string>
  readonly crypto: Pick<Crypto, 'hash'>
  readonly random: Random
  readonly mesh: Mesh
  /** Wall clock, milliseconds since 1970. */
  wallMs(now: Instant): number
  /** `done` is called once it is durable and shown, or refused. */
  write(now: Instant, write: OwnWrite, done: (result: WriteOutcome) => void): void
  /** No hub can be reached. */
  cutOff(): boolean
  /** Hubs that can be asked, best first. */
  hubs(): readonly NodeId[]
  /** Other nodes of the site that are linked with us. */
  mates(): readonly string[]
  /** No other node of the site was ever heard of: then nobody can say that this one has crashed. */
  isLone(): boolean
  emit(effect: TaskEffect | EngineEffect | EventEffect | WrittenEffect): void
}

/** Writes, and calls back in the same turn in which readers see it, with the instant of that turn. */
export type Write = (now: Instant, write: OwnWrite, done?: (now: Instant, result: WriteOutcome) => void) => void

export type Renew = Extract<TaskQuestion, { type: 'renew' }>
export type Renewed = Extract<TaskAnswer, { type: 'renewed' }>

/** Who gives an order, as the authority has signed it. */
export type Orderer = Pick<Credential, 'name' | 'site' | 'write'>

/** Whoever grants: the part of a hub that nodes ask. It may answer later. */
export interface TaskAuthority {
  /** `number`: the same question of the same life of a node has the same one. */
  order(now: Instant, by: Orderer, number: number, order: TaskOrder, done: (now: Instant, result: TaskOutcome) => void): void
  /** Of a task, by id; or what would come of an order. */
  explain(now: Instant, by: Orderer, about: string | TaskOrder): TaskWhyView | Refusal
  renew(now: Instant, from: string, question: Renew, done: (now: Instant, answer: Renewed) => void): void
}

/** Whoever grants strict writes: the same part of a hub. */
export interface StrictAuthority {
  /** Compares it, and makes it: of two from the same revision one. */
  write(now: Instant, by: Orderer, write: StrictWrite, done: (now: Instant, result: StrictOutcome) => void): void
  wake(now: Instant): void
  nextWake(): Instant | undefined
}

export const NO_ALLOCATOR: Refusal = {
  ok: false,
  code: 'refused',
  message: 'this network has nobody who grants tasks',
  remedy: 'Set `leases` in the config of every node: the hub that grants, or the endpoints of etcd.',
}
