/** `causeway services`: what this node offers to the network, or what is offered at a site. */
import type { OfferView, ServiceView } from '@causeway/protocol'
import { DONE } from '../fault.ts'
import { printDocument } from '../output.ts'
import { bytes } from '../quantity.ts'
import { addReadingOptions, connectTo, type DeclareVerb, type ReadingOptions } from '../verb.ts'

const EXAMPLES = `
Examples:
  $ causeway services                        what this node offers, and who uses it
  $ causeway services nrt-2                  what the nodes of nrt-2 offer
`

export const declareServices: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('services'))
    .argument('[site]', 'a site')
    .summary('what this node, or a site, offers')
    .description('Shows the services that this node offers to the network, or with SITE those that the nodes of the site offer.')
    .addHelpText('after', EXAMPLES)
    .action(async (site: string | undefined, { api, output }: ReadingOptions) => {
      const { forwards } = await connectTo(api)
      if (site === undefined) {
        const items = await forwards.services()
        await printDocument(output, { items }, () => servicesTable(items))
      } else {
        const items = await forwards.offersAt(site)
        await printDocument(output, { items }, () => offersTable(items))
      }
      onResult(DONE)
    })
}

async function servicesTable(services: readonly ServiceView[]): Promise<string> {
  if (services.length === 0) return 'this node offers no services'
  const { renderTable } = await import('../table.ts')
  const rows = services.map((each) => [
    each.service,
    each.protocol,
    each.address,
    each.allow?.join(' or ') ?? 'everybody',
    String(each.open),
    String(each.opened),
    String(each.refused),
    String(each.failed),
    bytes(each.bytesIn),
    bytes(each.bytesOut),
  ])
  return renderTable(['SERVICE', 'PROTOCOL', 'ADDRESS', 'ALLOWED', '>OPEN', '>EVER', '>REFUSED', '>FAILED', '>RECEIVED', '>SENT'], rows)
}

async function offersTable(offers: readonly OfferView[]): Promise<string> {
  if (offers.length === 0) return 'nothing is offered there'
  const { renderTable } = await import('../table.ts')
  return renderTable(
    ['SERVICE', 'PROTOCOL', 'NODE'],
    offers.map(({ service, protocol, node }) => [service, protocol, node]),
  )
}
