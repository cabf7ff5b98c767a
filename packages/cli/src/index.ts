/**
 * The command line of Causeway, as a function: parses arguments, runs one verb, returns the exit code.
 *
 * @example
 * process.exitCode = await runCli(['status', '-o', 'json'])
 */
export { runCli } from './program.ts'
