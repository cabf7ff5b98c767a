/**
 * Gives changed bytes to everything that reads what other nodes send of state, millions of times.
 *
 *     node_modules/.bin/node --expose-gc tools/fuzz.ts [--rounds N] [--seed S]
 */
import { parseArgs } from 'node:util'
import { fuzz } from '../test/fuzz/fuzz.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } } })
const [rounds, seed] = [Number(values.rounds), Number(values.seed)]
if (!Number.isInteger(rounds) || rounds < 1 || !Number.isInteger(seed)) {
  process.stderr.write('fuzz: --rounds and --seed take whole numbers\n')
  process.exit(2)
}
// Bytes that are refused make an error each: without their stacks it goes twice as fast.
Error.stackTraceLimit = 0
const began = performance.now()
await fuzz({ rounds, seed, say: (line) => void process.stdout.write(`${line}\n`) })
const seconds = (performance.now() - began) / 1000
const { maxRSS } = process.resourceUsage()
process.stdout.write(`fuzz: ${rounds} rounds held in ${seconds.toFixed(0)} s, resident at most ${Math.round(maxRSS / 1000)} MB\n`)
