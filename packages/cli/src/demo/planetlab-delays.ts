/**
 * Delays between the demo's places: rows of the PlanetLab matrix, sites by chance, hubs where an operator would put
 * them. One way is taken as half of the measured round trip.
 */
import { SeededRandom } from '@causeway/protocol'
import { placeNodes, planetlab } from '@causeway/simulator'
import type { DelayTable, TopologySize } from './topology.ts'

export function planetLabDelays({ hubs, sites, seed }: TopologySize): DelayTable {
  const matrix = planetlab()
  const placed = placeNodes(matrix, new SeededRandom(seed), { hubs, sites })
  const rows = [...placed.hubs, ...placed.sites]
  return (a, b) => (matrix.rttMs(rows[a] ?? 0, rows[b] ?? 0) ?? 0) / 2
}
