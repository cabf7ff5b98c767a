/**
 * Codes small messages by their likeness to earlier ones. What the messages of a session share is most of them: names, shapes,
 * values that did not change; and what differs stands at the same places. So the coder keeps a finger on the place in an earlier
 * message that this one resembles, says for each symbol whether it is the one under the finger, which costs some hundredths of a
 * bit where it usually is, and spells it out where it is not; then the finger moves on, over what differed. A general compressor
 * (zstd) begins a new match there, for three bytes or four.
 *
 * After Bloom, "LZP" (1996), and Mahoney, "Adaptive weighing of context models" (2005): several opinions on each decision, each
 * with its own experience, are weighed by how well they have done.
 *
 *  1. Both ends do the same with every message, in order; so the one that reads holds the opinions of the one that wrote.
 *  2. All arithmetic is exact or IEEE 754 addition and multiplication: no engine may differ.
 *  3. Memory is fixed: 0.2 MB for each direction.
 */
import type { BitCoder } from './bit-coder.ts'

/** Symbols: bytes, and the end of a message. */
const END = 256
const HISTORY = 2 ** 15
const HISTORY_MASK = HISTORY - 1
const INDEX_BITS = 13
/** Hashes of the last symbols name a place; each shifts what is older out by so many bits: six symbols count, or four. */
const LONG_FACTOR = 0x2c9277b5 << 6
const SHORT_FACTOR = 0x1e35a7bd << 9
const HASH_SHIFT = 32 - INDEX_BITS
/** So much of the past is compared. */
const LENGTH_MAX = 20
/** After so much of it nobody asks whether another place is more like. */
const SURE = 10
/** After a difference the finger is tried so far to either side. */
const REACH = 16
/** After so many differences in a row a byte is noise, and spelt without opinions. */
const NOISE = 6
const SLOTS_BITS = 12
const VOLATILE_MAX = 3
const SYMBOL = 511
const VOLATILITY_AT = 9

// ---- opinions

/** Chances are in 65,536ths; weighing is done on a scale where certainty is far away: ln(p / (1 − p)), in 256ths, to ±2,047. */
const SPREAD = 2_048
const CHANCE_OF = new Uint16Array(2 * SPREAD)
const SCALE_OF = new Int16Array(4_096)
for (let x = -SPREAD; x < SPREAD; x++) {
  // e^y by squaring, since Math.exp may differ between engines.
  let power = 1 - x / 256 / 65_536
  for (let n = 0; n < 16; n++) power *= power
  CHANCE_OF[x + SPREAD] = Math.min(65_535, Math.floor(65_536 / (1 + power)))
}
for (let chance = 0, x = -SPREAD; chance < 4_096; chance++) {
  while (x < SPREAD - 1 && (CHANCE_OF[x + SPREAD] ?? 0) >> 4 < chance) x++
  SCALE_OF[chance] = x
}
const CHANCE_MIN = 24

const OPINIONS_MAX = 4
/** What the next outcome counts for after so many, in 32,768ths. */
const SHARES = Uint16Array.from({ length: 64 }, (_, count) => Math.round(32_768 / (count + 2)))

/** Experience with many kinds of decision: how often each was a 1, the latest outcomes weighing most. */
class Experience {
  readonly chances: Uint16Array
  readonly #counts: Uint8Array
  readonly #limit: number

  constructor(slots: number, limit: number) {
    this.chances = new Uint16Array(slots).fill(32_768)
    this.#counts = new Uint8Array(slots)
    this.#limit = limit
  }

  learn(slot: number, bit: number): void {
    const count = this.#counts[slot] as number
    const chance = this.chances[slot] as number
    this.chances[slot] = chance + ((((bit === 1 ? 65_535 : 0) - chance) * (SHARES[count] as number)) >> 15)
    if (count < this.#limit) this.#counts[slot] = count + 1
  }
}

/** Weighs opinions: one set of weights for each situation. */
class Judge {
  readonly #weights: Float64Array
  readonly #opinions: number
  readonly #scaled = new Float64Array(OPINIONS_MAX)
  readonly #rate: number
  #base = 0
  #chance = 0

  constructor(situations: number, opinions: number, rate: number) {
    this.#opinions = opinions
    this.#rate = rate
    this.#weights = new Float64Array(situations * opinions).fill(1.3 / opinions)
  }

  opinion(index: number, chance: number): void {
    this.#scaled[index] = SCALE_OF[chance >> 4] as number
  }

