import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LIMITS } from '@causeway/protocol'
import { createNetwork, issueCredential } from './authority.ts'
import { type DaemonConfig, checkConfig, expandInterest, loadConfig } from './config.ts'

describe('config', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-config-'))
  })
  afterEach(() => {
    rmSync(directory, { recursive: true })
  })

  function load(text: string): DaemonConfig {
    const path = join(directory, 'node.yaml')
    writeFileSync(path, text)
    return loadConfig(path)
  }

  const MINIMAL = 'role: edge\ncredential: ./n.cred\n'

  it('has the documented defaults, and paths relative to the file', () => {
    expect(load(MINIMAL)).toEqual({
      path: join(directory, 'node.yaml'),
      role: 'edge',
      credential: join(directory, 'n.cred'),
      dataDir: join(directory, 'data'),
      listen: { tcp: { host: '0.0.0.0', port: 7400 }, udp: { host: '0.0.0.0', port: 7400 }, stream: { host: '0.0.0.0', port: 7401 } },
      apiSocket: join(directory, 'causeway.sock'),
      apiHttp: null,
      apiMetrics: null,
      bind: [],
      announce: [],
      hubs: [],
      peers: [],
      uplinks: 4,
      parents: [],
      forwarding: { services: [], forwards: [], socks: null },
      interest: ['config/**', 'tasks/{site}', 'nodes/{region}/**'],
      strictCollections: [],
      leases: null,
      stampReflector: null,
      vitals: { system: true, thresholds: {} },
      limits: LIMITS,
    })
  })

  it('reads everything this version acts on', () => {
    const config = load(
      `${MINIMAL}dataDir: /var/lib/causeway\nlisten: {tcp: "[::]:0", udp: null}\nhubs: ["core-1.example:7400", "[fd00::1]:7400"]\npeers: ["10.0.0.2:7400"]\nuplinks: 2\nstate: {interest: ["a/**"]}\nlimits: {channelDeadMs: 5000}\n`,
    )
    expect(config).toMatchObject({
      dataDir: '/var/lib/causeway',
      listen: { tcp: { host: '::', port: 0 }, udp: null },
      hubs: ['core-1.example:7400', '[fd00::1]:7400'],
      peers: ['10.0.0.2:7400'],
      uplinks: 2,
      interest: ['a/**'],
      limits: { ...LIMITS, channelDeadMs: 5000 },
    })
    expect(load(`${MINIMAL}api: {http: "127.0.0.1:7480"}`).apiHttp).toEqual({ host: '127.0.0.1', port: 7480 })
    expect(load(`${MINIMAL}api: {metrics: "[::1]:9464"}`).apiMetrics).toEqual({ host: '::1', port: 9464 })
    expect(load(`${MINIMAL}vitals: {system: false, thresholds: {cpu: 0}}`).vitals).toEqual({ system: false, thresholds: { cpu: 0 } })
    expect(load(`${MINIMAL}probe: {stampReflector: "0.0.0.0:862"}`).stampReflector).toEqual({ host: '0.0.0.0', port: 862 })
    expect(load(`${MINIMAL}listen: {tcp: "127.0.0.1:1"}`).listen.udp).toEqual({ host: '127.0.0.1', port: 1 })
    expect(load(`${MINIMAL}listen: {tcp: "127.0.0.1:1"}`).listen.stream, 'any').toEqual({ host: '127.0.0.1', port: 0 })
    expect(load(`${MINIMAL}listen: {stream: "0.0.0.0:9999"}`).listen.stream).toEqual({ host: '0.0.0.0', port: 9999 })
    expect(load(`${MINIMAL}listen: {stream: null}`).listen.stream).toBeNull()
  })

  it('reads what is to be forwarded, with a bare port on loopback', () => {
    const written = `${MINIMAL}services: [{name: signal, tcp: "127.0.0.1:9000", allow: ["site=hkg-*"], rate: 1000000}, {name: signal, udp: "db:53"}]
forwards: [{listen: 7001, to: signal@nrt-2}, {listen: "0.0.0.0:7001", to: signal@nrt-2/nrt-2-a, proto: udp, class: twin, idleSeconds: 5}]
socks: "1080"
`
    const [signal, dns] = [
      { name: 'signal', tcp: { host: '127.0.0.1', port: 9000 }, allow: ['site=hkg-*'], rate: 1_000_000 },
      { name: 'signal', udp: { host: 'db', port: 53 } },
    ].map((service) => ({ ...service, proxyProtocol: false, idleSeconds: 60 }))
    const to = { service: 'signal', site: 'nrt-2', node: null }
    expect(load(written).forwarding).toEqual({
      services: [signal, dns],
      forwards: [
        { listen: { host: '127.0.0.1', port: 7001 }, to, proto: 'tcp', class: 'latest', idleSeconds: 60 },
        { listen: { host: '0.0.0.0', port: 7001 }, to: { ...to, node: 'nrt-2-a' }, proto: 'udp', class: 'twin', idleSeconds: 5 },
      ],
      socks: { host: '127.0.0.1', port: 1080 },
    })
  })

  it('reads who grants tasks; a hub must be able to reach etcd, an edge node need not', () => {
    expect(load(`${MINIMAL}leases: {engine: embedded, hub: core-1}\n`).leases).toEqual({ engine: 'embedded', hub: 'core-1' })
    expect(load(`${MINIMAL}leases: {engine: etcd}\n`).leases).toEqual({ engine: 'etcd', endpoints: [] })
    expect(() => load(`${MINIMAL}parents: ["core-1:7400"]\n`)).toThrow('node.yaml:3: parents: only a hub has any')
    const strict = 'collections: {locks: {strict: true}, notes: {}}\n'
    expect(load(`${MINIMAL}${strict}leases: {engine: embedded, hub: core-1}\n`).strictCollections).toEqual(['locks'])
    expect(() => load(`${MINIMAL}${strict}`)).toThrow('node.yaml:3: collections.locks: nobody grants strict writes')
    const hub = 'role: hub\ncredential: ./n.cred\nleases: {engine: etcd'
    expect(load(`${hub}, endpoints: ["https://etcd-1:2379"]}\n`).leases).toMatchObject({ endpoints: ['https://etcd-1:2379'] })
    expect(() => load(`${hub}}\n`)).toThrow('node.yaml:3: leases.endpoints: a hub needs them')
  })

  it('accepts keys of later versions when they are empty', () => {
    load(
      `${MINIMAL}services: []\nforwards: []\nsocks: null\nleases: null\nparents: []\nannounce: []\nprobe: {stampReflector: null}\napi: {http: null, dashboard: null, metrics: null}\n`,
    )
  })

  it.each([['api:\n  dashboard: "127.0.0.1:9"', 4, 'api.dashboard']])('refuses %s, which it could only ignore', (text, line, key) => {
    expect(() => load(MINIMAL + text)).toThrow(
      expect.objectContaining({
        code: 'config-invalid',
        message: `${join(directory, 'node.yaml')}:${line}: ${key}: is not supported by this version yet; leave it out`,
      }),
    )
  })

  it.each([
    ['role: router\ncredential: c', 'node.yaml:1: role: expected edge or hub, got "router"', ''],
    ['role: edge', 'credential: is required', ''],
    [`${MINIMAL}uplink: 3`, 'node.yaml:3: unknown key uplink', 'did you mean uplinks?'],
    [`${MINIMAL}listen:\n  tpc: "0.0.0.0:1"`, 'node.yaml:4: unknown key listen.tpc', 'did you mean tcp?'],
    [`${MINIMAL}limits: {chanelDeadMs: 1}`, 'unknown key limits.chanelDeadMs', 'did you mean channelDeadMs?'],
    [`${MINIMAL}limits: {channelDeadMs: 5}`, 'node.yaml:3: limits.channelDeadMs: Too small: expected number to be >=1000, got 5', ''],
    [
      `${MINIMAL}limits:\n  recordBytesMax: 3000000`,
      'limits.messageBytesMax: expected at least 6262144, got 4194304: it must hold a batch of records of 3000000 (recordBytesMax)',
      '',
    ],
    [`${MINIMAL}limits: {segmentBytesMax: 65536}`, 'limits.frameBytesMax: expected at least 66560, got 65536', ''],
    [`${MINIMAL}uplinks: many`, 'node.yaml:3: uplinks: expected number, got "many"', ''],
    [`${MINIMAL}hubs: ["10.0.0.1"]`, 'node.yaml:3: hubs.0: expected host:port', ''],
    [`${MINIMAL}bind: ["10.0.0.1", "eth0"]`, 'node.yaml:3: bind.1: expected an IP address of this machine', ''],
    [`${MINIMAL}listen: {tcp: "example.org:1"}`, 'listen.tcp: expected an IP address', ''],
    [
      `${MINIMAL}api:\n  metrics: "localhost:9464"`,
      'node.yaml:4: api.metrics: expected an IP address of this machine and a port',
      'correct it',
    ],
    [`${MINIMAL}api:\n  http: "0.0.0.0:7480"`, 'node.yaml:4: api.http: expected a loopback address', ''],
    [`${MINIMAL}api:\n  http: "localhost:7480"`, 'node.yaml:4: api.http: expected an IP address of this machine and a port', ''],
    [`${MINIMAL}vitals: {thresholds: {cpu: -1}}`, 'node.yaml:3: vitals.thresholds.cpu: ', ''],
    [`${MINIMAL}vitals: {thresholds: {"a b": 1}}`, 'node.yaml:3: vitals.thresholds.a b: ', ''],
    [`${MINIMAL}services: [{name: a.b, tcp: "127.0.0.1:1"}]`, 'services.0.name: expected lower-case letters', ''],
    [`${MINIMAL}services: [{name: a}]`, 'services.0: a service has either tcp or udp', 'correct it'],
    [`${MINIMAL}services: [{name: a, tcp: "127.0.0.1:1", udp: "127.0.0.1:1"}]`, 'services.0: a service has either tcp or udp', ''],
    [`${MINIMAL}services: [{name: a, udp: "127.0.0.1:1", proxyProtocol: true}]`, 'the PROXY protocol is for tcp only', ''],
    [`${MINIMAL}services: [{name: a, tcp: "127.0.0.1:1", alow: []}]`, 'unknown key services.0.alow', 'did you mean allow?'],
    [`${MINIMAL}services: [{name: a, tcp: "127.0.0.1:1", allow: [hkg-1]}]`, 'services.0.allow.0: expected conditions like site=', ''],
    [`${MINIMAL}services: [{name: a, tcp: "b:1"}, {name: a, tcp: "c:1"}]`, 'services.1.name: tcp/a is there twice', ''],
    [
      `${MINIMAL}forwards:\n  - {listen: 7001, to: a@b}\n  - {listen: 7001, to: c@d}`,
      'node.yaml:5: forwards.1.listen: tcp:127.0.0.1:7001 is there',
      '',
    ],
    [`${MINIMAL}forwards: [{listen: 7001, to: signal}]`, 'forwards.0.to: expected SERVICE@SITE', ''],
    [`${MINIMAL}forwards: [{listen: "db:7001", to: a@b}]`, 'forwards.0.listen: expected a port, or an IP address', ''],
    [`${MINIMAL}leases: {engine: zookeeper}`, 'node.yaml:3: leases', ''],
    [`${MINIMAL}leases: {engine: embedded}`, 'node.yaml:3: leases.hub: is required', ''],
    [`${MINIMAL}leases: {engine: embedded, hub: core-1, endpoints: []}`, 'node.yaml:3: unknown key leases.endpoints', 'remove it'],
    [`${MINIMAL}leases: {engine: etcd, endpoints: ["10.0.0.9:2379"]}`, 'for instance http://10.0.0.9:2379', ''],
    [`${MINIMAL}socks: [1]`, 'node.yaml:3: socks', ''],
    [`${MINIMAL}foo: 1`, 'node.yaml:3: unknown key foo', 'remove it'],
    [`${MINIMAL}collections: {locks: {strikt: true}}`, 'node.yaml:3: unknown key collections.locks.strikt', 'did you mean strict?'],
    [`${MINIMAL}hubs: [core-1]`, 'node.yaml:3: hubs.0: expected host:port (IPv6 in brackets), got "core-1"', ''],
    [`${MINIMAL}state: {interest: ["a/**", "Config/x"]}`, 'node.yaml:3: state.interest.1: expected a pattern over', 'correct it'],
    [`${MINIMAL}state: {interest: [config]}`, 'got "config"', ''],
    [`${MINIMAL}state: {interest: ["a/**b"]}`, 'got "a/**b"', ''],
    [`${MINIMAL}state: {interest: ["tasks/{sight}"]}`, 'got "tasks/{sight}"', ''],
    [`${MINIMAL}forwards: [{listen: 7001, to: a@b, class: twin}]`, 'forwards.0.class: `twin` is for datagrams: set proto: udp', ''],
    [`${MINIMAL}hubs: [a`, 'node.yaml:3: it is not YAML', 'correct that line'],
    ['- a list', 'the config: expected object', ''],
    ['', 'role: is required', ''],
  ])('refuses %j', (text, message, remedy) => {
    expect(() => load(text)).toThrow(
      expect.objectContaining({
        code: 'config-invalid',
        message: expect.stringContaining(message),
        remedy: expect.stringContaining(remedy),
      }),
    )
  })

  it('checks the credential too, and that it has the same role', () => {
    createNetwork(directory, 'net')
    issueCredential(directory, { name: 'n', site: 'hkg-1', region: 'apac', role: 'edge', out: join(directory, 'n.cred') })
    const { path } = load(MINIMAL)
    const { config, credential } = checkConfig(path)
    expect(expandInterest(config, credential)).toEqual(['*/hkg-1', '*/hkg-1/**', 'hubs/*', 'config/**', 'tasks/hkg-1', 'nodes/apac/**'])
    const ofHub = (more: Partial<DaemonConfig>) => expandInterest({ ...config, interest: ['a/b'], ...more }, { ...credential, role: 'hub' })
    expect(ofHub({})).toEqual(['**', 'a/b'])
    expect(ofHub({ parents: ['core-1:7400'] })).toEqual(['nodes/**', 'members/**', 'services/**', 'hubs/*', 'a/b'])
    expect(ofHub({ parents: ['core-1:7400'], leases: { engine: 'etcd', endpoints: [] } })).toEqual(['**', 'a/b'])
    load(`${MINIMAL}\napi: {socket: ./${'x'.repeat(120)}.sock}`)
    expect(() => checkConfig(path)).toThrow(expect.objectContaining({ message: expect.stringContaining('too long for a socket') }))
    load(MINIMAL.replace('edge', 'hub'))
    expect(() => checkConfig(path)).toThrow(
      expect.objectContaining({ code: 'config-invalid', message: expect.stringContaining('issued for role edge') }),
    )
  })
})
