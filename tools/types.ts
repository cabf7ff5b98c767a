/**
 * `pnpm types`: checks the types of every package with its own tsconfig (which holds the sans-I/O wall: no DOM, no
 * node types), and of all tests and tools with `tsconfig.test.json`. Two compilers at a time: each one needs a core.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const AT_ONCE = 2

const projects = readdirSync(join(root, 'packages'))
  .map((name) => join('packages', name, 'tsconfig.json'))
  .filter((path) => existsSync(join(root, path)))
projects.push('tsconfig.test.json')

/** The compiler's output, or `undefined` if there is nothing to complain of. */
function check(project: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [compiler, '-p', project, '--pretty', 'false'], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (data: Buffer) => (output += data.toString()))
    child.stderr.on('data', (data: Buffer) => (output += data.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve(code === 0 ? undefined : output || `tsc ended with code ${code}\n`))
  })
}

let failed = 0
async function work(): Promise<void> {
  for (let project = projects.shift(); project !== undefined; project = projects.shift()) {
    const complaint = await check(project)
    if (complaint === undefined) continue
    failed++
    process.stdout.write(`${project}\n${complaint}\n`)
  }
}

const count = projects.length
await Promise.all(Array.from({ length: AT_ONCE }, work))
process.stdout.write(failed === 0 ? `types: ${count} projects, all good\n` : `types: ${failed} of ${count} projects have faults\n`)
process.exitCode = failed === 0 ? 0 : 1
