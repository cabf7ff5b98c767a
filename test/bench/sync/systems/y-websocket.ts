/** y-websocket with a gateway in each site, fields in nested maps, presence off, messages compressed. */
import type { Lab } from '../../../netlab/lab.ts'
import { ProcessParticipant } from '../process-participant.ts'
import { CORE, type FleetShape, type StartedSystem, type SyncSystem, siteHost } from '../system.ts'

const PORT = 9000

export const Y_WEBSOCKET: SyncSystem = {
  name: 'y-websocket',
  mode: 'a gateway per site, deflate, no presence',
  start: startYWebsocket,
}

async function startYWebsocket(lab: Lab, directory: string, { sites }: FleetShape): Promise<StartedSystem> {
  const core = await ProcessParticipant.start(lab, CORE, { system: 'y-websocket', role: 'core', port: PORT, sites }, directory)
  const participants = [core]
  for (let site = 0; site < sites; site++) {
    const url = `ws://${lab.address(CORE, siteHost(site))}:${PORT}`
    participants.push(await ProcessParticipant.start(lab, siteHost(site), { system: 'y-websocket', role: 'site', url, site }, directory))
  }
  return { participants, stop: async () => void (await Promise.all(participants.map((one) => one.stop()))) }
}
