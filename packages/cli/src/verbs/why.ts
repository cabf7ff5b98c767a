/** `causeway why`: which ways lead from one node to another, what each step costs, and why a way is taken or not. */
import { CausewayError, type PathCandidate, type WhyView } from '@causeway/protocol'
import { tint } from '../colour.ts'
import { DONE } from '../fault.ts'
import { isTable, printDocument } from '../output.ts'
import { milliseconds } from '../quantity.ts'
import { addReadingOptions, connectTo, type DeclareVerb, nodeName, type ReadingOptions } from '../verb.ts'

const DESCRIPTION = `Asks a hub which ways lead from one node to another: their costs, step by step, which are planned, what speaks against \
the others; and the node FROM which of them it uses and why. Exit 1 if there is no way.`

export const declareWhy: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('why'))
    .summary('why traffic takes the way it takes')
    .description(DESCRIPTION)
    .argument('<from>', 'name of the node that sends', nodeName)
    .argument('<to>', 'name of the node it sends to', nodeName)
    .addHelpText(
      'after',
      '\nExamples:\n  $ causeway why hkg-1-a nrt-2-a\n  $ causeway why hkg-1-a nrt-2-a -o json | jq .candidates[0].steps\n',
    )
    .action(async (from: string, to: string, options: ReadingOptions) => {
      const view = await (await connectTo(options.api)).why(from, to)
      const found = view.candidates.length > 0 || usedPath(view) !== undefined
      if (found || !isTable(options.output)) await printDocument(options.output, view, () => whyTable(view))
      if (!found) {
        throw new CausewayError(
          'unreachable',
          `${view.hub} knows no way from ${from} to ${to}`,
          'check both names, and that both are connected',
        )
      }
      onResult(DONE)
    })
}

async function whyTable(view: WhyView): Promise<string> {
  const { renderTable } = await import('../table.ts')
  const used = usedPath(view)
  const row = (candidate: PathCandidate): string[] => [
    candidate.hops.join() === used?.hops.join() ? tint('good', 'in use') : candidate.planned ? 'planned' : '',
    milliseconds(candidate.costMs),
    candidate.hops.join(' > '),
    candidate.reason,
    candidate.steps.map(({ costMs }) => milliseconds(costMs)).join(' + '),
  ]
  const rows = view.candidates.map(row)
  if (used && !view.candidates.some(({ hops }) => hops.join() === used.hops.join())) {
    const reason = used.hops.length === 1 ? 'the direct link, as its source measures it' : 'known to its source only'
    rows.unshift([tint('good', 'in use'), milliseconds(used.costMs), used.hops.join(' > '), reason, ''])
  }
  const excluded = view.excluded.map(({ hub, reason }) => `not through ${hub}: it ${reason}`)
  const use = view.use
    ? `${view.from} uses ${used ? used.hops.join(' > ') : 'none'}: ${view.use.reason}`
    : `${view.from} has not said which it uses`
  return [renderTable(['', '>COST ms', 'PATH', 'WHY', 'STEPS ms'], rows), '', ...excluded, use, tint('faint', `told by ${view.hub}`)].join(
    '\n',
  )
}

function usedPath({ use }: WhyView): NonNullable<WhyView['use']>['paths'][number] | undefined {
  return use?.paths.find(({ active, costMs }) => active && costMs !== null)
}
