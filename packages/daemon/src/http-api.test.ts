import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startHttpApi } from './http-api.ts'
import type { HttpServer } from './http-server.ts'

const log = pino({ level: 'silent' })
const LISTEN = { host: '127.0.0.1', port: 0 }

describe('the API over HTTP', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cw-http-'))
  const tokenFile = join(directory, 'data', 'api.token')
  let server: HttpServer

  beforeEach(async () => {
    const api = new Hono()
    api.get('/v1/status', (context) => context.json({ node: 'hkg-1-a' }))
    server = await startHttpApi(api, { listen: LISTEN, tokenFile, log })
  })
  afterEach(async () => {
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  test('makes a token that only its owner can read, and keeps it', async () => {
    const token = readFileSync(tokenFile, 'utf8')
    expect(statSync(tokenFile).mode & 0o777).toBe(0o600)
    await server.stop()
    server = await startHttpApi(new Hono(), { listen: LISTEN, tokenFile, log })
    expect(readFileSync(tokenFile, 'utf8')).toBe(token)
  })

  test('says so if others can read its token', async () => {
    await server.stop()
    chmodSync(tokenFile, 0o644)
    const lines: string[] = []
    server = await startHttpApi(new Hono(), { listen: LISTEN, tokenFile, log: pino({}, { write: (line) => void lines.push(line) }) })
    expect(lines.join()).toContain(`run chmod 600 ${tokenFile}`)
  })

  test('answers who has it, and nobody else', async () => {
    const token = readFileSync(tokenFile, 'utf8').trim()
    const api = `http://${server.address}`
    const answer = await fetch(`${api}/v1/status`, { headers: { authorization: `Bearer ${token}` } })
    expect(await answer.json()).toEqual({ node: 'hkg-1-a' })
    for (const authorization of [undefined, 'Bearer', `Bearer ${token}x`, `Basic ${token}`, `Bearer ${token.slice(1)}`]) {
      for (const path of ['/v1/status', '/nowhere']) {
        const response = await fetch(`${api}${path}`, { headers: authorization === undefined ? {} : { authorization } })
        expect(response.status).toBe(401)
        expect(response.headers.get('www-authenticate')).toBe('Bearer')
        const text = await response.text()
        expect(JSON.parse(text)).toMatchObject({ status: 401, code: 'refused', remedy: expect.stringContaining(tokenFile) })
        expect(text).not.toContain(token)
      }
    }
  })

  test('refuses a token file that holds none, and a port that is taken', async () => {
    const [, port] = server.address.split(':')
    await expect(startHttpApi(new Hono(), { listen: { ...LISTEN, port: Number(port) }, tokenFile, log })).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringContaining('api.http'),
    })
    writeFileSync(tokenFile, 'short\n')
    expect(() => startHttpApi(new Hono(), { listen: LISTEN, tokenFile, log })).toThrow('holds no token')
  })
})
