/** Yggdrasil: the ends peer with all hubs over TCP, the hubs with each other. It has no settings that make it quicker. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Lab } from '../../../netlab/lab.ts'
import { type Carrier, overUdp } from '../carrier.ts'
import { isEnd } from '../topology.ts'
import { Overlay } from './overlay.ts'

const PORT = 7000
const START_MS = 6_000

export const YGGDRASIL: Carrier = {
  name: 'yggdrasil',
  mode: 'as shipped, TCP peerings',
  programs: { yggdrasil: 'yggdrasil' },
  restMs: 8_000,
  patienceMs: 20_000,
  start: async (lab, directory) => {
    const { addressOf, faults } = await startYggdrasil(lab, directory)
    return { ...overUdp(addressOf('a'), addressOf('b')), ...faults }
  },
}

export async function startYggdrasil(lab: Lab, directory: string): Promise<{ addressOf(host: string): string } & Pick<Overlay, 'faults'>> {
  const conf = (host: string): string => join(directory, `${host}.conf`)
  for (const [index, host] of lab.hosts.entries()) {
    const config = JSON.parse(execFileSync('yggdrasil', ['-genconf', '-json'], { encoding: 'utf8' })) as Record<string, unknown>
    // One end of each link dials: an end its hubs, of two hubs the one that was named first.
    const dialled = lab.neighbours(host).filter((peer) => isEnd(host) || (!isEnd(peer) && lab.hosts.indexOf(peer) > index))
    Object.assign(config, {
      IfName: 'ygg0',
      AdminListen: `unix://${join(directory, `${host}.sock`)}`,
      MulticastInterfaces: [],
      Peers: dialled.map((peer) => `tcp://${lab.address(peer, host)}:${PORT}`),
      Listen: [`tcp://0.0.0.0:${PORT}`],
    })
    writeFileSync(conf(host), JSON.stringify(config))
  }
  const { faults } = new Overlay(lab, directory, (host) => ['yggdrasil', '-useconffile', conf(host)])
  await pause(START_MS)
  return {
    addressOf: (host) => execFileSync('yggdrasil', ['-useconffile', conf(host), '-address'], { encoding: 'utf8' }).trim(),
    faults,
  }
}
