/** Completion in a real bash: what it reads is what the command prints, and what it asks is answered by the command. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type Server, createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
/** What the package bash-completion brings, as far as it is needed: words of the line, and the one at the cursor. */
const WORDS = `_get_comp_words_by_ref() { words=("\${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=\${COMP_WORDS[COMP_CWORD]}; prev=\${COMP_WORDS[COMP_CWORD-1]}; }`

let directory: string
let server: Server

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'cw-completion-'))
  writeFileSync(join(directory, 'causeway'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`, { mode: 0o755 })
  server = createServer((request, response) => {
    const items = {
      '/v1/nodes': [{ node: 'hkg-1-a' }, { node: 'nrt-2-a' }],
      '/v1/docs': [{ collection: 'config' }, { collection: 'config' }, { collection: 'tasks' }],
      '/v1/tasks?limit=500': [{ id: 'rec-42' }],
    }[request.url ?? '']
    response.end(JSON.stringify({ items: items ?? [], token: 't' }))
  })
  await new Promise<void>((done) => server.listen(join(directory, 'api.sock'), done))
})

afterAll(() => {
  server.close()
  rmSync(directory, { recursive: true })
})

const environment = (): NodeJS.ProcessEnv => {
  return { ...process.env, PATH: `${directory}:${process.env['PATH']}`, CAUSEWAY_API: join(directory, 'api.sock') }
}

/** What bash offers for a line whose last word the cursor is in. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const line = words.map((word) => `'${word}'`).join(' ')
  const script = `${WORDS}
source <(causeway completion bash)
complete -p causeway >&2
COMP_WORDS=(causeway ${line}) COMP_CWORD=${words.length}
__causeway_complete
printf '%s\\n' "\${COMPREPLY[@]}"`
  const bash = spawn('bash', ['--norc', '-c', script], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] })
  const [answer, registered] = await Promise.all([text(bash.stdout), text(bash.stderr)])
  expect(registered).toContain('-F __causeway_complete causeway')
  return answer.split('\n').flatMap((each) => each.trim().split('\t')[0] || [])
}

test.each([
  [['kv', 'pa'], ['patch']],
  [['status', '-o', 'n'], ['ndjson']],
  [
    ['issue', 'net', '--role', ''],
    ['edge', 'hub'],
  ],
])('the grammar: %j', async (words, expected) => {
  expect(await offered(...words)).toEqual(expected)
})

test.each([
  [
    ['ping', ''],
    ['hkg-1-a', 'nrt-2-a'],
  ],
  [['kv', 'get', 'c'], ['config/']],
  [['task', 'why', 'r'], ['rec-42']],
])('names from the daemon: %j', async (words, expected) => {
  expect(await offered(...words)).toEqual(expected)
})

test('without a daemon nothing is offered, and nothing is said', () => {
  const env = { ...environment(), CAUSEWAY_API: join(directory, 'none.sock') }
  expect(execFileSync(join(directory, 'causeway'), ['complete', '--', 'ping', ''], { env, encoding: 'utf8' })).toBe(':4\n')
})

test.each(['zsh', 'fish'])('there is one for %s', (shell) => {
  expect(execFileSync(join(directory, 'causeway'), ['completion', shell], { env: environment(), encoding: 'utf8' })).toContain(
    'causeway complete --',
  )
})
