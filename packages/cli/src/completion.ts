/**
 * Completion for shells: verbs, options and their choices from the grammar itself, names of nodes, sites, collections and tasks
 * from the daemon, if it answers at once. `causeway completion bash` prints what a shell has to read; the shell then asks
 * `causeway complete -- WORDS…` at every Tab.
 */
import tab from '@bomb.sh/tab/commander'
import type { Causeway } from '@causeway/client'
import type { Command } from 'commander'

/** Somebody waits at the keyboard. */
const ANSWER_MS_MAX = 700
/** More than this nobody reads. */
const NAMES_MAX = 500

const EXAMPLES = `
Examples:
  $ source <(causeway completion bash)                 now; for ever: add this line to ~/.bashrc
  $ causeway completion zsh > ~/.zsh/_causeway         a folder of fpath
  $ causeway completion fish > ~/.config/fish/completions/causeway.fish
`

type Source = (causeway: Causeway) => Promise<readonly string[]>

const nodes: Source = async (causeway) => (await causeway.nodes()).items.map(({ node }) => node)
const sites: Source = async (causeway) => (await causeway.sites()).items.map(({ site }) => site)
const collections: Source = async (causeway) => (await causeway.documents()).items.map(({ collection }) => collection)
const partitions: Source = async (causeway) => (await causeway.documents()).items.map(({ partition }) => partition)
const tasks: Source = async (causeway) => (await causeway.tasks.list({ limit: NAMES_MAX })).items.map(({ id }) => id)

/** Name of an argument or option → where its values come from. */
const SOURCES: Readonly<Record<string, Source>> = {
  ...{ from: nodes, to: nodes, target: nodes },
  ...{ site: sites, near: sites },
  ...{ collection: collections, partition: partitions },
  'collection/key': async (causeway) => (await collections(causeway)).map((name) => `${name}/`),
}
/** `id` is also that of a forward. */
const TASK_ID = /^task /

/** Adds `completion` and `complete`; all verbs must be there already. */
export function addCompletion(program: Command, connect: (api: string | undefined) => Promise<Causeway>): void {
  const grammar = tab(program, { completionCommandName: 'completion' })
  const verb = program.commands.find((each) => each.name() === 'completion')
  verb?.summary('complete verbs, options and names in your shell').addHelpText('after', EXAMPLES)
  const asking = program.commands.find((each) => each.name() === 'complete')
  asking?.hook('preAction', async (_, { args }) => {
    const known = new Map<Source, readonly string[]>()
    for (const [name, command] of grammar.commands) {
      if (!args.join(' ').startsWith(name)) continue
      for (const place of [...command.arguments.entries(), ...command.options.entries()]) {
        const [word, where] = place
        const source = SOURCES[word] ?? (word === 'id' && TASK_ID.test(name) ? tasks : undefined)
        if (!source) continue
        if (!known.has(source)) known.set(source, await namesOf(source, connect, args))
        where.handler = (complete) => known.get(source)?.forEach((each) => complete(each, ''))
      }
    }
  })
}

/** What the daemon says at once, or nothing: whoever presses Tab asked for no error. */
async function namesOf(
  source: Source,
  connect: (api: string | undefined) => Promise<Causeway>,
  words: readonly string[],
): Promise<readonly string[]> {
  const at = words.indexOf('--api')
  const late = Promise.withResolvers<readonly string[]>()
  const timer = setTimeout(() => late.resolve([]), ANSWER_MS_MAX)
  try {
    const names = connect(at < 0 ? undefined : words[at + 1]).then(source)
    return [...new Set(await Promise.race([names, late.promise]))].slice(0, NAMES_MAX)
  } catch {
    return []
  } finally {
    clearTimeout(timer)
  }
}
