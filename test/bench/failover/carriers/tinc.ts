/** tinc in router mode: each end dials all hubs, and hubs each other. Pings every second, each may take one. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Lab } from '../../../netlab/lab.ts'
import { type Carrier, overUdp } from '../carrier.ts'
import { Overlay } from './overlay.ts'

const START_MS = 5_000

export const TINC: Carrier = {
  name: 'tinc',
  mode: 'ping 1 s, timeout 1 s',
  programs: { tincd: 'tinc' },
  restMs: 8_000,
  patienceMs: 20_000,
  start: async (lab, directory) => {
    const keys = new Map(lab.hosts.map((host) => [host, generateKeyPairSync('rsa', { modulusLength: 2048 })]))
    const own = (host: string, ...names: string[]): string => join(directory, host, ...names)
    for (const host of lab.hosts) {
      mkdirSync(own(host, 'hosts'), { recursive: true })
      const key = keys.get(host)?.privateKey.export({ type: 'pkcs1', format: 'pem' }) ?? ''
      writeFileSync(own(host, 'rsa_key.priv'), key, { mode: 0o600 })
      const dialled = lab.neighbours(host).filter((peer) => lab.hosts.indexOf(peer) > lab.hosts.indexOf(host))
      const settings = ['Interface = tinc0', 'AddressFamily = ipv4', 'PingInterval = 1', 'PingTimeout = 1', 'MaxTimeout = 5']
      writeFileSync(own(host, 'tinc.conf'), [`Name = ${host}`, ...settings, ...dialled.map((peer) => `ConnectTo = ${peer}`), ''].join('\n'))
      for (const other of lab.hosts) {
        const address = lab.neighbours(host).includes(other) ? `Address = ${lab.address(other, host)}\n` : ''
        const publicKey = keys.get(other)?.publicKey.export({ type: 'pkcs1', format: 'pem' }) ?? ''
        writeFileSync(own(host, 'hosts', other), `${address}Subnet = ${addressOf(lab, other)}/32\n${String(publicKey)}`)
      }
      const up = `#!/bin/sh\nip link set $INTERFACE up\nip addr add ${addressOf(lab, host)}/24 dev $INTERFACE\n`
      writeFileSync(own(host, 'tinc-up'), up, { mode: 0o755 })
    }
    const overlay = new Overlay(lab, directory, (host) => ['tincd', '-D', '-d1', '-c', own(host), '--pidfile', own(host, 'pid')])
    await pause(START_MS)
    return { ...overUdp(addressOf(lab, 'a'), addressOf(lab, 'b')), ...overlay.faults }
  },
}

function addressOf(lab: Lab, host: string): string {
  return `10.79.0.${lab.hosts.indexOf(host) + 1}`
}
