/** Many gateways in one process: whole nodes, each with its sockets, store and API, as `causeway run` starts them. */
import { connect } from '@causeway/client'
import { startDaemon } from '@causeway/daemon'
import { createLogger } from '../../../packages/daemon/src/logger.ts'
import type { GatewaysAnswer, GatewaysOrder, Sighting } from './gateways-talk.ts'

let seen: Sighting[] = []

process.on('message', (order: GatewaysOrder) => {
  obey(order).then(answer, (fault: unknown) => answer({ fault: (fault as Error).stack ?? String(fault) }))
})
process.on('disconnect', () => process.exit())
answer({})

async function obey(order: GatewaysOrder): Promise<GatewaysAnswer> {
  switch (order.order) {
    case 'start':
      await start(order.configs)
      return {}
    case 'take': {
      const taken = seen
      seen = []
      return { seen: taken }
    }
  }
}

async function start(configs: readonly string[]): Promise<void> {
  const log = await createLogger('error')
  const options = { log, guardProcess: false, onFatal: (_: number, fault: unknown) => answer({ fault: String(fault) }) }
  const daemons = await Promise.all(configs.map((config) => startDaemon(config, options)))
  for (const { apiSocket } of daemons) void watch(apiSocket)
}

async function watch(api: string): Promise<void> {
  const causeway = await connect({ api })
  for await (const event of causeway.collection('config').watch()) {
    if ('record' in event) seen.push({ key: event.record.key, atMs: performance.timeOrigin + performance.now() })
  }
}

function answer(text: GatewaysAnswer): void {
  process.send?.(text)
}
