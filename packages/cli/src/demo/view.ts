/**
 * The demo for eyes: one line per scene, written when it is over; on a terminal a line below shows what is going on.
 * With `-o json` all of this goes to stderr, and stdout has the figures alone.
 */
import { tint } from '../colour.ts'
import type { Scene } from './scene.ts'

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const FRAME_MS = 100
const CLEAR_LINE = '\r\u001B[2K'
const TITLE_WIDTH = 24

export class DemoView {
  readonly #stream: NodeJS.WriteStream
  #doing = ''
  #frame = 0
  #timer: NodeJS.Timeout | undefined
  #silent = false

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
    if (stream.isTTY) this.#timer = setInterval(() => this.#draw(), FRAME_MS).unref()
  }

  /** What is going on. Off a terminal nothing is printed: a log wants results. */
  say(what: string): void {
    this.#doing = what
    if (this.#stream.isTTY) this.#draw()
  }

  line(text: string): void {
    if (this.#silent) return
    this.#stream.write(`${this.#stream.isTTY ? CLEAR_LINE : ''}${text}\n`)
  }

  result(scene: { readonly title: string } & Pick<Scene<unknown>, 'held' | 'line'>): void {
    const mark = scene.held ? tint('good', '✓', this.#stream) : tint('bad', '✗', this.#stream)
    this.line(`  ${mark} ${scene.title.padEnd(TITLE_WIDTH)}${scene.line}`)
  }

  /** A fact that cannot fail. */
  fact(title: string, text: string): void {
    this.line(`  ${tint('faint', '·', this.#stream)} ${title.padEnd(TITLE_WIDTH)}${text}`)
  }

  /** A block of more detail, set in and faint. */
  details(text: string): void {
    for (const line of text.split('\n')) this.line(tint('faint', `      ${line}`, this.#stream))
  }

  /** No results any more: what comes in after an interrupt is of no use to anybody. */
  silence(): void {
    this.#silent = true
  }

  end(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.#stream.isTTY) this.#stream.write(CLEAR_LINE)
  }

  #draw(): void {
    if (this.#doing === '' || !this.#timer) return
    this.#frame = (this.#frame + 1) % FRAMES.length
    const width = Math.max(20, (this.#stream.columns ?? 80) - 1)
    this.#stream.write(`${CLEAR_LINE}${`  ${FRAMES[this.#frame]} ${this.#doing}`.slice(0, width)}`)
  }
}
