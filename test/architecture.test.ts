/**
 * Holds the house in shape: the package table with the reason for each wall, sizes, names, and what must not be
 * written anywhere. The last part proves that the checks bite, on made-up files.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkGlobals, checkNames, checkSizes, checkStatements, checkTraces } from './architecture/file-rules.ts'
import { WALLS, checkManifests, checkWalls } from './architecture/package-walls.ts'
import { type SourceFile, codeOf, importsOf } from './architecture/source-file.ts'

const root = join(import.meta.dirname, '..')
const SKIPPED = new Set(['node_modules', '.git', 'dist', 'bench-results', 'coverage'])
const TEXT = /\.(?:ts|js|mjs|json|jsonc|yaml|yml|md|sh|css|html|service|conf|tpl)$|^(?:LICENSE|NOTICE|Dockerfile|run|\.gitignore)$/

function readTree(folder: string): SourceFile[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    if (SKIPPED.has(name)) return []
    const path = folder === '' ? name : `${folder}/${name}`
    const stat = statSync(join(root, path), { throwIfNoEntry: false })
    if (stat?.isDirectory()) return readTree(path)
    return stat && TEXT.test(name) ? [{ path, text: readFileSync(join(root, path), 'utf8') }] : []
  })
}

const everything = readTree('')
const sources = everything.filter((file) => file.path.endsWith('.ts'))
const manifests = everything.filter((file) => file.path.endsWith('package.json'))
const packages = readdirSync(join(root, 'packages'))

describe('the repository', () => {
  test('is really read', () => {
    expect(sources.length).toBeGreaterThan(20)
    expect(manifests.length).toBe(packages.length + 1)
    expect(sources.flatMap((file) => importsOf(file)).length).toBeGreaterThan(50)
  })

  test('has only packages that are in the table', () => {
    expect(packages.filter((name) => !WALLS[name])).toEqual([])
  })

  test('imports nothing through a wall', () => {
    expect(checkWalls(sources)).toEqual([])
  })

  test('declares nothing through a wall, and names versions once', () => {
    expect(checkManifests(manifests)).toEqual([])
  })

  test('keeps clocks, chance and the console out of machines', () => {
    expect(checkGlobals(sources)).toEqual([])
  })

  test('keeps files small', () => {
    expect(checkSizes(sources)).toEqual([])
  })

  test('names files after things', () => {
    expect(checkNames(sources)).toEqual([])
  })

  test('has no default exports and leaves no test out', () => {
    expect(checkStatements(sources)).toEqual([])
  })

  test('bears no trace of the machine it was written on', () => {
    expect(checkTraces(everything)).toEqual([])
  })
})

describe('the table itself', () => {
  test('has no circles', () => {
    const seen = new Map<string, 'open' | 'done'>()
    const visit = (name: string): void => {
      expect(seen.get(name), `circle through ${name}`).not.toBe('open')
      if (seen.has(name)) return
      seen.set(name, 'open')
      for (const next of WALLS[name]?.ours ?? []) visit(next)
      seen.set(name, 'done')
    }
    for (const name of Object.keys(WALLS)) visit(name)
  })
})

describe('the checks bite', () => {
  const file = (path: string, text: string): SourceFile => ({ path, text })

  test.each([
    ['packages/probe/src/a.ts', `import { Channel } from '@causeway/mesh'`, 'timestamps alone'],
    ['packages/mesh/src/a.ts', `import type {\n  Replica,\n} from '@causeway/state'`, 'carry bytes for anybody'],
    ['packages/protocol/src/a.ts', `export * from 'libp2p'`, 'stand alone'],
    ['packages/state/src/replica.ts', `import * as Y from 'yjs'`, 'thin adapter'],
    ['packages/node/src/a.ts', `const fs = await import('node:fs')`, 'does no I/O'],
    ['packages/client/src/a.ts', `import 'lmdb'`, 'must not drag'],
    ['packages/node/src/a.ts', `import { Hub } from '../../hub/src/hub.ts'`, 'reached by its name'],
    ['packages/daemon/src/a.ts', `import { World } from '@causeway/simulator'`, 'only place that does I/O'],
    ['packages/unheard-of/src/a.ts', ``, 'not in the package table'],
  ])('%s: %s', (path, text, reason) => {
    const faults = checkWalls([file(path, text)])
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(path)
    expect(faults[0]).toContain(reason)
  })

  test('a comment or a string is not an import', () => {
    const text = `// import { a } from 'libp2p'\n/*\nimport 'lmdb'\n*/\nconst text = "from 'hono'"\nconst quote = /['"]/.test(text)\n// '\n`
    expect(checkWalls([file('packages/protocol/src/a.ts', text)])).toEqual([])
    expect(codeOf(text)).not.toMatch(/libp2p|lmdb|hono/)
    expect(codeOf(text).split('\n')).toHaveLength(text.split('\n').length)
  })

  test('manifests: a wall, and a version of its own', () => {
    const faults = checkManifests([file('packages/mesh/package.json', '{"dependencies":{"@causeway/state":"workspace:*","zod":"^4.0.0"}}')])
    expect(faults.join('\n')).toMatch(/must not import state/)
    expect(faults.join('\n')).toMatch(/should be "catalog:"/)
    expect(faults.join('\n')).toMatch(/must not depend on zod/)
  })

  test('globals, but not in words, strings or tests', () => {
    const bad = `const a = Date.now() / Math.random()\nsetTimeout(f, 1)\nprocess.exit(1)\nconsole.log('x')\n`
    expect(checkGlobals([file('packages/hub/src/a.ts', bad)])).toHaveLength(5)
    expect(checkGlobals([file('packages/hub/src/a.test.ts', bad)])).toEqual([])
    expect(checkGlobals([file('packages/daemon/src/a.ts', bad)])).toEqual([])
    expect(
      checkGlobals([file('packages/hub/src/a.ts', `// Date\nconst s = 'console.log'\nthis.process.run()\nconst t = view.Date\n`)]),
    ).toEqual([])
  })

  test('sizes, names, statements, traces', () => {
    expect(checkSizes([file('packages/hub/src/a.ts', 'x\n'.repeat(401)), file('packages/hub/src/b.ts', 'x\n'.repeat(400))])).toHaveLength(1)
    expect(checkSizes([file('packages/hub/src/index.ts', 'x\n'.repeat(41))])).toHaveLength(1)
    expect(checkNames([file('packages/hub/src/linkState.ts', ''), file('packages/hub/src/node-utils.ts', '')])).toHaveLength(2)
    expect(checkStatements([file('packages/hub/src/a.ts', 'export default 1\n')])).toHaveLength(1)
    expect(checkStatements([file('packages/hub/src/a.test.ts', ['describe', `only('x', () => {})\n`].join('.'))])).toHaveLength(1)
    expect(
      checkTraces([file('docs/a.md', ['see ', 'work', 'main'].join('/')), file('tools/a.ts', [`'`, 'tmp', `x'`].join('/'))]),
    ).toHaveLength(2)
    expect(checkTraces([file('docs/a.md', ['https://registry', 'npmjs', 'org/x'].join('.'))])).toHaveLength(1)
  })
})
