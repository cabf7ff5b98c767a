/** `causeway forward`: a port of this machine that leads to a service elsewhere, for as long as the command runs. */
import type { Causeway } from '@causeway/client'
import { CausewayError, type EventView, type ForwardRequest, type ForwardView, type OfferView } from '@causeway/protocol'
import { type Command, Option } from 'commander'
import { tint } from '../colour.ts'
import { DONE } from '../fault.ts'
import { printDocument, printItem } from '../output.ts'
import { bytes } from '../quantity.ts'
import {
  addReadingOptions,
  addWatchOption,
  connectTo,
  type DeclareVerb,
  numberBetween,
  type ReadingOptions,
  untilInterrupted,
  type WatchedOptions,
} from '../verb.ts'

interface ForwardVerbOptions extends ReadingOptions {
  readonly udp?: boolean
  readonly class?: 'latest' | 'twin'
  readonly idle?: number
  readonly keep?: boolean
}

const DESCRIPTION = `Listens on a port of this machine and leads every connection to a service of another site: to whichever node of the site \
offers it and is nearest, or to the one that is named. Lasts until Ctrl-C. LISTEN is a port of loopback, or an address and a port.`

const EXAMPLES = `
Examples:
  $ causeway forward 7001 signal@nrt-2       then: curl http://127.0.0.1:7001
  $ causeway forward 7001 signal@nrt-2/nrt-2-a
  $ causeway forward 5353 dns@core --udp
  $ causeway forward 7002 media@nrt-2 --class twin
  $ causeway forward list -w
  $ causeway forward remove tcp:127.0.0.1:7001
  $ causeway services nrt-2                  what is offered there
`

export const declareForward: DeclareVerb = (program, onResult) => {
  const forward = addReadingOptions(program.command('forward'))
    .argument('<listen>', 'port, or address and port')
    .argument('<service>', 'SERVICE@SITE or SERVICE@SITE/NODE')
    .summary('a port of this machine that leads to a service elsewhere')
    .description(DESCRIPTION)
    .option('--udp', 'datagrams instead of connections')
    .addOption(
      new Option('--class <class>', 'how datagrams travel: latest, or twin, over two paths at once; implies --udp').choices([
        'latest',
        'twin',
      ]),
    )
    .option('--idle <seconds>', 'with --udp: a client that is silent for so long is forgotten', numberBetween(1, 86_400, 'real'))
    .option('--keep', 'return at once, and let the forward stay until it is removed or the node stops')
    .addHelpText('after', EXAMPLES)
    .action(async (listen: string, to: string, options: ForwardVerbOptions) => {
      await run(requestOf(listen, to, options), options).catch((error: unknown) => {
        throw inOurWords(error)
      })
      onResult(DONE)
    })
  declareList(forward, onResult)
  declareRemove(forward, onResult)
}

function requestOf(listen: string, to: string, { udp, class: frameClass, idle }: ForwardVerbOptions): ForwardRequest {
  if (idle !== undefined && !udp && !frameClass) throw new CausewayError('usage', '--idle is for datagrams', 'add --udp, or leave it out')
  return {
    listen,
    to,
    proto: udp || frameClass ? 'udp' : 'tcp',
    ...(frameClass && { class: frameClass }),
    ...(idle !== undefined && { idleSeconds: idle }),
  }
}

async function run(request: ForwardRequest, { api, output, keep }: ForwardVerbOptions): Promise<void> {
  const { forwards } = await connectTo(api)
  if (keep) {
    const forward = await forwards.open(request)
    await printDocument(output, forward, () => `${leads(forward)}; to end it: causeway forward remove ${forward.id}`)
    return warnIfNobodyOffers(forwards, request)
  }
  void warnIfNobodyOffers(forwards, request)
  for await (const item of forwards.follow(request, { signal: untilInterrupted() })) {
    await printItem(output, item, () => ('id' in item ? `${leads(item)} (Ctrl-C ends it)` : failure(item.data)))
  }
}

/** The service may come later, or this node may be cut off from who knows: so it is said, and goes on. */
async function warnIfNobodyOffers(forwards: Causeway['forwards'], { to, proto }: ForwardRequest): Promise<void> {
  const [service, site, node] = to.split(/[@/]/)
  if (service === undefined || site === undefined) return
  const offers = await forwards.offersAt(site).catch(() => undefined)
  const isMeant = (offer: OfferView): boolean =>
    offer.service === service && offer.protocol === proto && (node === undefined || offer.node === node)
  if (!offers || offers.some(isMeant)) return
  const known = [...new Set(offers.map((offer) => `${offer.service} (${offer.protocol})`))].join(', ')
  process.stderr.write(
    `causeway: as far as this node knows, ${node === undefined ? `nobody at ${site}` : `no node ${node} at ${site}`} offers ${service} (${proto}) now${known && `; there is ${known}`}.\n`,
  )
}

/** The daemon explains the request, not the command. */
function inOurWords(error: unknown): unknown {
  if (!(error instanceof CausewayError) || error.code !== 'usage' || error.message.startsWith('--')) return error
  return new CausewayError('usage', error.message, 'write it like: causeway forward 7001 signal@nrt-2', { cause: error })
}

function leads({ id, to }: ForwardView): string {
  return `${id} leads to ${to}`
}

function failure({ reason, more }: EventView['data']): string {
  return tint('bad', `a connection could not be made: ${reason}${more === undefined ? '' : ` (and ${more} before)`}`)
}

function declareList(forward: Command, onResult: (code: number) => void): void {
  addWatchOption(addReadingOptions(forward.command('list')))
    .description('The forwards of this node: those of its config, and those that were asked for.')
    .action(async (_options: object, command: Command) => {
      const { api, output, watch = false } = command.optsWithGlobals<WatchedOptions>()
      const { forwards } = await connectTo(api)
      const { showView } = await import('../show-view.ts')
      await showView({ format: output, watch, read: async () => ({ items: await forwards.list() }), table: forwardsTable })
      onResult(DONE)
    })
}

function declareRemove(forward: Command, onResult: (code: number) => void): void {
  addReadingOptions(forward.command('remove <id>'))
    .description('Ends a forward that was asked for, and its connections.')
    .action(async (id: string, _options: object, command: Command) => {
      const { api, output } = command.optsWithGlobals<ReadingOptions>()
      await (await connectTo(api)).forwards.remove(id)
      await printDocument(output, { id, removed: true }, () => `${id} is removed`)
      onResult(DONE)
    })
}

async function forwardsTable({ items: forwards }: { readonly items: readonly ForwardView[] }): Promise<string> {
  if (forwards.length === 0) return 'no forwards'
  const { renderTable } = await import('../table.ts')
  const rows = forwards.map((each) => [
    each.id,
    each.to ?? '(as clients name it)',
    each.class,
    each.origin,
    String(each.open),
    String(each.opened),
    String(each.failed),
    bytes(each.bytesOut),
    bytes(each.bytesIn),
    each.lastFailure?.reason ?? '',
  ])
  return renderTable(['FORWARD', 'TO', 'CLASS', 'ORIGIN', '>OPEN', '>EVER', '>FAILED', '>SENT', '>RECEIVED', 'LAST FAILURE'], rows)
}
