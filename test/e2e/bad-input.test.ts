/**
 * What people get wrong, and what they are told: one line on stderr that names the fault and the remedy, an exit code
 * that a script can branch on, and never a stack trace.
 */
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { EventView, StatusView } from '@causeway/protocol'
import { type Outcome, causeway } from './command-line.ts'
import { Deployment, type NodeSpec, succeeded } from './deployment.ts'
import { eventually } from './eventually.ts'

const ANSWER_NO = 1
const WRONG_USAGE = 2
const NO_DAEMON = 3

const HUB: NodeSpec = { name: 'core-1', role: 'hub', site: 'core' }
const EDGE: NodeSpec = { name: 'ams-1-a', role: 'edge', site: 'ams-1', hubs: ['core-1'], write: ['config/**'] }
/** Never got right. */
const VICTIM: NodeSpec = { name: 'bad-1', role: 'edge', site: 'bad-1', hubs: ['core-1'] }
/** Runs only until it has something to lose. */
const KEEPER: NodeSpec = { name: 'keeper-1', role: 'edge', site: 'keeper-1' }

const lab = new Deployment()

beforeAll(async () => {
  await lab.prepare('mynet', [HUB, EDGE, VICTIM, KEEPER])
  await lab.start('core-1')
  await lab.start('ams-1-a')
  await eventually('ams-1-a has its hub', async () => !(await lab.ask<StatusView>('ams-1-a', 'status')).cutOff)
})

afterAll(() => lab.close())

/** One line, "causeway: FAULT. REMEDY", and nothing else anywhere. */
function expectFault({ code, stdout, stderr }: Outcome, exitCode: number, says: RegExp): void {
  expect({ code, stdout }, stderr).toEqual({ code: exitCode, stdout: '' })
  expect(stderr).toMatch(/^causeway: .+[.!?] [A-Z].+[.!?]\n$/)
  expect(stderr).toMatch(says)
}

/** What is changed in the good config of the victim: some text for another, or a line that is added. */
type Change = string | readonly [from: string, to: string]

function runWith(change: Change): Promise<Outcome> {
  const good = lab.config(VICTIM)
  if (typeof change !== 'string') expect(good).toContain(change[0])
  lab.write('bad-1.yaml', typeof change === 'string' ? `${good}${change}\n` : good.replace(...change))
  return lab.causeway('run', '--config', 'bad-1.yaml')
}

describe('a config', () => {
  const table: readonly (readonly [title: string, change: Change, says: RegExp])[] = [
    ['with an unknown key: the nearest one is named', 'dataDirr: ./x', /bad-1\.yaml:9: unknown key dataDirr\. Did you mean dataDir\?/],
    ['with an unknown key inside a section', ['{tcp:', '{tpc:'], /bad-1\.yaml:4: unknown key listen\.tpc\. Did you mean tcp\?/],
    ['with a wrong type', 'uplinks: four', /bad-1\.yaml:9: uplinks: expected number, got "four"\./],
    ['with a value that is no choice', ['role: edge', 'role: egde'], /:1: role: expected edge or hub, got "egde"\./],
    ['with an address that lacks its port', ['hubs: [', 'hubs: ["core-1", '], /:6: hubs\.0: expected host:port/],
    [
      'with what this version cannot do',
      ['{socket:', '{dashboard: 1, socket:'],
      /:5: api\.dashboard: is not supported by this version yet/,
    ],
    ['that is not YAML', 'uplinks: [4', /bad-1\.yaml:\d+: it is not YAML: .+ Correct that line\./],
    ['for another role', ['role: edge', 'role: hub'], /role is hub, but \S+bad-1\.cred was issued for role edge\. Set role: edge/],
    ['without its credential', ['bad-1.cred', 'none.cred'], /the credential \S+none\.cred does not exist\. .+causeway issue/],
    ['with a file for dataDir', ['./bad-1.data', './bad-1.cred'], /bad-1\.cred is no directory: .+ Set dataDir to another path\./],
    ['with a file for socket', ['./bad-1.sock', './bad-1.cred'], /bad-1\.cred exists and is not a socket\. Set api\.socket/],
    ['with a dataDir that cannot be made', ['./bad-1.data', '/proc/none/data'], /\/proc\/none\/data is no directory: .+ Set dataDir/],
    ['with a socket below a file', ['./bad-1.sock', './bad-1.cred/x'], /cannot listen on \S+bad-1\.cred\/x: .+ Set api\.socket/],
    ['with a socket where none can be', ['./bad-1.sock', '/proc/none/x'], /cannot listen on \/proc\/none\/x: .+ Set api\.socket/],
    ['with the address of another machine', ['127.0.0.1:', '192.0.2.1:'], /cannot listen on TCP 192\.0\.2\.1:\d+: .+ Set listen\.tcp/],
  ]
  test.each(table)('%s', async (_title, change, says) => {
    expectFault(await runWith(change), WRONG_USAGE, says)
  })

  test('that does not exist', async () => {
    expectFault(
      await lab.causeway('run', '--config', 'none.yaml'),
      WRONG_USAGE,
      /none\.yaml does not exist\. Name the file with --config\./,
    )
  })

  test('is checked without being run', async () => {
    lab.write('bad-1.yaml', `${lab.config(VICTIM)}uplink: 2\n`)
    expectFault(await lab.causeway('run', '--check', '--config', 'bad-1.yaml'), WRONG_USAGE, /unknown key uplink\. Did you mean uplinks\?/)
  })
})

