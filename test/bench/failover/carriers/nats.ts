/** NATS: a cluster on the hubs, a leaf server at either end, clients at their own leaf. Pings every second, two may be missed. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Lab } from '../../../netlab/lab.ts'
import type { Carriage, Carrier } from '../carrier.ts'
import { isEnd } from '../topology.ts'
import { Overlay } from './overlay.ts'

const [CLIENTS, CLUSTER, LEAVES] = [4222, 6222, 7422]
const LOOPBACK = '127.0.0.1'
const START_MS = 4_000

export const NATS: Carrier = {
  name: 'nats',
  mode: 'leaf nodes, ping 1 s × 2',
  programs: { 'nats-server': 'nats-server' },
  restMs: 8_000,
  patienceMs: 20_000,
  start: startNats,
}

export async function startNats(lab: Lab, directory: string): Promise<Carriage> {
  const conf = (host: string): string => join(directory, `${host}.conf`)
  for (const host of lab.hosts) writeFileSync(conf(host), configOf(lab, host))
  const { faults } = new Overlay(lab, directory, (host) => ['nats-server', '-c', conf(host)])
  await pause(START_MS)
  return {
    a: { type: 'nats', side: 'a', host: LOOPBACK, port: CLIENTS },
    b: { type: 'nats', side: 'b', host: LOOPBACK, port: CLIENTS },
    ...faults,
  }
}

function configOf(lab: Lab, host: string): string {
  const general = `server_name: ${host}\nport: ${CLIENTS}\nping_interval: "1s"\nping_max: 2\nwrite_deadline: "2s"\n`
  const urls = (port: number): string =>
    lab
      .neighbours(host)
      .filter((peer) => !isEnd(peer))
      .map((peer) => `"nats://${lab.address(peer, host)}:${port}"`)
      .join(', ')
  if (isEnd(host)) return `${general}leafnodes { reconnect: 1, remotes: [ { urls: [${urls(LEAVES)}], no_randomize: true } ] }\n`
  const leaves = `leafnodes { port: ${LEAVES}, no_advertise: true }\n`
  const alone = lab.neighbours(host).every(isEnd)
  return `${general}${leaves}${alone ? '' : `cluster { name: hubs, port: ${CLUSTER}, no_advertise: true, routes: [${urls(CLUSTER)}] }\n`}`
}
