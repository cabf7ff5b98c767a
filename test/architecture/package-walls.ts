/**
 * The package table: who may import whom, and why each wall stands. A new dependency is a decision: it is made here,
 * with its reason, or not at all. `checkWalls` compares the table with what the files and manifests really say.
 */
import { posix } from 'node:path'
import { type SourceFile, importsOf, isTest } from './source-file.ts'

export interface Wall {
  /** Packages of ours that it may import. */
  readonly ours: readonly string[]
  /** Packages of others that it may import. A scope with `/*` stands for all of it. */
  readonly others: readonly string[]
  /** May use node:* modules. */
  readonly node: boolean
  readonly reason: string
}

const SANS_IO = ['protocol', 'probe', 'mesh', 'state', 'node', 'hub'] as const

export const WALLS: Readonly<Record<string, Wall>> = {
  protocol: {
    ours: [],
    others: ['msgpackr', 'zod'],
    node: false,
    reason: 'the words of the wire stand alone: everything imports them, so whatever they import, everything has',
  },
  probe: {
    ours: ['protocol'],
    others: [],
    node: false,
    reason:
      'what a link is worth follows from timestamps alone; estimators that knew of plans or records could not be reused by the probe tool',
  },
  state: {
    ours: ['protocol'],
    others: ['msgpackr', 'yjs'],
    node: false,
    reason: 'the replica must run without any network (library use, autonomy); sync runs over whatever delivers bytes in order',
  },
  mesh: {
    ours: ['protocol', 'probe'],
    others: [],
    node: false,
    reason: 'transport must carry bytes for anybody; if it knew of records, a fault of state could stop the network',
  },
  node: {
    ours: ['protocol', 'probe', 'mesh', 'state'],
    others: [],
    node: false,
    reason: 'the node composes the three jobs; it must not know of hubs, so that an edge carries no hub code',
  },
  hub: {
    ours: ['protocol', 'probe', 'mesh', 'state', 'node'],
    others: [],
    node: false,
    reason: 'a hub is a node that does more; it does no I/O, so that the simulator drives the same hub as the daemon',
  },
  simulator: {
    ours: [...SANS_IO],
    others: [],
    node: false,
    reason: 'one seed is one world: a simulator that could reach a clock, a socket or a file could not be replayed',
  },
  daemon: {
    ours: [...SANS_IO],
    others: [
      '@chainsafe/*',
      '@hono/*',
      '@libp2p/*',
      '@multiformats/*',
      'hono',
      'libp2p',
      'lmdb',
      'msgpackr',
      'multiformats',
      'pino',
      'pino-pretty',
      'prom-client',
      'yaml',
      'zod',
    ],
    node: true,
    reason: 'the only place that does I/O; it must not need the simulator or the command line to run in production',
  },
  client: {
    ours: ['protocol'],
    others: [],
    node: true,
    reason: 'applications import it: it must not drag libp2p, LMDB or Yjs into their processes',
  },
  cli: {
    ours: ['protocol', 'client', 'daemon', 'simulator'],
    others: ['@bomb.sh/tab', 'cli-table3', 'commander', 'log-update', 'prom-client', 'yaml'],
    node: true,
    reason: 'verbs speak to a daemon through the client, as anybody else would; they never reach into machines',
  },
  dashboard: {
    ours: ['client'],
    others: [],
    node: false,
    reason: 'the page sees what the public API shows, so that what it shows can be had by others too',
  },
}

/** Modules that only one file may import, with the reason. */
export const GATES: readonly { readonly module: RegExp; readonly only: string; readonly reason: string }[] = [
  {
    module: /^(yjs|lib0)(\/|$)/,
    only: 'packages/state/src/document.ts',
    reason: 'one thin adapter knows Yjs, so that its memory traps and its throws are handled in one place, and it could be replaced',
  },
]

const TEST_MODULES = ['vitest', 'fast-check']
/** An example is a program of somebody who uses the package, with what they use besides. */
const EXAMPLE = /^packages\/[^/]+\/examples\//
const EXAMPLE_MODULES = ['yjs']

export function checkWalls(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const name = packageOf(file.path)
    if (name === undefined) return []
    const wall = WALLS[name]
    if (!wall) return [`${file.path}: package "${name}" is not in the package table; add it with its reason`]
    return importsOf(file).flatMap(({ specifier, line }) => {
      const fault = importFault(file.path, name, wall, specifier)
      return fault === undefined ? [] : [`${file.path}:${line} imports "${specifier}": ${fault}`]
    })
  })
}

function importFault(path: string, name: string, wall: Wall, specifier: string): string | undefined {
  if (EXAMPLE.test(path) && EXAMPLE_MODULES.includes(specifier)) return undefined
  const gate = GATES.find((each) => each.module.test(specifier) && each.only !== path)
  if (gate && !isTest(path)) return `only ${gate.only} may, because ${gate.reason}`
  if (specifier.startsWith('.')) return relativeFault(path, specifier)
  if (specifier.startsWith('node:')) {
    return wall.node || isTest(path) ? undefined : `${name} does no I/O, because ${wall.reason}`
  }
  if (isTest(path) && TEST_MODULES.includes(moduleOf(specifier))) return undefined
  return moduleFault(name, wall, moduleOf(specifier))
}

/** Relative imports stay inside the package; tests may also use the suites under test/. */
function relativeFault(path: string, specifier: string): string | undefined {
  const target = posix.normalize(posix.join(posix.dirname(path), specifier))
  if (target.startsWith(`packages/${packageOf(path)}/`)) return undefined
  if (isTest(path) && target.startsWith('test/')) return undefined
  return 'a package is reached by its name, because its index says what is public'
}

function moduleFault(name: string, wall: Wall, module: string): string | undefined {
  if (module.startsWith('@causeway/')) {
    const target = module.slice('@causeway/'.length)
    return target === name || wall.ours.includes(target) ? undefined : `${name} must not import ${target}, because ${wall.reason}`
  }
  const known = wall.others.some((each) => each === module || (each.endsWith('/*') && module.startsWith(each.slice(0, -1))))
  return known ? undefined : `${name} must not depend on ${module}, because ${wall.reason}`
}

/** The package part of a specifier: `@scope/name` or `name`. */
function moduleOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

export function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1]
}

const DEPENDENCY_FIELDS = ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'] as const

/** What the manifests declare must be inside the walls, and versions are named once, in the catalog. */
export function checkManifests(manifests: readonly SourceFile[]): string[] {
  return manifests.flatMap((file) => {
    const manifest = JSON.parse(file.text) as Partial<Record<(typeof DEPENDENCY_FIELDS)[number], Record<string, string>>>
    const name = packageOf(file.path)
    const wall = name === undefined ? undefined : WALLS[name]
    return DEPENDENCY_FIELDS.flatMap((field) => Object.entries(manifest[field] ?? {})).flatMap(([module, range]) => {
      const faults: string[] = []
      if (range !== 'workspace:*' && range !== 'catalog:') {
        faults.push(`${file.path}: "${module}": "${range}" should be "catalog:", because a version is named once, in pnpm-workspace.yaml`)
      }
      const fault = name !== undefined && wall ? moduleFault(name, wall, module) : undefined
      if (fault !== undefined) faults.push(`${file.path}: ${fault}`)
      return faults
    })
  })
}
