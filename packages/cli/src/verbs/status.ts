/** `causeway status`: what this node is, and whether all is well with it. */
import type { RelayView, StatusView, UplinkView } from '@causeway/protocol'
import { tint, tintState } from '../colour.ts'
import { DONE } from '../fault.ts'
import { duration, milliseconds, percent } from '../quantity.ts'
import { addReadingOptions, addWatchOption, connectTo, type DeclareVerb, type WatchedOptions } from '../verb.ts'

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
    ['hubs', status.cutOff ? tint('bad', 'cut off: no hub can be reached; the site goes on by itself') : tint('good', 'reachable')],
    ['links', `${status.links} up`],
    ...(status.relay ? [['relays', relayed(status.relay)] as const] : []),
    ['channels', String(status.channels)],
    ['replica', `${replica.records} records in ${replica.documents} documents`],
    ['unsent', replica.pending === 0 ? 'nothing' : `${replica.pending} batches, the oldest ${milliseconds(replica.lagMs)} ms old`],
    ['sessions', replica.sessions.join(', ') || 'none'],
    ['up for', duration(status.uptimeSeconds)],
  ])
  if (status.uplinks.length === 0) return facts
  return `${facts}\n\n${renderTable(['UPLINK', 'STATE', '>RTT ms', '>LOSS', 'HOME'], status.uplinks.map(uplinkRow))}`
}

function relayed({ draining, framesPerSecond }: RelayView): string {
  const rate = framesPerSecond === null ? '' : `${framesPerSecond} frames/s`
  return draining ? `${tint('doubt', 'drains')}${rate === '' ? '' : `, ${rate} still pass`}` : rate || '-'
}

function uplinkRow(uplink: UplinkView): readonly string[] {
  const { hub, state, rttMs, lossRatio, home, draining } = uplink
  return [hub, tintState(state), milliseconds(rttMs), percent(lossRatio), home ? 'home' : draining ? tint('doubt', 'drains') : '']
}
