/**
 * Kills a writing node many times at random instants, and tells whether anything that it acknowledged was lost. With `--power`
 * its disk loses each time what was not flushed; this takes strace.
 *
 *     node_modules/.bin/node tools/kill-campaign.ts [--kills N] [--seed S] [--power]
 */
import { parseArgs } from 'node:util'
import { runKillCampaign } from '../test/e2e/kill-campaign.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    power: { type: 'boolean', default: false },
  },
})
const [kills, seed] = [Number(values.kills), Number(values.seed)]
if (!Number.isInteger(kills) || kills < 4 || !Number.isInteger(seed)) {
  process.stderr.write('kill-campaign: --kills takes a whole number from 4, --seed a whole number\n')
  process.exit(2)
}
const say = (line: string): unknown => process.stdout.write(`${line}\n`)
const { acknowledged, lives, dropped, lost } = await runKillCampaign({ kills, seed, power: values.power, say })
for (const loss of lost.slice(0, 100)) say(`LOST ${loss}`)
say(
  `kill-campaign: ${kills} ${values.power ? `power cuts (${dropped} pieces of unflushed writes lost)` : 'kills'} (${lives.early} before the node was ready), ${lives.alone} lives alone and ${lives.connected} with peers, ` +
    `${acknowledged} writes acknowledged, ${lost.length} lost`,
)
process.exitCode = lost.length === 0 ? 0 : 1
