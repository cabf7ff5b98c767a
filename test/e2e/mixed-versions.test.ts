/** Nodes of other protocol versions: they are refused, both ends say why and what to do, and nobody else is troubled. */
import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { PROTOCOL_VERSION, type StatusView } from '@causeway/protocol'
import { mainPath, spawnCauseway } from './command-line.ts'
import { Deployment } from './deployment.ts'
import { eventually } from './eventually.ts'

/** Where the built program says its version, and where it checks that of others: the number stands there, since it is a constant. */
const SAYS = [new RegExp(`(type:\\W?hello\\W?,version:)${PROTOCOL_VERSION}\\b`), new RegExp(`(message\\.version!==)${PROTOCOL_VERSION}\\b`)]
const lab = new Deployment()

beforeAll(async () => {
  await lab.prepare('mynet', [
    { name: 'core-1', role: 'hub', site: 'core' },
    { name: 'hkg-1-a', role: 'edge', site: 'hkg-1', hubs: ['core-1'] },
    { name: 'new-1', role: 'edge', site: 'new-1', hubs: ['core-1'] },
    { name: 'old-1', role: 'edge', site: 'old-1', hubs: ['core-1'] },
  ])
  await Promise.all(['core-1', 'hkg-1-a'].map((name) => lab.start(name)))
})

afterAll(() => lab.close())

/** The built program, which claims another version. */
function programOf(version: number): string {
  const directory = lab.path(`program-${version}`)
  cpSync(dirname(mainPath()), directory, { recursive: true, verbatimSymlinks: true })
  const changed = new Set<RegExp>()
  for (const file of [join(directory, 'main.js'), ...readdirSync(join(directory, 'lib')).map((name) => join(directory, 'lib', name))]) {
    let text = readFileSync(file, 'utf8')
    for (const place of SAYS.filter((each) => each.test(text))) {
      text = text.replace(place, `$1${version}`)
      changed.add(place)
    }
    writeFileSync(file, text)
  }
  expect(changed.size, 'places of the built program that name the version').toBe(SAYS.length)
  return join(directory, 'main.js')
}

test.each([
  ['too new', 'new-1', PROTOCOL_VERSION + 1],
  ['too old', 'old-1', PROTOCOL_VERSION - 1],
])('a node that is %s is refused clearly', async (_, name, version) => {
  const child = spawnCauseway(['run', '--config', `${name}.yaml`], { cwd: lab.directory, main: programOf(version) })
  onTestFinished(() => void child.kill('SIGKILL'))
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  // Whoever is first says so; the other hears it.
  await eventually('it says why', () => /it speaks protocol version \d+, this node \d+: upgrade the older one/.test(log))
  expect(await lab.ask<StatusView>(name, 'status')).toMatchObject({ cutOff: true, links: 0 })
  expect(await lab.ask<StatusView>('hkg-1-a', 'status')).toMatchObject({ cutOff: false })
})
