/** Carries calls of a hub's machine to etcd, and the answers back. */
import type { Credential } from '@causeway/protocol'
import type { EngineEffect } from '@causeway/node'
import type { DaemonConfig } from '../config.ts'
import type { NodeRuntime, Outside } from '../node-runtime.ts'
import { EtcdClient } from './etcd-client.ts'
import { EtcdLeases } from './etcd-leases.ts'

/** `undefined` where leases are not etcd's, or this node does not grant any. */
export function createLeaseDriver({ role, leases }: DaemonConfig, { network }: Credential, runtime: NodeRuntime): Outside['leases'] {
  if (role !== 'hub' || leases?.engine !== 'etcd') return undefined
  const engine = new EtcdLeases({
    client: new EtcdClient(leases.endpoints),
    network,
    onHealth: (fault) =>
      runtime.report({ type: 'event', name: fault === null ? 'etcd-answers' : 'etcd-silent', data: { reason: fault ?? '' } }),
  })
  return {
    call: ({ request, call }: EngineEffect) => {
      void engine.answer(call).then((answer) => runtime.input({ type: 'leaseAnswer', request, answer }))
    },
  }
}
