/** One world of the bench of scale in a process of its own, so that what another left does not count: argument in, figures out. */
import { type ScaleShape, playScale } from './scale-world.ts'

process.stdout.write(`${JSON.stringify(playScale(JSON.parse(process.argv[2] ?? '') as ScaleShape))}\n`)
