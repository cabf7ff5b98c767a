/**
 * The trace in NATS: vitals as plain messages, records in a key-value bucket of the hub. A site's leaf server has streams
 * of its own that source what the site needs from the bucket, so that a change crosses the link once; writes go to the bucket.
 */
import { DeliverPolicy, type JetStreamManager, StorageType, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { type NatsConnection, connect } from '@nats-io/transport-node'
import { setTimeout as pause } from 'node:timers/promises'
import type { Access, Sight } from '../participant.ts'
import type { ParticipantSpec } from '../participant-talk.ts'
import { type Change, type Fields, type Kind, identityOf } from '../trace.ts'

type NatsSpec = Extract<ParticipantSpec, { system: 'nats' }>

const BUCKET = 'state'
const HUB_API = '$JS.hub.API'
const STREAM_WAIT_MS = 200
const STREAM_WAITS_MAX = 150

export async function openNatsAccess(spec: NatsSpec, sight: Sight): Promise<Access> {
  const connection = await dial(spec.port)
  return spec.role === 'core' ? openCore(connection, sight) : openSite(connection, spec.site, sight)
}

async function openCore(connection: NatsConnection, sight: Sight): Promise<Access> {
  const bucket = await new Kvm(jetstream(connection)).create(BUCKET, { history: 1, storage: StorageType.File })
  connection.subscribe('vital.>', { callback: () => sight.sawVital() })
  const entries = await bucket.watch()
  void (async () => {
    for await (const entry of entries) tell(sight, entry.key, entry.json<Fields>())
  })()
  const write = (change: Change): Promise<unknown> => bucket.put(subjectOf(change), JSON.stringify(change.value))
  return { write: (change) => (change.kind === 'vital' ? Promise.resolve() : write(change)) }
}

async function openSite(connection: NatsConnection, site: number, sight: Sight): Promise<Access> {
  const manager = await jetstreamManager(connection)
  await source(manager, 'TASKS', `$KV.${BUCKET}.task.s${site}.>`)
  await source(manager, 'CONFIG', `$KV.${BUCKET}.config.>`)
  const local = jetstream(connection)
  for (const stream of ['TASKS', 'CONFIG']) {
    const options = { deliver_policy: DeliverPolicy.LastPerSubject, filter_subjects: `$KV.${BUCKET}.>` }
    const consumer = await local.consumers.getPushConsumer(stream, options)
    await consumer.consume({ callback: (message) => tell(sight, message.subject.slice(`$KV.${BUCKET}.`.length), message.json<Fields>()) })
  }
  return {
    write: (change) => {
      const value = JSON.stringify(change.value)
      if (change.kind !== 'vital') return local.publish(`${HUB_API}.$KV.${BUCKET}.${subjectOf(change)}`, value)
      connection.publish(subjectOf(change), value)
      return Promise.resolve()
    },
  }
}

/** A stream that copies what fits the filter from the hub's bucket; waits until the hub is there. */
async function source(manager: JetStreamManager, name: string, filter: string): Promise<void> {
  const sources = [{ name: `KV_${BUCKET}`, filter_subject: filter, external: { api: HUB_API, deliver: '' } }]
  for (let attempt = 1; ; attempt++) {
    try {
      await manager.streams.add({ name, storage: StorageType.File, max_msgs_per_subject: 1, allow_direct: true, sources })
      return
    } catch (fault) {
      if (attempt === STREAM_WAITS_MAX) throw fault
      await pause(STREAM_WAIT_MS)
    }
  }
}

async function dial(port: number): Promise<NatsConnection> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connect({ servers: `127.0.0.1:${port}` })
    } catch (fault) {
      if (attempt === STREAM_WAITS_MAX) throw fault
      await pause(STREAM_WAIT_MS)
    }
  }
}

/** `task.s3.t17`, `config.c2`, `vital.s3.n1`. */
function subjectOf({ kind, site, key }: Change): string {
  return [kind, ...(site === undefined ? [] : [`s${site}`]), key].join('.')
}

function tell(sight: Sight, subject: string, value: Fields): void {
  const [kind, ...rest] = subject.split('.')
  const site = rest.length === 2 ? Number(rest[0]?.slice(1)) : undefined
  sight.saw(identityOf(kind as Kind, site, rest.at(-1) ?? '', value))
}
