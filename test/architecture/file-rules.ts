/**
 * Rules that every file keeps: size, name, no clock or chance in machines, nothing of one person's machine. Each
 * complaint names file, line and the reason, so that whoever trips over it knows what to do.
 */
import { type SourceFile, codeOf, isTest, lineAt, lineCount } from './source-file.ts'
import { packageOf } from './package-walls.ts'

export const SOURCE_LINES_MAX = 400
export const TEST_LINES_MAX = 600
export const INDEX_LINES_MAX = 40

/** Files that a program wrote: nobody reads them, so their size does not matter. */
export const GENERATED: Readonly<Record<string, string>> = {
  'packages/simulator/src/planetlab-data.ts': 'measured round trips, packed by tools/pack-rtt.ts; the simulator may not read files',
}

const SANS_IO = new Set(['protocol', 'probe', 'mesh', 'state', 'node', 'hub', 'simulator'])

const FORBIDDEN: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /(?<![.\w$#])Date\b(?!\s*:)/g, reason: 'time is passed in, so that the simulator owns it' },
  { pattern: /(?<![.\w$#])performance\s*\./g, reason: 'time is passed in, so that the simulator owns it' },
  { pattern: /\bMath\s*\.\s*random\b/g, reason: 'chance is injected, so that a seed replays' },
  {
    pattern: /(?<![.\w$#])(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/g,
    reason: 'a machine states its deadline by nextWake(); the driver owns timers',
  },
  { pattern: /(?<![.\w$#])process\s*\./g, reason: 'what the process knows is handed in' },
  { pattern: /(?<![.\w$#])console\s*\./g, reason: 'machines report by `event` effects; the daemon logs' },
]

export function checkGlobals(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const name = packageOf(file.path)
    if (name === undefined || !SANS_IO.has(name) || isTest(file.path) || file.path in GENERATED) return []
    const code = codeOf(file.text)
    return FORBIDDEN.flatMap(({ pattern, reason }) =>
      [...code.matchAll(pattern)].map((match) => `${file.path}:${lineAt(code, match.index)} uses ${match[0].trim()}: ${reason}`),
    )
  })
}

export function checkSizes(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    if (file.path in GENERATED) return []
    const max = file.path.endsWith('/index.ts') ? INDEX_LINES_MAX : isTest(file.path) ? TEST_LINES_MAX : SOURCE_LINES_MAX
    const lines = lineCount(file.text)
    return lines > max ? [`${file.path} has ${lines} lines, at most ${max}: one noun per file; split it along its nouns`] : []
  })
}

const KEBAB_CASE = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|config))?\.ts$/
const DRAWERS = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'misc'])

export function checkNames(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const faults: string[] = []
    const base = file.path.slice(file.path.lastIndexOf('/') + 1)
    if (!KEBAB_CASE.test(base)) faults.push(`${file.path}: file names are kebab-case, after what they export`)
    for (const word of file.path.toLowerCase().split(/[/.-]/)) {
      if (DRAWERS.has(word)) faults.push(`${file.path}: "${word}" names a drawer, not a thing; name it after what it does`)
    }
    return faults
  })
}

export function checkStatements(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const code = codeOf(file.text)
    const faults: string[] = []
    const complain = (pattern: RegExp, why: string): void => {
      for (const match of code.matchAll(pattern)) faults.push(`${file.path}:${lineAt(code, match.index + match[0].length)} ${why}`)
    }
    if (!file.path.endsWith('.config.ts')) {
      complain(/^[ \t]*export\s+default\b/gm, 'has a default export: a thing has one name everywhere')
      complain(/\bas\s+default\s*[,}]/g, 'has a default export: a thing has one name everywhere')
    }
    complain(/\b(?:it|test|describe|suite)\s*\.\s*(?:skip|only|todo)\b/g, 'leaves tests out: fix it or remove it')
    return faults
  })
}

/** Built from parts, so that this file does not complain of itself. */
const MACHINE_PATHS = new RegExp(`(?<![\\w.*}])/(?:${['work', 'home', 'root'].join('|')})/[a-z]`, 'g')
const TEMPORARY_PATH = new RegExp(['(?<![\\w.*}])', 'tmp', ''].join('/'), 'g')
const REGISTRY_HOSTS = new RegExp(
  ['registry\\.', '(?:npmjs|yarnpkg|npmmirror)\\.(?:org|com)', '|', 'npm\\.pkg\\.git', 'hub\\.com'].join(''),
  'g',
)

/** For all text files, not only sources. */
export function checkTraces(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const faults: string[] = []
    const complain = (pattern: RegExp, why: string): void => {
      for (const match of file.text.matchAll(pattern)) faults.push(`${file.path}:${lineAt(file.text, match.index)} ${why}`)
    }
    complain(MACHINE_PATHS, 'names a path of somebody’s machine: it means nothing elsewhere')
    complain(REGISTRY_HOSTS, 'names a package registry: where packages come from is the installer’s business')
    if (!isTest(file.path)) complain(TEMPORARY_PATH, 'names a temporary path: ask the system for one')
    return faults
  })
}
