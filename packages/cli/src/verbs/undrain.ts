/** `causeway undrain`: this hub is there again for everybody. */
import { DONE } from '../fault.ts'
import { printDocument } from '../output.ts'
import { addReadingOptions, connectTo, type DeclareVerb, type ReadingOptions } from '../verb.ts'

export const declareUndrain: DeclareVerb = (program, onResult) => {
  addReadingOptions(program.command('undrain'))
    .summary('take everybody back after "drain"')
    .description('Ends "drain": nodes use this hub again where it is the better way.')
    .addHelpText('after', '\nExamples:\n  $ causeway undrain\n')
    .action(async ({ api, output }: ReadingOptions) => {
      const status = await (await connectTo(api)).drain(false)
      await printDocument(output, status, () => `${status.node} is in use again`)
      onResult(DONE)
    })
}
