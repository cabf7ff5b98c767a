/**
 * Colour that carries meaning (green works, yellow is in doubt, red does not), on terminals only; `NO_COLOR` and
 * `FORCE_COLOR` are respected.
 */
import { styleText } from 'node:util'

type Tone = 'good' | 'doubt' | 'bad' | 'faint' | 'strong'

const STYLES = { good: 'green', doubt: 'yellow', bad: 'red', faint: 'dim', strong: 'bold' } as const

const TONES: Readonly<Record<string, Tone>> = {
  ...{ up: 'good', degraded: 'doubt', suspect: 'doubt', probing: 'doubt', down: 'bad' },
  ...{ alive: 'good', unknown: 'doubt', 'cut-off': 'doubt', crashed: 'bad' },
}

export function tint(tone: Tone, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(STYLES[tone], text, { stream })
}

/** The state of a link or path, or the verdict on a node, in its colour. */
export function tintState(state: string): string {
  const tone = TONES[state]
  return tone ? tint(tone, state) : state
}
