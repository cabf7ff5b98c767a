/** `causeway channels`: the end-to-end connections of this node. */
import type { ChannelView } from '@causeway/protocol'
import { DONE } from '../fault.ts'
import { bytes } from '../quantity.ts'
import { addReadingOptions, addWatchOption, connectTo, type DeclareVerb, type WatchedOptions } from '../verb.ts'

export const declareChannels: DeclareVerb = (program, onResult) => {
  addWatchOption(addReadingOptions(program.command('channels')))
    .summary('end-to-end connections of this node')
    .description('Shows the channels of this node: to whom, for which service, over which path, and what had to be sent again.')
    .addHelpText('after', '\nExample:\n  $ causeway channels\n')
    .action(async ({ api, output, watch = false }: WatchedOptions) => {
      const causeway = await connectTo(api)
      const { showView } = await import('../show-view.ts')
      await showView({ format: output, watch, read: () => causeway.channels(), table: (channels) => channelsTable(channels) })
      onResult(DONE)
    })
}

async function channelsTable(channels: readonly ChannelView[]): Promise<string> {
  if (channels.length === 0) return 'no channels'
  const { renderTable } = await import('../table.ts')
  const rows = channels.map((channel) => [
    channel.peer,
    channel.service,
    channel.class,
    bytes(channel.bytesOut),
    bytes(channel.bytesIn),
    String(channel.resent),
    String(channel.dropped),
    bytes(channel.unacknowledgedBytes),
    channel.path.join(' > '),
  ])
  return renderTable(['PEER', 'SERVICE', 'CLASS', '>SENT', '>RECEIVED', '>RESENT', '>DROPPED', '>UNACKED', 'PATH'], rows)
}
