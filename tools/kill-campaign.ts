/**
 * Kills a writing node many times at random instants, and tells whether anything that it acknowledged was lost.
 *
 *     node_modules/.bin/node tools/kill-campaign.ts [--kills N] [--seed S]
 */
import { parseArgs } from 'node:util'
import { runKillCampaign } from '../test/e2e/kill-campaign.ts'

const { values } = parseArgs({ options: { kills: { type: 'string', default: '1000' }, seed: { type: 'string', default: '1' } } })
const [kills, seed] = [Number(values.kills), Number(values.seed)]
if (!Number.isInteger(kills) || kills < 4 || !Number.isInteger(seed)) {
  process.stderr.write('kill-campaign: --kills takes a whole number from 4, --seed a whole number\n')
  process.exit(2)
}
const say = (line: string): unknown => process.stdout.write(`${line}\n`)
const { acknowledged, lives, lost } = await runKillCampaign({ kills, seed, say })
for (const loss of lost.slice(0, 100)) say(`LOST ${loss}`)
say(
  `kill-campaign: ${kills} kills (${lives.early} before the node was ready), ${lives.alone} lives alone and ${lives.connected} with peers, ` +
    `${acknowledged} writes acknowledged, ${lost.length} lost`,
)
process.exitCode = lost.length === 0 ? 0 : 1
