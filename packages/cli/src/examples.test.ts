/** Help that is worth reading: every verb says what it does and shows how, and what it shows can be typed like that. */
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { buildProgram } from './program.ts'

const program = await buildProgram(undefined, () => undefined)

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.filter((each) => each.name() !== 'complete').flatMap(leaves)
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}`.trim() : ''
}

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp()
  return text
}

/** Of a line of help: what stands between the prompt and what the shell does with it, as words. */
function wordsOf(line: string): string[] {
  const [, typed = ''] = /\$ (?:\w+=\S+ )*causeway (.*)/.exec(line) ?? []
  const [own = ''] = typed.split(/ {2,}(?!-)| [|&>#<]| > | && /)
  return [...own.matchAll(/'((?:[^'])*)'|"((?:[^"])*)"|(\S+)/g)].map(([, single, double, plain]) => single ?? double ?? plain ?? '')
}

const EXAMPLES = [program, ...program.commands.flatMap((verb) => [verb, ...leaves(verb)])].flatMap((command) =>
  helpOf(command)
    .split('\n')
    .filter((line) => /\$ (?:\w+=\S+ )*causeway /.test(line))
    .map((line) => [pathOf(command) || 'causeway', line.trim(), wordsOf(line)] as const),
)

/** Parses what is typed, and does nothing. */
function parse(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => undefined, outputError: () => undefined })
  if (command.commands.length === 0 || command.registeredArguments.length > 0) command.action(() => undefined)
  command.commands.forEach(parse)
}

test('every verb tells what it does, and shows an example', () => {
  for (const verb of program.commands.filter((each) => each.name() !== 'complete')) {
    expect(verb.summary() || verb.description(), pathOf(verb)).not.toBe('')
    expect(
      EXAMPLES.some(([, , [name]]) => name === verb.name()),
      `an example of ${pathOf(verb)}`,
    ).toBe(true)
  }
})

test('every subcommand tells what it does, and is shown in an example, its own or that of its verb', () => {
  const shown = new Set(EXAMPLES.map(([, , [verb, sub]]) => `${verb} ${sub}`))
  const subcommands = program.commands.flatMap((verb) => verb.commands)
  expect(subcommands.filter((each) => each.description() === '').map(pathOf)).toEqual([])
  expect(subcommands.map(pathOf).filter((path) => !shown.has(path))).toEqual([])
})

test('help fits a terminal: but for what is to be typed, and what explains it, no line is too long', () => {
  const wide = program.commands
    .flatMap((verb) => [verb, ...leaves(verb)])
    .flatMap((command) => {
      const [told = ''] = helpOf(command)
        .replace(/^Usage: .*/, '')
        .split(/^(?:Examples?|Targets|Scenarios|The command finds .*):$/m)
      return told.split('\n').filter((line) => line.length > 80)
    })
  expect(wide).toEqual([])
})

test('a default is told in the unit of its option', () => {
  const probe = program.commands.find((each) => each.name() === 'probe')
  if (!probe) throw new Error('there is no probe')
  const help = helpOf(probe).replaceAll(/\s+/g, ' ')
  expect(help).toMatch(/--interval <seconds> time between two \(default: 1\)/)
  expect(help).toMatch(/--timeout <seconds> what is not answered by then is lost \(default: 2\)/)
})

test('what is shown can be typed', async () => {
  expect(EXAMPLES.length).toBeGreaterThan(60)
  program.commands.forEach(parse)
  program.exitOverride().configureOutput({ writeErr: () => undefined, outputError: () => undefined, writeOut: () => undefined })
  for (const [path, line, words] of EXAMPLES) {
    const outcome = await program.parseAsync(words, { from: 'user' }).then(
      () => 'parsed',
      (error: Error) => error.message,
    )
    expect(`${path}: ${line}: ${outcome}`).toBe(`${path}: ${line}: parsed`)
  }
})
