/**
 * Reads the Prometheus text format 0.0.4, and refuses whatever a careful scraper would have to guess at. Tests hold
 * the answers of nodes against it.
 */

interface ParsedSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface ParsedFamily {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: readonly ParsedSample[]
}

const SAMPLE = /^(?<name>[a-zA-Z_:][\w:]*)(?:\{(?<labels>.*)\})? (?<value>\S+)$/
const LABEL = /^(?<name>[a-zA-Z_]\w*)="(?<value>(?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/
const NUMBER = /^(?:-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf)$/

/** Families by name; throws at the first fault. */
export function parseExposition(text: string): Map<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('the text does not end with a newline')
  const families = new Map<string, ParsedFamily & { readonly samples: ParsedSample[] }>()
  let current: (ParsedFamily & { readonly samples: ParsedSample[] }) | undefined
  let help: { readonly name: string; readonly text: string } | undefined
  for (const line of text.slice(0, -1).split('\n')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (keyword === 'HELP') {
      help = { name, text: rest }
    } else if (keyword === 'TYPE') {
      if (families.has(name)) throw new Error(`${name} is declared twice`)
      if (help?.name !== name) throw new Error(`${name} has no help of its own before its type`)
      current = { name, type: rest, help: help.text, samples: [] }
      families.set(name, current)
    } else {
      if (!current) throw new Error(`a sample before any family: ${line}`)
      current.samples.push(parseSample(line, current))
    }
  }
  for (const family of families.values()) checkFamily(family)
  return families
}

function parseSample(line: string, family: ParsedFamily): ParsedSample {
  const { name = '', labels = '', value = '' } = SAMPLE.exec(line)?.groups ?? {}
  const suffixes = family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
  if (!suffixes.some((suffix) => name === family.name + suffix)) throw new Error(`not a sample of ${family.name}: ${line}`)
  if (!NUMBER.test(value)) throw new Error(`not a number: ${line}`)
  return { name, labels: parseLabels(labels, line), value: Number(value.replace('Inf', 'Infinity')) }
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (let rest = text; rest !== '';) {
    const match = LABEL.exec(rest)
    const { name = '', value = '' } = match?.groups ?? {}
    if (!match || name in labels) throw new Error(`labels that cannot be read: ${line}`)
    labels[name] = value.replace(/\\(.)/g, (_escape, escaped: string) => (escaped === 'n' ? '\n' : escaped))
    rest = rest.slice(match[0].length)
  }
  return labels
}

function checkFamily(family: ParsedFamily): void {
  const seen = new Set<string>()
  for (const { name, labels, value } of family.samples) {
    const key = name + JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => a.localeCompare(b)))
    if (seen.has(key)) throw new Error(`${key} has two samples`)
    seen.add(key)
    if (family.type !== 'gauge' && value < 0) throw new Error(`${key} counts below zero`)
  }
  if (family.type === 'counter' && !family.name.endsWith('_total')) throw new Error(`the counter ${family.name} does not end with _total`)
  if (family.type === 'histogram') for (const series of seriesOf(family)) checkHistogram(family.name, series)
}

/** The samples of a histogram, by their labels without `le`. */
function seriesOf(family: ParsedFamily): ParsedSample[][] {
  return [...Map.groupBy(family.samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels)).values()]
}

function checkHistogram(name: string, samples: readonly ParsedSample[]): void {
  let bound = -Infinity
  let below = 0
  for (const { labels, value } of samples.filter((sample) => sample.name === `${name}_bucket`)) {
    const le = Number(labels['le']?.replace('Inf', 'Infinity'))
    if (!(le > bound)) throw new Error(`buckets of ${name} are out of order at ${le}`)
    if (value < below) throw new Error(`buckets of ${name} are not cumulative at ${le}`)
    bound = le
    below = value
  }
  const [count, ...counts] = samples.filter((sample) => sample.name === `${name}_count`)
  const sums = samples.filter((sample) => sample.name === `${name}_sum`)
  if (bound !== Infinity || count?.value !== below || counts.length > 0) throw new Error(`${name} has no bucket +Inf equal to its count`)
  if (sums.length !== 1) throw new Error(`${name} has not exactly one sum`)
}
