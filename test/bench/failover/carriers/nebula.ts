/** Nebula: hubs are lighthouses and relays, the ends use all of them. A connection is tested after 1 s and given up after 1 s more. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Lab } from '../../../netlab/lab.ts'
import { type Carrier, overUdp } from '../carrier.ts'
import { isEnd } from '../topology.ts'
import { Overlay } from './overlay.ts'

const PORT = 4242
const START_MS = 5_000
const ANY = [{ port: 'any', proto: 'any', host: 'any' }]

export const NEBULA: Carrier = {
  name: 'nebula',
  mode: 'relays, alive 1 s, deletion 1 s',
  programs: { nebula: 'nebula', 'nebula-cert': 'nebula' },
  restMs: 8_000,
  patienceMs: 20_000,
  start: async (lab, directory) => {
    const own = (host: string, kind: string): string => join(directory, `${host}.${kind}`)
    const certify = (...words: string[]): unknown => execFileSync('nebula-cert', words, { cwd: directory })
    certify('ca', '-name', 'lab')
    for (const host of lab.hosts) {
      certify('sign', '-name', host, '-ip', `${addressOf(lab, host)}/24`)
      // JSON is YAML.
      writeFileSync(own(host, 'yml'), JSON.stringify(configOf(lab, host, directory)))
    }
    const overlay = new Overlay(lab, directory, (host) => ['nebula', '-config', own(host, 'yml')])
    await pause(START_MS)
    return { ...overUdp(addressOf(lab, 'a'), addressOf(lab, 'b')), ...overlay.faults }
  },
}

function configOf(lab: Lab, host: string, directory: string): unknown {
  const hubs = lab.neighbours(host).filter((peer) => !isEnd(peer))
  const relays = isEnd(host) ? hubs.map((hub) => addressOf(lab, hub)) : []
  const file = (name: string): string => join(directory, name)
  return {
    pki: { ca: file('ca.crt'), cert: file(`${host}.crt`), key: file(`${host}.key`) },
    static_host_map: Object.fromEntries(hubs.map((hub) => [addressOf(lab, hub), [`${lab.address(hub, host)}:${PORT}`]])),
    lighthouse: { am_lighthouse: !isEnd(host), interval: 5, hosts: relays },
    listen: { host: '0.0.0.0', port: PORT },
    punchy: { punch: true },
    relay: { relays, am_relay: !isEnd(host), use_relays: true },
    tun: { dev: 'neb0', mtu: 1300 },
    logging: { level: 'info' },
    firewall: { outbound: ANY, inbound: ANY },
    timers: { connection_alive_interval: 1, pending_deletion_interval: 1 },
  }
}

function addressOf(lab: Lab, host: string): string {
  return `10.80.0.${lab.hosts.indexOf(host) + 1}`
}