describe('what another process holds', () => {
  test('a TCP port', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const outcome = await runWith([lab.address('bad-1'), address])
    expectFault(outcome, ANSWER_NO, new RegExp(`TCP ${address} is in use\\. Stop .+listen\\.tcp\\.`))
  })

  test('a UDP port', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    onTestFinished(() => void socket.close())
    await once(socket, 'listening')
    const address = `127.0.0.1:${socket.address().port}`
    const outcome = await runWith([`{tcp: "${lab.address('bad-1')}"}`, `{tcp: "127.0.0.1:0", udp: "${address}"}`])
    expectFault(outcome, ANSWER_NO, new RegExp(`UDP ${address} is in use\\. Stop .+listen\\.udp\\.`))
  })

  test('a data directory', async () => {
    const outcome = await runWith(['./bad-1.data', './core-1.data'])
    expectFault(
      outcome,
      ANSWER_NO,
      new RegExp(`core-1\\.data is in use by process ${lab.pid('core-1')}\\. Stop that process, or .+dataDir`),
    )
  })

  test('a socket', async () => {
    const outcome = await runWith(['./bad-1.sock', './core-1.sock'])
    expectFault(outcome, ANSWER_NO, /another process listens on \S+core-1\.sock\. Stop that node, or set api\.socket/)
  })
})

describe('a credential', () => {
  const withCredential = (text: string): Promise<Outcome> => {
    lab.write('damaged.cred', text)
    return runWith(['bad-1.cred', 'damaged.cred'])
  }

  test('whose key is that of another', async () => {
    const key = /^privateKey: .*$/m
    const other = key.exec(readFileSync(lab.path('ams-1-a.cred'), 'utf8'))?.[0] ?? ''
    const outcome = await withCredential(readFileSync(lab.path('bad-1.cred'), 'utf8').replace(key, other))
    expectFault(
      outcome,
      WRONG_USAGE,
      /damaged\.cred is not valid: it shows the credential of bad-1 but does not hold its key\. Issue a new one/,
    )
  })

  test.each([
    [
      'cut off in the middle',
      (text: string) => text.slice(0, text.indexOf('authorityKey') + 30),
      /not a credential file: \S+ is missing or damaged\. Copy/,
    ],
    [
      'with a key that is too short',
      (text: string) => text.replace(/^privateKey: .*$/m, 'privateKey: AAAA'),
      /privateKey has 3 bytes instead of 32\. Copy/,
    ],
    [
      'that was tampered with',
      (text: string) => text.replace(/^(signature: .)(.)/m, (_, before: string, one: string) => before + (one === 'A' ? 'B' : 'A')),
      /not signed by the authority/,
    ],
    ['that is something else', () => 'hello', /damaged\.cred is not a credential file/],
  ])('%s', async (_title, damage, says) => {
    expectFault(await withCredential(damage(readFileSync(lab.path('bad-1.cred'), 'utf8'))), WRONG_USAGE, says)
  })

  test('that has expired', async () => {
    const place = ['--role', 'edge', '--name', 'late-1', '--site', 'bad-1', '--region', 'lab']
    succeeded(await lab.causeway('issue', 'mynet', ...place, '--expires', '0.001s', '--out', 'late-1.cred'))
    const outcome = await runWith(['bad-1.cred', 'late-1.cred'])
    expectFault(
      outcome,
      WRONG_USAGE,
      /the credential of late-1 has expired, 1 min ago by the clock that judges it\. Issue a new one .+ clock of this machine\./,
    )
  })

  test('of another network: each side says so once, however often it is tried, and it is tried ever more rarely', async () => {
    await lab.prepare('other', [{ ...VICTIM, name: 'stranger-1' }])
    const attempts: number[] = []
    const front = createServer((socket) => {
      attempts.push(performance.now())
      const hub = connect(Number(lab.address('core-1').split(':')[1]), '127.0.0.1')
      for (const [one, other] of [[socket, hub] as const, [hub, socket] as const]) one.on('error', () => other.destroy()).pipe(other)
    }).listen(0, '127.0.0.1')
    await once(front, 'listening')
    onTestFinished(() => void front.close())
    const address = `127.0.0.1:${(front.address() as AddressInfo).port}`
    lab.write('stranger-1.yaml', lab.config({ ...VICTIM, name: 'stranger-1' }).replace(lab.address('core-1'), address))
    await lab.start('stranger-1')
    await eventually('it has tried six times', () => attempts.length >= 6, 60_000)
    // At least 100 ms each, and up to 0.2, 0.4, 0.8 s more.
    expect((attempts[5] ?? 0) - (attempts[0] ?? 0)).toBeGreaterThan(400)
    const refusals = (name: string): string[] =>
      lab
        .log(name)
        .split('\n')
        .filter((line) => /"warn"|"level":40|refused/.test(line))
    for (const name of ['core-1', 'stranger-1']) {
      expect(refusals(name)).toEqual([expect.stringContaining('its credential was not signed by the authority of this network')])
    }
    expect(await lab.ask('stranger-1', 'status')).toMatchObject({ cutOff: true, links: 0, uplinks: [] })
    expect(await lab.end('stranger-1', 'SIGTERM')).toBe(0)
  })
})

