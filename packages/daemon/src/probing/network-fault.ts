/** What an error of a socket means for whoever probes: a few words without the system's jargon. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused: the host is there, but nothing listens on that port',
  ECONNRESET: 'reset by the other side',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  EHOSTDOWN: 'the host is down',
  ETIMEDOUT: 'no answer',
  EMSGSIZE: 'the packet is too large for the network',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name cannot be resolved now',
  EPERM: 'not permitted by this machine (a firewall?)',
  EACCES: 'not permitted by this machine (a firewall?)',
  EMFILE: 'this process has too many sockets open',
  EADDRNOTAVAIL: 'no free source port or address',
}

export function networkFault(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return WORDS[code ?? ''] ?? message
}
