/** `causeway services`: what this node offers to the network, or what is offered at a site. */
import type { OfferView, ServiceView } from '@causeway/protocol'
import { DONE } from '../fault.ts'
import { bytes } from '../quantity.ts'
import { addReadingOptions, addWatchOption, connectTo, type DeclareVerb, type WatchedOptions } from '../verb.ts'

const EXAMPLES = `
Examples:
  $ causeway services                        what this node offers, and who uses it
  $ causeway services -w                     again every second, until Ctrl-C
  $ causeway services nrt-2                  what the nodes of nrt-2 offer
`

export const declareServices: DeclareVerb = (program, onResult) => {
  addWatchOption(addReadingOptions(program.command('services')))
    .argument('[site]', 'a site')
    .summary('what this node, or a site, offers')
    .description('Shows the services that this node offers to the network, or with SITE those that the nodes of the site offer.')
    .addHelpText('after', EXAMPLES)
    .action(async (site: string | undefined, { api, output, watch = false }: WatchedOptions) => {
      const { forwards } = await connectTo(api)
      const { showView } = await import('../show-view.ts')
      const shown = { format: output, watch }
      if (site === undefined) await showView({ ...shown, read: async () => ({ items: await forwards.services() }), table: servicesTable })
      else
        await showView({
          ...shown,
          read: async () => ({ items: await forwards.offersAt(site) }),
          table: (offers) => offersTable(site, offers),
        })
      onResult(DONE)
    })
}

async function servicesTable({ items: services }: { readonly items: readonly ServiceView[] }): Promise<string> {
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

async function offersTable(site: string, { items: offers }: { readonly items: readonly OfferView[] }): Promise<string> {
  if (offers.length === 0) return `as far as is known, nobody at ${site} offers anything`
  const { renderTable } = await import('../table.ts')
  return renderTable(
    ['SERVICE', 'PROTOCOL', 'NODE'],
    offers.map(({ service, protocol, node }) => [service, protocol, node]),
  )
}