describe('a store', () => {
  const STORE = 'keeper-1.data/store.mdb'
  let whole: Buffer

  beforeAll(async () => {
    await lab.start('keeper-1')
    await lab.at('keeper-1', 'kv', 'put', 'notes/a', '"needle-in-the-haystack"')
    await lab.end('keeper-1', 'SIGTERM')
    whole = readFileSync(lab.path(STORE))
  })

  /** Starts the node on that store, and tells what it says of it. */
  const startOn = async (content: Uint8Array): Promise<unknown> => {
    lab.write(STORE, content)
    await lab.start('keeper-1')
    const events = (await lab.at('keeper-1', 'events', '-o', 'ndjson')).trim().split('\n')
    return events.map((line) => JSON.parse(line) as EventView).find(({ name }) => name === 'store-repaired')?.data
  }

  test('that is something else is set aside, and the node begins anew', async () => {
    const garbage = Buffer.alloc(65_536, 'garbage ')
    const damage = expect.stringContaining('is not that of an LMDB file')
    expect(await startOn(garbage)).toMatchObject({ aside: 'store.mdb.damaged', kept: 0, damage })
    expect(lab.log('keeper-1')).toContain('the store was damaged')
    expect(await lab.ask('keeper-1', 'kv', 'list', 'notes')).toMatchObject({ items: [] })
    await lab.at('keeper-1', 'kv', 'put', 'notes/b', '1')
    await lab.end('keeper-1', 'SIGTERM')
    expect(readFileSync(lab.path(`${STORE}.damaged`))).toEqual(garbage)
  })

  test('in which one record is not what was written loses that one', async () => {
    const damaged = Buffer.from(whole)
    let found = 0
    for (let at = damaged.indexOf('needle-in'); at >= 0; at = damaged.indexOf('needle-in', at + 1), found++) damaged[at] = 0x4e
    expect(found).toBeGreaterThan(0)
    lab.write(STORE, damaged)
    const verdict = await lab.causeway('docs', 'verify', 'keeper-1.data')
    expect(verdict.code).toBe(1)
    expect(verdict.stdout).toMatch(/DAMAGED\n.*the checksum of "\S+" does not match/)
    expect(await startOn(damaged)).toMatchObject({ damage: expect.stringMatching(/the checksum of "\S+" does not match/) })
    expect((await lab.causeway('kv', 'get', 'notes/a', '--api', 'keeper-1.sock')).code).toBe(1)
    await lab.end('keeper-1', 'SIGTERM')
    expect((await lab.causeway('docs', 'verify', 'keeper-1.data')).code).toBe(0)
  })

  test('that is whole again is taken', async () => {
    lab.write(STORE, whole)
    await lab.start('keeper-1')
    expect(await lab.ask('keeper-1', 'kv', 'get', 'notes/a')).toMatchObject({ value: 'needle-in-the-haystack' })
    await lab.end('keeper-1', 'SIGKILL')
  })
})

