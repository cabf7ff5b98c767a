import { expect, test } from 'vitest'
import type { Offer } from './offers.ts'
import { ServiceDirectory, type Surroundings } from './service-directory.ts'

const SITE = { service: 'signal', site: 'nrt-2', node: null }

function offers(...nodes: readonly string[]): Offer[] {
  return nodes.map((node) => ({ protocol: 'tcp', service: 'signal', node }))
}

/** A node that holds nothing, and asks somebody who is scripted. */
function directory(
  script: Partial<Surroundings> & { readonly answer?: () => Promise<readonly Offer[]> },
): ServiceDirectory & { asked: number } {
  const { answer = async () => offers('a', 'b'), ...rest } = script
  const made = new ServiceDirectory({
    self: 'me',
    offersHere: () => undefined,
    askOffers: () => {
      counted.asked++
      return answer()
    },
    costTo: () => 10,
    ...rest,
  })
  const counted = Object.assign(made, { asked: 0 })
  return counted
}

test('a node that is named is not looked up', async () => {
  const known = directory({})
  expect(await known.nodesFor({ ...SITE, node: 'nrt-2-x' }, 'tcp')).toEqual(['nrt-2-x'])
  expect(known.asked).toBe(0)
})

test('this node first, then the cheapest path, and last what failed', async () => {
  const costs = new Map([
    ['far', 90],
    ['near', 10],
    ['nowhere', null],
  ])
  const known = directory({ answer: async () => offers('nowhere', 'far', 'me', 'near'), costTo: (node) => costs.get(node) ?? null })
  expect(await known.nodesFor(SITE, 'tcp')).toEqual(['me', 'near', 'far', 'nowhere'])
  known.failed('me')
  known.failed('near')
  expect(await known.nodesFor(SITE, 'tcp')).toEqual(['far', 'nowhere', 'me', 'near'])
  known.worked('near')
  expect(await known.nodesFor(SITE, 'tcp')).toEqual(['near', 'far', 'nowhere', 'me'])
})

test('equals are shared out among those who ask', async () => {
  const firsts = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => (await directory({ self: `edge-${index}` }).nodesFor(SITE, 'tcp'))[0]),
  )
  const ofA = firsts.filter((node) => node === 'a').length
  expect(ofA).toBeGreaterThan(5)
  expect(ofA).toBeLessThan(35)
})

test('however many look for a site at once, it is asked for once', async () => {
  const known = directory({})
  await Promise.all(Array.from({ length: 100 }, () => known.nodesFor(SITE, 'tcp')))
  await known.nodesFor(SITE, 'tcp')
  expect(known.asked).toBe(1)
})

test('what a node holds itself is not asked for', async () => {
  const known = directory({ offersHere: () => offers('c') })
  expect(await known.nodesFor(SITE, 'tcp', true)).toEqual(['c'])
  expect(known.asked).toBe(0)
})

test('a service that nobody offers is not found, over that protocol', async () => {
  const known = directory({})
  await expect(known.nodesFor({ ...SITE, service: 'audio' }, 'tcp')).rejects.toMatchObject({ code: 'not-found' })
  await expect(known.nodesFor(SITE, 'udp')).rejects.toMatchObject({ code: 'not-found', message: expect.stringContaining('udp') as string })
})

test('nobody to ask is a fault, which is not remembered', async () => {
  const answers = [Promise.reject(new Error('no hub')), Promise.resolve(offers('a'))]
  const known = directory({ answer: () => answers.shift() ?? Promise.reject(new Error('asked too often')) })
  await expect(known.nodesFor(SITE, 'tcp')).rejects.toThrow('no hub')
  expect(await known.nodesFor(SITE, 'tcp')).toEqual(['a'])
})
