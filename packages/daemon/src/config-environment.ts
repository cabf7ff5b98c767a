/**
 * Keys of the config from the environment, over those of the file: `CAUSEWAY_` and the path of the key in capitals, words apart.
 *
 *     api.socket            CAUSEWAY_API_SOCKET=/run/causeway.sock
 *     dataDir               CAUSEWAY_DATA_DIR=/var/lib/causeway
 *     hubs                  CAUSEWAY_HUBS="10.0.0.1:7400, 10.0.0.2:7400"     lists of texts: commas or spaces between
 *     limits.channelDeadMs  CAUSEWAY_LIMITS_CHANNEL_DEAD_MS=30000
 *
 * `null` unsets what may be null; an empty variable is none. A variable that names no key is a fault, like a key that is
 * misspelt in the file. Lists of sections (`services`, `forwards`) have none.
 */
import { CausewayError } from '@causeway/protocol'
import { type ConfigKey, configKeys } from './config-keys.ts'
import { nearest } from './edit-distance.ts'

const PREFIX = 'CAUSEWAY_'
/**
 * Others read these: clients, programs that run tasks. And Kubernetes tells every container of each service in its namespace,
 * also of those named `causeway` or `causeway-hub`.
 */
const OTHERS = /^CAUSEWAY_(?:API|TOKEN|TOKEN_FILE|DEBUG|TASK_.*|(?:.+_)?SERVICE_(?:HOST|PORT)(?:_.*)?|(?:.+_)?PORT(?:_\d+_.*)?)$/

export type Environment = Readonly<Record<string, string | undefined>>

/** One key that was given. */
export interface Override {
  readonly variable: string
  readonly path: readonly string[]
  readonly value: unknown
}

/** Throws `config-invalid` for a variable that means nothing. */
export function overridesOf(environment: Environment): Override[] {
  const given = Object.entries(environment).filter(([name, value]) => name.startsWith(PREFIX) && value && !OTHERS.test(name))
  if (given.length === 0) return []
  const known = new Map(configKeys().flatMap((key) => (takesText(key) ? [[variableOf(key.path), key] as const] : [])))
  return given.map(([variable, text = '']) => {
    const key = known.get(variable)
    if (!key) throw unknown(variable, [...known.keys()])
    return { variable, path: key.path, value: valueOf(text, key) }
  })
}

/** A copy of what the file says, with these over it. */
export function withOverrides(file: unknown, overrides: readonly Override[]): unknown {
  if (overrides.length === 0) return file
  const root: unknown = structuredClone(file ?? {})
  for (const { path, value } of overrides) {
    let at = root as Record<string, unknown>
    for (const step of path.slice(0, -1)) {
      const next = at[step]
      at = (at[step] = typeof next === 'object' && next !== null ? next : {}) as Record<string, unknown>
    }
    at[path.at(-1) ?? ''] = value
  }
  return root
}

export function variableOf(path: readonly string[]): string {
  return PREFIX + path.map((name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_')
}

/** Whether a variable can hold it. */
export function takesText({ forms }: ConfigKey): boolean {
  return forms.every(({ type, const: constant, enum: choice, items }) =>
    type === 'array' ? items?.type === 'string' : type !== 'object' && (type ?? constant ?? choice) !== undefined,
  )
}

function valueOf(text: string, { forms }: ConfigKey): unknown {
  const may = (type: string): boolean => forms.some((form) => form.type === type)
  if (text === 'null' && may('null')) return null
  if (may('array')) return text.split(/[\s,]+/).filter(Boolean)
  if (may('boolean') && (text === 'true' || text === 'false')) return text === 'true'
  const number = Number(text)
  return (may('number') || may('integer')) && text.trim() !== '' && !Number.isNaN(number) ? number : text
}

function unknown(variable: string, known: readonly string[]): CausewayError {
  const meant = nearest(variable, known)
  const remedy = meant === undefined ? 'unset it' : `did you mean ${meant}? Otherwise unset it`
  return new CausewayError('config-invalid', `${variable} in the environment names no key of the config`, remedy)
}
