/** Why a dial failed, for people: what the system calls by a code says what it means, and what to look at. */
import { DIALLED_SELF } from '@causeway/protocol'

const MEANINGS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused: nothing listens there',
  ENOTFOUND: 'its name leads to no address',
  EAI_AGAIN: 'no DNS server answers for its name',
  EHOSTUNREACH: 'no route leads there',
  ENETUNREACH: 'no route leads there',
  ETIMEDOUT: 'no answer',
  ECONNRESET: 'the connection was broken off; is that a node of this network?',
  EADDRNOTAVAIL: 'the local address to dial from is not one of this machine',
}

export function dialFault({ message }: Error): string {
  const [code = ''] = /\bE[A-Z_]{4,}\b/.exec(message) ?? []
  const meaning = MEANINGS[code]
  if (meaning !== undefined) return `${meaning} (${code})`
  if (message.includes('Can not dial self')) return DIALLED_SELF
  // How libp2p tells of a connection that was closed before anything came.
  if (/reading 0\/|^Encryption failed$/.test(message))
    return 'what answers there hung up without a word; if that is a node of this network, see its log'
  // What is ours, or says enough.
  if (code !== '' || /no answer|in time|not an address|node stops/.test(message)) return message
  return `what answers there does not speak this protocol: ${message}`
}
