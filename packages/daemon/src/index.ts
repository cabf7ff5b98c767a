/**
 * The daemon: the only package with I/O. It drives a node's machine with real sockets, a real disk and a real clock,
 * and makes the credentials that nodes run with.
 *
 * @example
 * createNetwork('./authority', 'my-network')
 * issueCredential('./authority', { name: 'hkg-1-a', site: 'hkg-1', region: 'apac', role: 'edge', out: './hkg-1-a.cred' })
 * const daemon = await startDaemon('./hkg-1-a.yaml')
 * process.once('SIGTERM', () => void daemon.stop())
 */
export {
  type CreatedNetwork,
  type IssueOptions,
  type IssuedCredential,
  type RenewOptions,
  type SignedRevocation,
  createNetwork,
  issueCredential,
  renewCredential,
  revokeNode,
} from './authority.ts'
export { type ConfigReport, type DaemonConfig, checkConfig } from './config.ts'
export { type JsonSchema, configJsonSchema } from './config-keys.ts'
export { configReference } from './config-reference.ts'
export { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts'
export { Libp2pNetwork, type Libp2pNetworkOptions } from './libp2p-network.ts'
export { overlayAddress } from './overlay/overlay-address.ts'
export { type OverlayTransportInit, overlayTransport } from './overlay/overlay-transport.ts'
export type { OpenOptions, ProgramChannel, ProgramChannelListener, Programs } from './program-channel.ts'
export { LmdbStore, type LmdbStoreOptions } from './lmdb-store.ts'
export { type StoreReport, type TellProgress, backupStore, compactStore, inspectStore, restoreStore } from './store-maintenance.ts'
