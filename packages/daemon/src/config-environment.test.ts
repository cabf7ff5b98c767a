import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadConfig } from './config.ts'
import { type Environment, overridesOf, takesText, variableOf, withOverrides } from './config-environment.ts'
import { configKeys } from './config-keys.ts'

const directory = mkdtempSync(join(tmpdir(), 'causeway-environment-'))
afterAll(() => rmSync(directory, { recursive: true }))

function load(text: string, environment: Environment) {
  const path = join(directory, 'node.yaml')
  writeFileSync(path, text)
  return loadConfig(path, environment)
}

const MINIMAL = 'role: edge\ncredential: ./n.cred\n'

describe('the environment', () => {
  it('stands over the file, also for keys of sections that the file does not have', () => {
    const environment = {
      CAUSEWAY_API_SOCKET: '/run/causeway.sock',
      CAUSEWAY_DATA_DIR: '/var/lib/causeway',
      CAUSEWAY_HUBS: '10.0.0.1:7400, 10.0.0.2:7400',
      CAUSEWAY_UPLINKS: '2',
      CAUSEWAY_VITALS_SYSTEM: 'false',
      CAUSEWAY_LISTEN_UDP: 'null',
      CAUSEWAY_LIMITS_CHANNEL_DEAD_MS: '30000',
      CAUSEWAY_LEASES_ENGINE: 'embedded',
      CAUSEWAY_LEASES_HUB: 'core-1',
      CAUSEWAY_SOCKS: '1080',
    }
    const config = load(
      `${MINIMAL}dataDir: ./elsewhere\nuplinks: 3\nhubs: ["192.0.2.1:7400"]\napi: {metrics: "127.0.0.1:9464"}\n`,
      environment,
    )
    expect(config).toMatchObject({
      apiSocket: '/run/causeway.sock',
      apiMetrics: { host: '127.0.0.1', port: 9464 },
      dataDir: '/var/lib/causeway',
      hubs: ['10.0.0.1:7400', '10.0.0.2:7400'],
      uplinks: 2,
      vitals: { system: false },
      listen: { udp: null },
      limits: { channelDeadMs: 30_000 },
      leases: { engine: 'embedded', hub: 'core-1' },
      forwarding: { socks: { host: '127.0.0.1', port: 1080 } },
    })
  })

  it('may give everything, over an empty file', () => {
    expect(load('', { CAUSEWAY_ROLE: 'hub', CAUSEWAY_CREDENTIAL: 'c' })).toMatchObject({ role: 'hub', credential: join(directory, 'c') })
  })

  it('is checked like the file, and named in the fault', () => {
    const fault = (message: string, remedy: string): unknown =>
      expect.objectContaining({
        code: 'config-invalid',
        message: expect.stringContaining(message),
        remedy: expect.stringContaining(remedy),
      })
    expect(() => load(MINIMAL, { CAUSEWAY_UPLINKS: 'four' })).toThrow(fault('CAUSEWAY_UPLINKS: expected number, got "four"', 'correct'))
    expect(() => load(MINIMAL, { CAUSEWAY_ROLE: 'router' })).toThrow(fault('CAUSEWAY_ROLE: expected edge or hub, got "router"', 'correct'))
    expect(() => load(MINIMAL, { CAUSEWAY_API_HTTP: '0.0.0.0:1' })).toThrow(fault('CAUSEWAY_API_HTTP: expected a loopback', 'correct'))
    const meant = 'did you mean CAUSEWAY_UPLINKS?'
    expect(() => load(MINIMAL, { CAUSEWAY_UPLINK: '1' })).toThrow(fault('CAUSEWAY_UPLINK in the environment names no key', meant))
    expect(() => load(MINIMAL, { CAUSEWAY_SERVICES: '[]' })).toThrow(fault('CAUSEWAY_SERVICES in the environment names no key', 'unset it'))
  })

  it('leaves alone what others read, what is empty, and the file', () => {
    const others = [
      'API',
      'TOKEN',
      'TOKEN_FILE',
      'DEBUG',
      'TASK_ID',
      'SERVICE_HOST',
      'SERVICE_PORT_CONTROL',
      'PORT',
      'PORT_7400_TCP_ADDR',
      'HUB_SERVICE_HOST',
      'HUB_PORT',
      'HUB_PORT_7400_TCP',
    ]
    expect(
      overridesOf({ PATH: '/bin', CAUSEWAY_UPLINKS: '', ...Object.fromEntries(others.map((name) => [`CAUSEWAY_${name}`, 'x'])) }),
    ).toEqual([])
    const file = { api: { socket: 'a' } }
    expect(withOverrides(file, overridesOf({ CAUSEWAY_API_SOCKET: 'b' }))).toEqual({ api: { socket: 'b' } })
    expect(file).toEqual({ api: { socket: 'a' } })
  })

  it('has a variable of its own for every key but lists of sections', () => {
    const keys = configKeys()
    const variables = keys.filter(takesText).map(({ path }) => variableOf(path))
    expect(new Set(variables).size).toBe(variables.length)
    expect(keys.filter((key) => !takesText(key)).map(({ path }) => path.join('.'))).toEqual([
      ...['api.dashboard', 'services', 'forwards', 'collections', 'vitals.thresholds'],
    ])
    expect(variables.filter((name) => /_(?:API|TOKEN|DEBUG)$/.test(name))).toEqual([])
  })
})
