/** Names to addresses, once per measurement: a target must not change under it. */
import { lookup } from 'node:dns/promises'
import { CausewayError } from '@causeway/protocol'
import { networkFault } from './network-fault.ts'

export interface ResolvedHost {
  readonly address: string
  readonly family: 4 | 6
}

/** Throws `unreachable`. */
export async function resolveHost(host: string): Promise<ResolvedHost> {
  try {
    const { address, family } = await lookup(host)
    return { address, family: family === 6 ? 6 : 4 }
  } catch (cause) {
    throw new CausewayError('unreachable', `${host}: ${networkFault(cause)}`, 'check the name, or give an address', { cause })
  }
}
