/**
 * `pnpm build [DIRECTORY]`: makes `dist/`, or the directory that is named, the command line with the daemon as a package of few files of plain JavaScript. It starts
 * faster and takes less memory than the sources, which each thread has to strip of their types. What has native parts
 * stays a dependency.
 */
import { mkdirSync, readFileSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'rolldown'

const root = join(import.meta.dirname, '..')
const dist = resolve(process.argv[2] ?? join(root, 'dist'))
const NATIVE = ['lmdb', 'msgpackr-extract']
/** Files that are run as a process or thread of their own; where they are looked for is written in those that run them. */
const ENTRIES = {
  main: 'packages/cli/src/main.ts',
  'emulator-process': 'packages/cli/src/demo/emulator-process.ts',
  guardian: 'packages/cli/src/demo/guardian.ts',
  'datagram-worker': 'packages/daemon/src/datagram-worker.ts',
}

interface Manifest {
  readonly version: string
  readonly description: string
  readonly license: string
  readonly dependencies: Readonly<Record<string, string>>
}

rmSync(dist, { recursive: true, force: true })
await build({
  cwd: root,
  input: ENTRIES,
  platform: 'node',
  external: NATIVE,
  logLevel: 'warn',
  output: {
    dir: dist,
    format: 'esm',
    minify: { compress: true, mangle: false, codegen: true },
    comments: { legal: false },
    entryFileNames: ({ name }) => (name === 'main' ? '[name].js' : 'lib/[name].js'),
    chunkFileNames: 'lib/[name]-[hash].js',
  },
})

// One character beyond Latin-1 makes V8 keep the whole file at two bytes each, for as long as the process lives.
for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'))) {
  const path = join(dist, file)
  const escaped = readFileSync(path, 'utf8').replaceAll(/[^\0-\u00ff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  writeFileSync(path, escaped)
}

const cli = manifestOf(join(root, 'packages/cli'))
const daemon = join(root, 'packages/daemon')
const manifest = {
  name: 'causeway',
  version: cli.version,
  description: cli.description,
  license: cli.license,
  type: 'module',
  bin: { causeway: './main.js' },
  engines: { node: '>=24' },
  dependencies: { lmdb: manifestOf(join(daemon, 'node_modules/lmdb')).version },
}
// Here it runs with the native parts of the checkout; published, it brings no such folder.
mkdirSync(join(dist, 'node_modules'))
symlinkSync(realpathSync(join(daemon, 'node_modules/lmdb')), join(dist, 'node_modules/lmdb'))
writeFileSync(join(dist, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
process.stdout.write(`causeway ${manifest.version} is built; run it by node ${join(dist, 'main.js')}\n`)

function manifestOf(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest
}
