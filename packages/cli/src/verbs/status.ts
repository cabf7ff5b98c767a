/** `causeway status`: what this node is, and whether all is well with it. */
import type { RelayView, StatusView, UplinkView } from '@causeway/protocol'
import { tint, tintState } from '../colour.ts'
import { DONE } from '../fault.ts'
import { duration, milliseconds, percent } from '../quantity.ts'
import { addReadingOptions, addWatchOption, connectTo, type DeclareVerb, type WatchedOptions } from '../verb.ts'

/** Who has just begun is not cut off: its first link is on its way. */
const BEGINNING_SECONDS = 10
/** As long before as the node tells of it in its events. */
const NOTICE_SECONDS = 14 * 86_400

export const declareStatus: DeclareVerb = (program, onResult) => {
  addWatchOption(addReadingOptions(program.command('status')))
    .summary('this node at a glance')
    .description('Shows what this node is, its uplinks, its replica, and whether its site is cut off.')
    .addHelpText('after', '\nExamples:\n  $ causeway status\n  $ causeway status --api /run/causeway.sock -o json\n')
    .action(async ({ api, output, watch = false }: WatchedOptions) => {
      const causeway = await connectTo(api)
      const { showView } = await import('../show-view.ts')
      await showView({ format: output, watch, read: () => causeway.status(), table: (status) => statusTable(status) })
      onResult(DONE)
    })
}

async function statusTable(status: StatusView): Promise<string> {
  const { renderFacts, renderTable } = await import('../table.ts')
  const { replica } = status
  const facts = renderFacts([
    ['node', `${status.node} (${status.role}, version ${status.version})`],
    ['network', status.network],
    ['site', `${status.site} in ${status.region}`],
    ['gateway', status.role === 'hub' ? 'none: a hub' : (status.gateway ?? 'not known')],
    ['hubs', hubsText(status)],
    ['links', `${status.links} up`],
    ...(status.relay ? [['relays', relayed(status.relay)] as const] : []),
    ['channels', String(status.channels)],
    ['replica', `${replica.records} records in ${replica.documents} documents`],
    ...(status.storeFault === undefined ? [] : [['store', tint('bad', status.storeFault)] as const]),
    ['unsent', unsentText(status)],
    ['sessions', replica.sessions.join(', ') || 'none'],
    ['up for', duration(status.uptimeSeconds)],
    ...credentialFact(status),
  ])
  // An older node does not tell.
  const unreached = (status.unreached as StatusView['unreached'] | undefined) ?? []
  const tables = [
    status.uplinks.length > 0 && renderTable(['UPLINK', 'STATE', '>RTT ms', '>LOSS', 'HOME'], status.uplinks.map(uplinkRow)),
    unreached.length > 0 &&
      renderTable(
        ['UNREACHED', 'BECAUSE'],
        unreached.map(({ address, reason }) => [address, reason]),
      ),
  ]
  return [facts, ...tables.filter((table) => table !== false)].join('\n\n')
}

/** Only once it matters: nobody takes a node whose credential has ended. */
function credentialFact({ credentialEndsAt }: StatusView): (readonly [string, string])[] {
  const seconds = (credentialEndsAt - Date.now()) / 1000
  if (!(seconds < NOTICE_SECONDS)) return []
  const when = seconds > 0 ? `ends in ${duration(seconds)}` : 'has ended'
  return [['credential', tint(seconds > 0 ? 'doubt' : 'bad', `${when}: renew it with "causeway renew", and start the node again`)]]
}

function hubsText({ cutOff, uptimeSeconds }: StatusView): string {
  if (!cutOff) return tint('good', 'reachable')
  if (uptimeSeconds < BEGINNING_SECONDS) return tint('doubt', 'none is reached yet')
  return tint('bad', 'cut off: no hub can be reached; the site goes on by itself')
}

/** A hub that is alone has nobody to send to. */
function unsentText({ role, replica: { pending, lagMs } }: StatusView): string {
  if (pending === 0) return 'nothing'
  const age = lagMs < 1000 ? `${milliseconds(lagMs)} ms` : duration(lagMs / 1000)
  return `${pending} batches${role === 'hub' ? ' that no other hub has' : ''}, the oldest ${age} old`
}

function relayed({ draining, framesPerSecond }: RelayView): string {
  const rate = framesPerSecond === null ? '' : `${framesPerSecond} frames/s`
  return draining ? `${tint('doubt', 'drains')}${rate === '' ? '' : `, ${rate} still pass`}` : rate || '-'
}

function uplinkRow(uplink: UplinkView): readonly string[] {
  const { hub, state, rttMs, lossRatio, home, draining } = uplink
  return [hub, tintState(state), milliseconds(rttMs), percent(lossRatio), home ? 'home' : draining ? tint('doubt', 'drains') : '']
}
