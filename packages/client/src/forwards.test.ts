import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Causeway, connect } from './index.ts'
import { ScriptedDaemon } from './scripted-daemon.ts'

let daemon: ScriptedDaemon
let causeway: Causeway

beforeEach(async () => {
  daemon = await ScriptedDaemon.start()
  causeway = await connect({ api: daemon.api })
})

afterEach(() => daemon.stop())

test('forwards and services are asked for as the API names them', async () => {
  daemon.answer({ items: [{ id: 'tcp:[::1]:7001' }] })
  expect(await causeway.forwards.list()).toEqual([{ id: 'tcp:[::1]:7001' }])
  await causeway.forwards.services()
  await causeway.forwards.offersAt('nrt-2')
  await causeway.forwards.open({ listen: '7001', to: 'signal@nrt-2' })
  await causeway.forwards.remove('tcp:[::1]:7001')
  expect(daemon.seen).toEqual([
    'GET /v1/forwards',
    'GET /v1/services',
    'GET /v1/services/nrt-2',
    'POST /v1/forwards {"listen":"7001","to":"signal@nrt-2"}',
    'DELETE /v1/forwards/tcp%3A%5B%3A%3A1%5D%3A7001',
  ])
})

test('a forward that is followed lasts as long as it is read', async () => {
  const closed = Promise.withResolvers<void>()
  daemon.handle = (_request, response) => {
    response.on('close', closed.resolve)
    response.write('{"id":"tcp:127.0.0.1:7001"}\n{"at":1,"name":"forward-failed","data":{"reason":"nobody"}}\n')
  }
  const items: unknown[] = []
  for await (const item of causeway.forwards.follow({ listen: '7001', to: 'signal@nrt-2', proto: 'udp' })) {
    items.push(item)
    if (items.length === 2) break
  }
  await closed.promise
  expect(items).toMatchObject([{ id: 'tcp:127.0.0.1:7001' }, { name: 'forward-failed' }])
  expect(daemon.seen).toEqual(['POST /v1/forwards?follow=true {"listen":"7001","to":"signal@nrt-2","proto":"udp"}'])
})
