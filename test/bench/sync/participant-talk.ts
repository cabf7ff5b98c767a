/** What the bench and a participant's process say to each other, and how a process opens the system that it is told. */
import type { Access, Diary, Sight } from './participant.ts'
import type { Change } from './trace.ts'

export type ParticipantSpec =
  /** The server, in the core. */
  | { readonly system: 'y-websocket'; readonly role: 'core'; readonly port: number; readonly sites: number }
  | { readonly system: 'y-websocket'; readonly role: 'site'; readonly url: string; readonly site: number }
  | { readonly system: 'nats'; readonly role: 'core'; readonly port: number }
  | { readonly system: 'nats'; readonly role: 'site'; readonly port: number; readonly site: number }

export type ParticipantOrder =
  | { readonly order: 'prepare'; readonly changes: readonly Change[] }
  | { readonly order: 'play'; readonly changes: readonly Change[]; readonly startMs: number }
  | { readonly order: 'take' }

export interface ParticipantAnswer {
  readonly diary?: Diary
  readonly fault?: string
}

export async function openAccess(spec: ParticipantSpec, sight: Sight): Promise<Access> {
  if (spec.system === 'nats') return (await import('./systems/nats-access.ts')).openNatsAccess(spec, sight)
  if (spec.role === 'core') return (await import('./systems/y-websocket-server.ts')).openServer(spec, sight)
  return (await import('./systems/y-websocket-client.ts')).openClient(spec, sight)
}
