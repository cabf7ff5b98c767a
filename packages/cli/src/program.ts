/**
 * The grammar as a whole: which verbs there are, how help looks, and how a fault becomes one line and an exit code.
 *
 * A verb's file holds its arguments, its help and what it does. If the first word names a verb, only that file is
 * loaded; for help, or for a word that is no verb, all are, so that help is complete and typos get suggestions.
 */
import { Command, CommanderError } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { ANSWER_NO, DONE, reportFault, WRONG_USAGE } from './fault.ts'
import { connectTo, type DeclareVerb } from './verb.ts'

const VERBS: Readonly<Record<string, () => Promise<DeclareVerb>>> = {
  demo: async () => (await import('./verbs/demo.ts')).declareDemo,
  init: async () => (await import('./verbs/init.ts')).declareInit,
  issue: async () => (await import('./verbs/issue.ts')).declareIssue,
  renew: async () => (await import('./verbs/renew.ts')).declareRenew,
  revoke: async () => (await import('./verbs/revoke.ts')).declareRevoke,
  run: async () => (await import('./verbs/run.ts')).declareRun,
  config: async () => (await import('./verbs/config.ts')).declareConfig,
  status: async () => (await import('./verbs/status.ts')).declareStatus,
  nodes: async () => (await import('./verbs/nodes.ts')).declareNodes,
  sites: async () => (await import('./verbs/sites.ts')).declareSites,
  links: async () => (await import('./verbs/links.ts')).declareLinks,
  paths: async () => (await import('./verbs/paths.ts')).declarePaths,
  why: async () => (await import('./verbs/why.ts')).declareWhy,
  trace: async () => (await import('./verbs/trace.ts')).declareTrace,
  channels: async () => (await import('./verbs/channels.ts')).declareChannels,
  ping: async () => (await import('./verbs/ping.ts')).declarePing,
  probe: async () => (await import('./verbs/probe.ts')).declareProbe,
  reflect: async () => (await import('./verbs/reflect.ts')).declareReflect,
  kv: async () => (await import('./verbs/kv.ts')).declareKv,
  forward: async () => (await import('./verbs/forward.ts')).declareForward,
  services: async () => (await import('./verbs/services.ts')).declareServices,
  task: async () => (await import('./verbs/task.ts')).declareTask,
  drain: async () => (await import('./verbs/drain.ts')).declareDrain,
  undrain: async () => (await import('./verbs/undrain.ts')).declareUndrain,
  events: async () => (await import('./verbs/events.ts')).declareEvents,
  simulate: async () => (await import('./verbs/simulate.ts')).declareSimulate,
  dump: async () => (await import('./verbs/dump.ts')).declareDump,
  docs: async () => (await import('./verbs/docs.ts')).declareDocs,
  backup: async () => (await import('./verbs/backup.ts')).declareBackup,
  restore: async () => (await import('./verbs/restore.ts')).declareRestore,
}

const AFTER_HELP = `
Start here:
  $ causeway demo                            a whole network on this machine, cut and healed before your eyes
  $ causeway init ./net --name lab           then "issue" a credential per node and "run" each
  $ causeway status                          of the node whose socket is ./causeway.sock (or --api, CAUSEWAY_API)

Exit codes: 0 done; 1 the answer is no; 2 wrong usage or config; 3 no daemon reached.
`

/** Runs one command line; returns the exit code, having printed everything. Never throws. */
export async function runCli(args: readonly string[]): Promise<number> {
  // A reader that has seen enough (`| head`) is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? DONE : ANSWER_NO))
  try {
    let code = DONE
    // `causeway help VERB`, as other tools have it.
    const words = args.length === 0 ? ['--help'] : args[0] === 'help' ? [...args.slice(1), '--help'] : args
    const program = await buildProgram(words[0], (result) => (code = result))
    await program.parseAsync(words, { from: 'user' })
    return code
  } catch (error) {
    // Commander has printed its own: help and version are no faults, everything else is wrong usage.
    if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : WRONG_USAGE
    return reportFault(error)
  }
}

/** With the verb that `word` names, or with all. */
export async function buildProgram(word: string | undefined, onResult: (code: number) => void): Promise<Command> {
  const program = new Command('causeway')
    .description('The network under a fleet of edge sites: transport that survives its links, state that survives its sites.')
    .version(manifest.version, '-V, --version')
    .usage('VERB [options]')
    .helpOption('-h, --help', 'show this, or the help of a verb')
    .helpCommand(false)
    .configureHelp({ commandUsage, subcommandTerm })
    .configureOutput({ outputError: (text) => process.stderr.write(`${usageLine(text, word)}\n`) })
    .addHelpText('after', AFTER_HELP)
    .exitOverride()
  const only = word === undefined ? undefined : Object.hasOwn(VERBS, word) ? VERBS[word] : undefined
  for (const load of only ? [only] : Object.values(VERBS)) (await load())(program, onResult)
  // It speaks of all the others.
  if (!only) (await import('./completion.ts')).addCompletion(program, connectTo)
  return program
}

/** What it is called and takes; that it has options goes without saying. */
function subcommandTerm(command: Command): string {
  const words = command.registeredArguments.map((each) => {
    const name = `${each.name()}${each.variadic ? '...' : ''}`
    return each.required ? `<${name}>` : `[${name}]`
  })
  return [command.name(), ...words].join(' ')
}

function commandUsage(command: Command): string {
  const names: string[] = []
  for (let one: Command | null = command; one; one = one.parent) names.unshift(one.name())
  return `${names.join(' ')} ${command.usage()}`
}

/** Commander speaks in two lines ("error: …", "(Did you mean …?)"); we in one, in the form of every other fault. */
function usageLine(text: string, word: string | undefined): string {
  const [fault = '', hint = ''] = text.trim().split('\n')
  const verb = word !== undefined && Object.hasOwn(VERBS, word) ? ` ${word}` : ''
  const remedy = hint === '' ? `See "causeway${verb} --help".` : hint.replace(/^\((.*)\)$/, '$1')
  return `causeway: ${fault.replace(/^error: /, '').replace(/\.$/, '')}. ${remedy}`
}