  chance(situation: number): number {
    this.#base = situation * this.#opinions
    let sum = 0
    for (let n = 0; n < this.#opinions; n++) sum += (this.#weights[this.#base + n] as number) * (this.#scaled[n] as number)
    const at = sum > SPREAD - 1 ? SPREAD - 1 : sum < -SPREAD ? -SPREAD : Math.floor(sum)
    const chance = CHANCE_OF[at + SPREAD] as number
    this.#chance = chance < CHANCE_MIN ? CHANCE_MIN : chance > 65_536 - CHANCE_MIN ? 65_536 - CHANCE_MIN : chance
    return this.#chance
  }

  learn(bit: number): void {
    const fault = ((bit === 1 ? 65_536 : 0) - this.#chance) * this.#rate
    for (let n = 0; n < this.#opinions; n++) {
      const at = this.#base + n
      this.#weights[at] = (this.#weights[at] as number) + fault * (this.#scaled[n] as number)
    }
  }
}

// ---- the coder

export class LikenessCoder {
  /** The last symbols, and with each (2 bits) how often of late the symbol at its place differed from the one under the finger. */
  readonly #history = new Uint16Array(HISTORY)
  /** Symbols so far; the next one's place, before it is cut to the history. */
  #end = 0
  readonly #long = new Int32Array(2 ** INDEX_BITS).fill(-1)
  readonly #short = new Int32Array(2 ** INDEX_BITS).fill(-1)
  #longHash = 0
  #shortHash = 0
  /** Where the current message began. */
  #start = 0
  /** The place under the finger, or −1; how many symbols before it are as here; how many of the last were not. */
  #finger = -1
  #length = 0
  #misses = 0
  /** Outcomes of the last three questions, a 1 for each that was under the finger. */
  #hits = 0

  readonly #flags = [new Experience(2_048, 60), new Experience(1_024, 60), new Experience(2 ** 12, 30)] as const
  readonly #flagJudge = new Judge(64, 3, 3e-9)
  readonly #ends = new Experience(64, 60)
  readonly #spelt = Array.from({ length: 4 }, () => new Experience(2 ** SLOTS_BITS, 30))
  readonly #bitJudge = new Judge(8, 4, 1e-9)

  /** Writes one message. */
  write(coder: BitCoder, message: Uint8Array): void {
    this.#begin()
    for (const byte of message) this.#symbol(coder, byte)
    this.#symbol(coder, END)
  }

  /** Reads one message into `room`; how long it is, or −1 if it does not end there. */
  read(coder: BitCoder, room: Uint8Array): number {
    this.#begin()
    for (let length = 0; length <= room.length; length++) {
      const symbol = this.#symbol(coder, 0)
      if (symbol === END) return length
      room[length] = symbol
    }
    return -1
  }

  /** A message that went another way: later ones may resemble it. */
  note(message: Uint8Array): void {
    this.#begin()
    const from = Math.max(0, message.length - HISTORY)
    for (let at = from; at < message.length; at++) this.#keep(message[at] as number, 0)
    this.#keep(END, 0)
  }

  #begin(): void {
    this.#start = this.#end
    this.#longHash = 0
    this.#shortHash = 0
    this.#finger = -1
    this.#length = 0
    this.#misses = 0
    this.#hits = 7
    this.#point()
  }

  /** Says, or is told, the next symbol. */
  #symbol(coder: BitCoder, actual: number): number {
    const finger = this.#finger
    const under = finger < 0 ? 0 : (this.#history[finger & HISTORY_MASK] as number)
    const expected = finger < 0 ? -1 : under & SYMBOL
    const volatility = (under >> VOLATILITY_AT) & VOLATILE_MAX
    let symbol = -1
    if (expected >= 0 && this.#isAsExpected(coder, expected, volatility, actual)) symbol = expected
    const hit = symbol >= 0
    if (!hit) symbol = this.#spell(coder, expected, actual)
    if (finger >= 0) {
      this.#hits = ((this.#hits << 1) | Number(hit)) & 7
      this.#finger++
    }
    if (hit) {
      this.#misses = Math.max(0, this.#misses - 2)
      if (this.#length < 255) this.#length++
    } else {
      this.#misses = Math.min(this.#misses + 1, 2 * NOISE)
      this.#length = 0
    }
    this.#keep(symbol, hit ? Math.max(0, volatility - 1) : Math.min(volatility + 2, VOLATILE_MAX))
    if (this.#length < SURE) this.#point()
    return symbol
  }

  #isAsExpected(coder: BitCoder, expected: number, volatility: number, actual: number): boolean {
    const length = lengthClass(this.#length)
    const misses = Math.min(this.#misses, 7)
    const [byLength, byVolatility, bySymbol] = this.#flags
    const one = (length << 6) | (misses << 3) | this.#hits
    const two = (volatility << 6) | (Math.min(length, 7) << 3) | this.#hits
    const three = ((expected * 0x9e5) ^ (this.#before(1) * 0x2f1)) & 0xfff
    if (this.#length >= SURE && volatility === 0) return this.#decide(coder, byLength, one, Number(actual === expected))
    const judge = this.#flagJudge
    judge.opinion(0, byLength.chances[one] as number)
    judge.opinion(1, byVolatility.chances[two] as number)
    judge.opinion(2, bySymbol.chances[three] as number)
    const bit = coder.bit(judge.chance((volatility << 3) | misses), Number(actual === expected))
    judge.learn(bit)
    byLength.learn(one, bit)
    byVolatility.learn(two, bit)
    bySymbol.learn(three, bit)
    return bit === 1
  }

  /** A symbol that is not under the finger. */
  #spell(coder: BitCoder, expected: number, actual: number): number {
    const misses = Math.min(this.#misses, 7)
    if (expected !== END) {
      const slot = (misses << 1) | Number(expected >= 0)
      const isEnd = this.#decide(coder, this.#ends, slot, Number(actual === END))
      if (isEnd) return END
    }
    if (this.#misses >= NOISE) return coder.byte(actual)
    const [plain, one, two, likely] = this.#spelt as [Experience, Experience, Experience, Experience]
    const mask = 2 ** SLOTS_BITS - 1
    const [last, last2] = [this.#before(1), this.#before(2)]
    const base1 = Math.imul(last + 1, 0x2f0b4c47)
    const base2 = Math.imul(last + 1 + ((last2 + 1) << 9), 0x1e35a7bd)
    const base3 = Math.imul(expected + 2 + (Math.min(misses, 3) << 9), 0x3c6ef372)
    const judge = this.#bitJudge
    let partial = 1
    while (partial < 256) {
      const s0 = partial | (Math.min(misses, 3) << 8)
      const s1 = ((base1 + Math.imul(partial, 0x9e3779b1)) >>> 12) & mask
      const s2 = ((base2 + Math.imul(partial, 0x9e3779b1)) >>> 12) & mask
      const s3 = ((base3 + Math.imul(partial, 0x9e3779b1)) >>> 12) & mask
      judge.opinion(0, plain.chances[s0] as number)
      judge.opinion(1, one.chances[s1] as number)
      judge.opinion(2, two.chances[s2] as number)
      judge.opinion(3, likely.chances[s3] as number)
      const shift = Math.clz32(partial) - 24
      const bit = coder.bit(judge.chance(misses), (actual >> shift) & 1)
      judge.learn(bit)
      plain.learn(s0, bit)
      one.learn(s1, bit)
      two.learn(s2, bit)
      likely.learn(s3, bit)
      partial = 2 * partial + bit
    }
    return partial & 255
  }

  #decide(coder: BitCoder, experience: Experience, slot: number, bit: number): boolean {
    const chance = experience.chances[slot] as number
    const decided = coder.bit(Math.min(Math.max(chance, CHANCE_MIN), 65_536 - CHANCE_MIN), bit)
    experience.learn(slot, decided)
    return decided === 1
  }

  // ---- the history and the finger

  /** The n-th last symbol of this message; END before it. */
  #before(n: number): number {
    const at = this.#end - n
    return at < this.#start ? END : (this.#history[at & HISTORY_MASK] as number) & SYMBOL
  }

  #keep(symbol: number, volatility: number): void {
    this.#long[this.#longHash >>> HASH_SHIFT] = this.#end
    this.#short[this.#shortHash >>> HASH_SHIFT] = this.#end
    this.#history[this.#end & HISTORY_MASK] = symbol | (volatility << VOLATILITY_AT)
    this.#end++
    this.#longHash = Math.imul(this.#longHash + symbol + 1, LONG_FACTOR)
    this.#shortHash = Math.imul(this.#shortHash + symbol + 1, SHORT_FACTOR)
  }

  /** Puts the finger where more of what was before is as here. */
  #point(): void {
    if (this.#finger >= 0) {
      if (this.#end - this.#finger >= HISTORY - REACH) this.#finger = -1
      else if (this.#length === 0 && this.#misses < NOISE) this.#seekBeside()
    }
    if (!this.#try(this.#long[this.#longHash >>> HASH_SHIFT] as number)) this.#try(this.#short[this.#shortHash >>> HASH_SHIFT] as number)
  }

  /** Moves the finger to `place` if that is better. */
  #try(place: number): boolean {
    if (place < 0 || this.#end - place >= HISTORY - REACH || place === this.#finger) return false
    const length = this.#likeness(place)
    if (this.#finger >= 0 && length <= Math.max(this.#length, 3)) return false
    this.#finger = place
    this.#length = length
    return true
  }

  /** After a difference the same may go on a little further, or earlier. */
  #seekBeside(): void {
    const middle = this.#finger
    for (let away = 1; away <= REACH; away++) {
      for (const place of [middle + away, middle - away]) {
        if (place >= this.#end || place < 0 || this.#likeness(place) < 3) continue
        this.#finger = place
        this.#length = this.#likeness(place)
        return
      }
    }
  }

  /** How many symbols before that place are as those before the next one. */
  #likeness(place: number): number {
    let length = 0
    while (length < LENGTH_MAX) {
      const here = this.#end - 1 - length
      const there = place - 1 - length
      if (here < this.#start || there < 0) {
        // Both begin a message: that is as good as a few symbols.
        const begins = here < this.#start && (there < 0 || ((this.#history[there & HISTORY_MASK] as number) & SYMBOL) === END)
        return begins ? length + 3 : length
      }
      if ((((this.#history[here & HISTORY_MASK] as number) ^ (this.#history[there & HISTORY_MASK] as number)) & SYMBOL) !== 0) return length
      length++
    }
    return length
  }
}

/** 0–31: exact while short. */
function lengthClass(length: number): number {
  if (length < 16) return length
  return length < 24 ? 16 : length < 32 ? 17 : length < 64 ? 18 : length < 128 ? 19 : 20
}
