/** NATS: a hub with JetStream, and in each site a leaf server with streams of its own that source what the site needs. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../../../netlab/lab.ts'
import { ProcessParticipant } from '../process-participant.ts'
import { CORE, type FleetShape, type StartedSystem, type SyncSystem, siteHost } from '../system.ts'

const [CLIENTS, LEAVES] = [4222, 7422]

export const NATS: SyncSystem = {
  name: 'nats',
  mode: 'leaf servers whose streams source from a bucket of the hub',
  missing: () =>
    spawnSync('nats-server', ['--version']).status === 0
      ? undefined
      : 'nats-server is not installed; on Debian: apt-get install nats-server',
  start: startNats,
}

async function startNats(lab: Lab, directory: string, { sites }: FleetShape): Promise<StartedSystem> {
  const hosts = Array.from({ length: sites }, (_, site) => siteHost(site))
  const hub = `leafnodes { port: ${LEAVES}, no_advertise: true }`
  const leaf = (host: string): string =>
    `leafnodes { reconnect: 1, remotes: [ { url: "nats-leaf://${lab.address(CORE, host)}:${LEAVES}" } ] }`
  const servers = [CORE, ...hosts].map((host) => {
    const store = join(directory, `${host}.jetstream`)
    mkdirSync(store)
    const file = join(directory, `${host}.conf`)
    const jetstream = `jetstream { store_dir: "${store}", domain: ${host === CORE ? 'hub' : host} }`
    writeFileSync(file, `server_name: ${host}\nport: ${CLIENTS}\n${jetstream}\n${host === CORE ? hub : leaf(host)}\n`)
    return lab.spawn(host, ['nats-server', '-c', file], join(directory, `${host}.log`))
  })
  const participants = [await ProcessParticipant.start(lab, CORE, { system: 'nats', role: 'core', port: CLIENTS }, directory)]
  participants.push(
    ...(await Promise.all(
      hosts.map((host, site) => ProcessParticipant.start(lab, host, { system: 'nats', role: 'site', port: CLIENTS, site }, directory)),
    )),
  )
  const stop = async (): Promise<void> => {
    await Promise.all(participants.map((one) => one.stop()))
    for (const server of servers) server.kill('SIGKILL')
  }
  return { participants, stop }
}
