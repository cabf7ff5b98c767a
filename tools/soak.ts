/**
 * Real daemons in network namespaces, used while links are cut and nodes are killed, for as long as you like.
 *
 *     node_modules/.bin/node tools/soak.ts [--seconds N] [--seed S]
 */
import { parseArgs } from 'node:util'
import { labMissing } from '../test/netlab/lab.ts'
import { runSoak } from '../test/soak/soak.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '240' }, seed: { type: 'string', default: '1' } } })
const [seconds, seed] = [Number(values.seconds), Number(values.seed)]
if (!Number.isInteger(seconds) || seconds < 1 || !Number.isInteger(seed)) {
  process.stderr.write('soak: --seconds takes a whole number from 1, --seed a whole number\n')
  process.exit(2)
}
const missing = labMissing()
if (missing !== undefined) {
  process.stderr.write(`soak: ${missing}\n`)
  process.exit(2)
}
const say = (line: string): unknown => process.stdout.write(`${line}\n`)
const { faults, asked, acknowledged, echoed, broken, objections } = await runSoak({ seconds, seed, say })
for (const objection of objections.slice(0, 100)) say(`FAILED ${objection}`)
const counts = Object.entries(faults).map(([kind, count]) => `${count} ${kind}`)
say(
  `soak: ${seconds} s, ${counts.join(', ')}; ${acknowledged} of ${asked} writes acknowledged, ${echoed} echoes, ${broken} connections broken, ` +
    `${objections.length} objections`,
)
process.exit(objections.length === 0 ? 0 : 1)
