/**
 * Where a connection leads: a service at a site, at whichever node of it offers one, or at a node that is named. People
 * write `SERVICE@SITE` or `SERVICE@SITE/NODE`; programs that only know host names, through SOCKS, `SERVICE.SITE.causeway`
 * or `SERVICE.NODE.SITE.causeway`.
 */
import { NAME_PATTERN } from '@causeway/protocol'

export type ServiceProtocol = 'tcp' | 'udp'

export interface Destination {
  readonly service: string
  readonly site: string
  /** `null`: any node of the site. */
  readonly node: string | null
}

/** Without dots, so that a service can be told from a node in a host name. */
export const SERVICE_PATTERN: RegExp = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

const WRITTEN = /^(?<service>[^@/]+)@(?<site>[^@/]+)(?:\/(?<node>[^@/]+))?$/
const DOMAIN = '.causeway'

/** The parts, or `undefined` if the text is no destination. */
export function parseDestination(text: string): Destination | undefined {
  const { service = '', site = '', node = null } = WRITTEN.exec(text)?.groups ?? {}
  return checked({ service, site, node })
}

/**
 * The same of a host name. What stands between the service and the site, which is the last word here, is the node: so
 * neither a node of a site with dots in its name nor such a site can be named like this.
 */
export function parseHostName(text: string): Destination | undefined {
  const name = text.toLowerCase().replace(/\.$/, '')
  if (!name.endsWith(DOMAIN)) return undefined
  const words = name.slice(0, -DOMAIN.length).split('.')
  const [service = '', site = ''] = [words[0], words.at(-1)]
  if (words.length < 2) return undefined
  return checked({ service, site, node: words.length === 2 ? null : words.slice(1, -1).join('.') })
}

export function formatDestination({ service, site, node }: Destination): string {
  return `${service}@${site}${node === null ? '' : `/${node}`}`
}

/** What the service is called among nodes, as a service of channels. */
export function channelService(protocol: ServiceProtocol, service: string): string {
  return `${protocol}/${service}`
}

function checked(destination: Destination): Destination | undefined {
  const { service, site, node } = destination
  const good = SERVICE_PATTERN.test(service) && NAME_PATTERN.test(site) && (node === null || NAME_PATTERN.test(node))
  return good ? destination : undefined
}
