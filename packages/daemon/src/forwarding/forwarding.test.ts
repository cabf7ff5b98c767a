/** Services and forwards that change while they run. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ForwardingLab, dial, forwardTo, refusalAt, restOf, service } from './forwarding-lab.ts'

let lab: ForwardingLab
beforeEach(() => {
  lab = new ForwardingLab()
})
afterEach(() => lab.close())

function saying(word: string): (socket: Socket) => void {
  return (socket) => socket.end(word)
}

async function heardAt(address: string): Promise<string> {
  const client = await dial(address)
  client.end()
  return String(await restOf(client))
}

/** An address that is free now. */
async function freeAddress(): Promise<string> {
  const probe = new ForwardingLab()
  const address = await probe.server(() => {})
  await probe.close()
  return address
}

test('forwards come, lead elsewhere, and go; what is open goes on', async () => {
  const echo = await lab.server((socket) => socket.pipe(socket))
  await lab.node('nrt-2-a', {
    services: [
      { name: 'one', tcp: echo },
      { name: 'two', tcp: await lab.server(saying('two')) },
    ],
  })
  const { forwarding } = await lab.node('hkg-1-a')
  const listen = await freeAddress()
  expect(await forwarding.change({ services: [], forwards: [forwardTo('one@nrt-2', { listen })], socks: null })).toEqual([
    `forward tcp:${listen} → one@nrt-2 added`,
  ])
  const open = await dial(listen)
  open.write('a')
  await once(open, 'data')

  expect(await forwarding.change({ services: [], forwards: [forwardTo('two@nrt-2', { listen })], socks: null })).toEqual([
    `forward tcp:${listen} → one@nrt-2 now tcp:${listen} → two@nrt-2`,
  ])
  expect(await heardAt(listen)).toBe('two')
  expect(await forwarding.change({ services: [], forwards: [], socks: null })).toEqual([`forward tcp:${listen} → two@nrt-2 removed`])
  await expect(dial(listen)).rejects.toMatchObject({ code: 'ECONNREFUSED' })

  open.end('b')
  expect(String(await restOf(open))).toBe('b')
  expect(forwarding.forwards()).toEqual([])
})

test('services come, change and go, and others learn of it', async () => {
  const far = await lab.node('nrt-2-a')
  const near = await lab.node('nrt-2-b')
  const [one, two] = [await lab.server(saying('one')), await lab.server(saying('two'))]
  const offer = (...services: ReturnType<typeof service>[]): Promise<string[]> =>
    far.forwarding.change({ services, forwards: [], socks: null })
  expect(await offer(service('word', one))).toEqual(['service tcp/word added'])
  const { listen } = await near.forwarding.open(forwardTo('word@nrt-2'))
  expect(await heardAt(listen)).toBe('one')
  expect(await offer(service('word', two))).toEqual(['service tcp/word changed'])
  expect(await heardAt(listen)).toBe('two')
  expect(await offer(service('word', two))).toEqual([])
  expect(await offer(service('word', two, { allow: ['site=lhr-1'] }))).toEqual(['service tcp/word changed'])
  expect(await refusalAt(listen)).toBe('ECONNRESET')
  expect(await near.forwarding.offersAt('nrt-2')).toEqual([{ service: 'word', protocol: 'tcp', node: 'nrt-2-a', site: 'nrt-2' }])
  expect(await offer()).toEqual(['service tcp/word removed'])
  expect(await near.forwarding.offersAt('nrt-2')).toEqual([])
})

test('a change that cannot be made whole changes nothing', async () => {
  await lab.node('nrt-2-a', { services: [{ name: 'word', tcp: await lab.server(saying('word')) }] })
  const { forwarding } = await lab.node('hkg-1-a')
  const [kept, added] = [await freeAddress(), await freeAddress()]
  const taken = await lab.server(() => {})
  await forwarding.change({ services: [], forwards: [forwardTo('word@nrt-2', { listen: kept })], socks: null })
  const forwards = [forwardTo('word@nrt-2', { listen: added }), forwardTo('word@nrt-2', { listen: taken })]
  await expect(forwarding.change({ services: [], forwards, socks: null })).rejects.toMatchObject({
    code: 'port-in-use',
    message: `TCP ${taken} is in use`,
  })
  expect(await heardAt(kept)).toBe('word')
  await expect(dial(added)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('what a program has asked for is its own', async () => {
  await lab.node('nrt-2-a', { services: [{ name: 'word', tcp: await lab.server(saying('word')) }] })
  const { forwarding, events } = await lab.node('hkg-1-a', { forwards: [{ listen: await freeAddress(), to: 'word@nrt-2' }] })
  const { id, listen, origin } = await forwarding.open(forwardTo('word@nrt-2'))
  expect(origin).toBe('request')
  await forwarding.change({ services: [], forwards: [], socks: null })
  expect(await heardAt(listen)).toBe('word')
  await expect(forwarding.open(forwardTo('word@nrt-2', { listen }))).rejects.toMatchObject({ code: 'port-in-use' })
  forwarding.remove(id)
  await expect(dial(listen)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  expect(() => forwarding.remove(id)).toThrow(`there is no forward ${id}`)
  expect(events.map(({ name }) => name)).toEqual(['forward-added', 'forward-removed'])
})

test('a forward of the config is not removed by hand', async () => {
  const { forwarding } = await lab.node('hkg-1-a')
  const listen = await freeAddress()
  await forwarding.change({ services: [], forwards: [forwardTo('word@nrt-2', { listen })], socks: null })
  expect(() => forwarding.remove(`tcp:${listen}`)).toThrow('is from the config')
})