describe.skipIf(process.platform !== 'linux')('a disk that is full', () => {
  /** A file that may not grow answers as a full disk does. */
  const limitFiles = (bytes: number | 'unlimited'): void => {
    const { status, stderr } = spawnSync('prlimit', ['--pid', String(lab.pid('keeper-1')), `--fsize=${bytes}:unlimited`], {
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    expect(status).toBe(0)
  }
  const put = (key: string, value: string): Promise<Outcome> =>
    causeway(['kv', 'put', `notes/${key}`, '-', '--api', 'keeper-1.sock'], { cwd: lab.directory, input: JSON.stringify(value) })

  test('refuses writes and serves reads, until there is room', async () => {
    await lab.start('keeper-1')
    succeeded(await put('small', 'before'))
    limitFiles(statSync(lab.path('keeper-1.data/store.mdb')).size)
    const large = 'a'.repeat(200_000)
    let refused: Outcome | undefined
    for (let turn = 0; turn < 20 && refused === undefined; turn++) {
      const outcome = await put(`large-${turn}`, large)
      if (outcome.code !== 0) refused = outcome
    }
    expectFault(
      refused ?? (await put('large', large)),
      ANSWER_NO,
      /the disk of \S+ is full: .+; this write may yet take effect.* Make room on it/,
    )
    expectFault(await put('small', 'meanwhile'), ANSWER_NO, /the disk of \S+ is full: .+\. Make room on it; reads go on/)
    expect(await lab.ask('keeper-1', 'kv', 'get', 'notes/small')).toMatchObject({ value: 'before' })
    expect(await lab.at('keeper-1', 'events')).toContain('store-full')
    expect(await lab.at('keeper-1', 'status')).toMatch(/^store +the disk of \S+ is full/m)
    limitFiles('unlimited')
    await eventually('writes are taken again', async () => (await put('small', 'after')).code === 0)
    expect(await lab.ask('keeper-1', 'kv', 'get', 'notes/small')).toMatchObject({ value: 'after' })
    expect(await lab.end('keeper-1', 'SIGTERM')).toBe(0)
    expect((await lab.causeway('docs', 'verify', 'keeper-1.data')).code).toBe(0)
  })
})

describe('a command', () => {
  test.each([
    ['frobnicate', /unknown command 'frobnicate'\. See "causeway --help"\./],
    ['stats', /unknown command 'stats'\. Did you mean status\?/],
    ['status --bogus', /unknown option '--bogus'\. See "causeway status --help"\./],
    ['kv putt config/a 1', /unknown command 'putt'\. Did you mean put\?/],
    ['kv put config/a', /missing required argument 'value'\./],
    ['kv get config', /"config" is not of the form COLLECTION\/KEY\. Write it like tasks\/rec-42\./],
    ['ping', /missing required argument 'to'\./],
    ['ping core-1 -c 0', /It must be a whole number from 1 to 1000000\./],
    ['ping core-1 -s 16385', /It must be a whole number from 8 to 16384\./],
    ['run', /required option '--config <file>' not specified\./],
    ['status --api ftp://x', /"ftp:\/\/x" is not an API address\. Give a socket path/],
    ['issue mynet --role edge --name A_B --site s --region r --out x.cred', /"A_B" is not a node name\. Use 1 to 63 lower-case/],
    [
      'issue nonet --role edge --name x --site s --region r --out x.cred',
      /not the file of a network\. Make a network first: causeway init DIR\./,
    ],
    [
      'issue mynet --role edge --name x --site s --region r --expires soon --out x.cred',
      /"soon" is not a duration\. Write a number and a unit/,
    ],
    ['init core-1.cred/net', /cannot make core-1\.cred\/net: .+ Choose a directory/],
    ['init core-1.cred', /cannot make core-1\.cred: .+ Choose a directory/],
    ['init /proc/none/net', /cannot make \/proc\/none\/net: .+ Choose a directory/],
    ['init /proc', /cannot write \/proc\/authority\.key: .+ Choose a directory/],
    ['backup core-1.data /proc/none/copy', /cannot write \/proc\/none\/copy: .+ Name a file/],
    ['backup core-1.data /proc/copy', /cannot write \/proc\/copy: .+ Name a file/],
    ['backup core-1.data core-1.cred/copy', /cannot write core-1\.cred\/copy: .+ Name a file/],
  ])('that is wrong: %s', async (line, says) => {
    expectFault(await lab.causeway(...line.split(' ')), WRONG_USAGE, says)
  })

  test.each([
    ['init mynet', /there is a network in mynet already\. Choose another directory\./],
    ['issue mynet --role edge --name bad-1 --site s --region r --out x.cred', /the name bad-1 was issued before\. Choose another name/],
  ])('that would overwrite: %s', async (line, says) => {
    expectFault(await lab.causeway(...line.split(' ')), ANSWER_NO, says)
  })

  test('to a daemon that is not there, or is no more', async () => {
    expectFault(await lab.causeway('status'), NO_DAEMON, /no daemon answers at \S+causeway\.sock\. Start it with "causeway run/)
    expectFault(await lab.causeway('kv', 'put', 'notes/a', '1', '--api', 'none.sock'), NO_DAEMON, /no daemon answers at \S+none\.sock\./)
    await lab.start('keeper-1')
    await lab.end('keeper-1', 'SIGKILL')
    expectFault(await lab.causeway('status', '--api', 'keeper-1.sock'), NO_DAEMON, /no daemon answers at \S+keeper-1\.sock\./)
  })
})

describe('a request', () => {
  const ask = (line: string, input = ''): Promise<Outcome> =>
    causeway([...line.split(' '), '--api', 'ams-1-a.sock'], { cwd: lab.directory, input })

  test('to write what the node may not', async () => {
    const outcome = await ask('kv put tasks/a 1 --partition hkg-1')
    expectFault(outcome, ANSWER_NO, /ams-1-a may not write tasks\/hkg-1\. Renew its credential with --write 'tasks\/hkg-1'\./)
  })

  test.each([
    ['kv put Config/a 1', /collection "Config" is not understood: expected lower-case letters/],
    ['kv get Config/a', /collection "Config" is not understood/],
    ['kv list Config', /collection "Config" is not understood/],
    ['kv watch Config', /collection "Config" is not understood/],
    ['kv get config/a --partition a//b', /partition=a\/\/b is not understood: expected one to four names/],
    ['kv put config/a 1 --partition A', /partition=A is not understood/],
    ['kv put documents/a 1', /documents holds shared documents, not records\. Use another collection\./],
    [`kv put config/${'a'.repeat(513)} 1`, /the key is not 1 to 512 characters long\. Use/],
    [`kv delete config/${'a'.repeat(513)} --strict`, /the key is not 1 to 512 characters long\. Use/],
    ['kv put config/a 1 --ttl 99999d', /a time to live of \d+ ms is out of range\. Use/],
    [`kv put config/a 1 --labels a=${'b'.repeat(513)}`, /the labels are longer than/],
    ['task get a/b', /id "a\/b" is not understood/],
    ['services A_B', /site "A_B" is not understood/],
  ])('that cannot be meant: %s', async (line, says) => {
    expectFault(await ask(line), WRONG_USAGE, says)
  })

  test('with a value that was meant to be JSON', async () => {
    expectFault(await ask('kv put config/a -', '{"rate": 100'), WRONG_USAGE, /the value is not JSON: .+ Correct it/)
    expectFault(await ask('kv put config/a [1,'), WRONG_USAGE, /the value is not JSON: .+ Correct it/)
  })

  test('with a record that is too large, or far too large', async () => {
    const large = 'a'.repeat(300_000)
    expectFault(
      await ask('kv put config/a - --partition global', large),
      ANSWER_NO,
      /the record has 300\d+ bytes, more than 262144\. Split it/,
    )
    expectFault(await ask('kv put config/a - --partition global', large.repeat(5)), WRONG_USAGE, /larger than 1048576 bytes\. Store/)
  })

  test('for a record that is not there, or is there already, or has changed', async () => {
    expectFault(await ask('kv get config/none'), ANSWER_NO, /no record config\/none here\. Check the key/)
    expectFault(await ask('kv update config/none 1'), ANSWER_NO, /none does not exist\. Use create or put/)
    expectFault(await ask('kv delete config/none'), ANSWER_NO, /none does not exist\. Check the key and the partition\./)
    succeeded(await ask('kv put config/some 1'))
    expectFault(await ask('kv create config/some 1'), ANSWER_NO, /some already exists, at revision \S+\. Use update or put/)
    expectFault(await ask('kv put config/some 2 --revision r1'), ANSWER_NO, /some is at revision \S+, not r1\. Read it again/)
  })

  test('for a node that does not exist', async () => {
    expectFault(
      await ask('ping nosuch -c 1 -t 30'),
      ANSWER_NO,
      /no way to nosuch is known to the network: no node of that name is connected\. See why: causeway paths nosuch\./,
    )
    expectFault(await ask('paths nosuch'), ANSWER_NO, /no way to nosuch is known here\. Check the name/)
    expectFault(await ask('ping ams-1-a'), ANSWER_NO, /a node does not ping itself\. Name another node\./)
  })
})
