/** What `pnpm build` makes is the same program: it runs nodes, which exchange records and datagrams, and the demo. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LinkView, RecordView, StatusView } from '@causeway/protocol'
import { causeway } from './command-line.ts'
import { Deployment } from './deployment.ts'
import { eventually } from './eventually.ts'

const BUILD = fileURLToPath(new URL('../../tools/build.ts', import.meta.url))
/** Of a node at rest: code included, as people see it in `top`. */
const RESIDENT_KB_MAX = 150 * 1024

describe('the built program', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cw-build-'))
  const main = join(directory, 'main.js')
  const lab = new Deployment(main)

  beforeAll(async () => {
    execFileSync(process.execPath, [BUILD, directory])
    await lab.prepare('builtnet', [
      { name: 'core-1', role: 'hub', site: 'core' },
      { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1'], write: ['config/**'] },
    ])
    await Promise.all(['core-1', 'hkg-1-a'].map((name) => lab.start(name)))
  })
  afterAll(async () => {
    await lab.close()
    rmSync(directory, { recursive: true, force: true })
  })

  test('is of the version of the sources', async () => {
    const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { readonly version: string }
    const { version } = await lab.ask<StatusView>('hkg-1-a', 'status')
    expect(version).toBe(manifest.version)
    expect((await causeway(['--version'], { cwd: directory, main })).stdout.trim()).toBe(version)
  })

  test('links nodes, over UDP too, and replicates', async () => {
    await eventually('both ways are proven', async () => {
      const [link] = await lab.ask<LinkView[]>('hkg-1-a', 'links')
      return link?.state === 'up' && link.evidence === 'both'
    })
    await lab.at('hkg-1-a', 'kv', 'put', 'config/limits', '{"rate":100}', '--partition', 'global')
    await eventually('the hub has it', async () => {
      const answer = await lab.causeway('kv', 'get', 'config/limits', '--partition', 'global', '-o', 'json', '--api', 'core-1.sock')
      return (
        answer.code === 0 && (JSON.parse(answer.stdout) as RecordView & { readonly value: { readonly rate: number } }).value.rate === 100
      )
    })
  })

  test('takes no more memory than a sidecar may', () => {
    const [, resident] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${lab.pid('hkg-1-a')}/status`, 'utf8')) ?? []
    expect(Number(resident)).toBeLessThan(RESIDENT_KB_MAX)
  })
})
