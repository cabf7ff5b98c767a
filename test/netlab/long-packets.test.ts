/**
 * A link on which long packets vanish and nobody is told, as in a tunnel that takes fewer bytes than both ends think: the
 * probes of the link are answered. The node says what it may be, and what helps does help.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../e2e/eventually.ts'
import { Fleet } from './fleet.ts'
import { Lab, labMissing } from './lab.ts'

const LONGEST_BYTES = 1_300
/** Packed it takes many packets. */
const VALUE_BYTES = 60_000
const PATIENCE_MS = 60_000

const missing = labMissing()
if (missing !== undefined) process.stdout.write(`long packets are not tested: ${missing}\n`)

describe.skipIf(missing !== undefined)('a link that loses long packets', () => {
  let lab: Lab
  let fleet: Fleet

  beforeAll(async () => {
    lab = await Lab.up(['link a h1 delay=10'])
    fleet = new Fleet(lab)
    await fleet.start()
    await fleet.linkIs('a', 'h1', 'up', PATIENCE_MS)
  }, 120_000)

  afterAll(async () => {
    await fleet?.close()
    await lab?.down()
  })

  test(
    'says so when it falls, and carries everything once TCP may look for the length that passes',
    async () => {
      await lab.set('a-h1', { mtu: LONGEST_BYTES })
      const began = Date.now()
      await fleet.at('a').collection('config').put('long', randomBytes(VALUE_BYTES).toString('base64'), { partition: 'global' })
      const said = async (): Promise<boolean> => {
        const falls = (await fleet.events('a', began)).filter(({ name }) => name === 'link-down')
        return falls.some(({ data }) => String(data['reason']).includes('tcp_mtu_probing'))
      }
      await eventually('the node says what it may be', said, PATIENCE_MS)
      expect(await lab.swallowed('a-h1')).toBeGreaterThan(0)
      const arrived = async (): Promise<boolean> =>
        (await fleet.at('h1').collection('config').get('long', { partition: 'global' })) !== undefined
      expect(await arrived()).toBe(false)
      for (const host of lab.hosts) expect(lab.exec(host, ['sysctl', '-w', 'net.ipv4.tcp_mtu_probing=1']).code).toBe(0)
      await eventually('the record arrives', arrived, PATIENCE_MS)
    },
    3 * PATIENCE_MS,
  )
})
