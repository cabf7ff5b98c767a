/**
 * The config as data: its JSON Schema, which editors read, and its keys one by one, which the reference and the variables of the
 * environment are made of.
 */
import { z } from 'zod'
import { configSchema } from './config-schema.ts'

export interface JsonSchema {
  readonly title?: string
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly additionalProperties?: unknown
}

/** A key that is no section. */
export interface ConfigKey {
  readonly path: readonly string[]
  /** One for each form that it may have. */
  readonly forms: readonly JsonSchema[]
  readonly description: string
  readonly default: unknown
  readonly required: boolean
}

/** Draft 2020-12. */
export function configJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(configSchema, { io: 'input' })
  return { title: 'Config of a Causeway node', ...(schema as JsonSchema) }
}

/** All keys, in the order of the schema; those of the several forms of one section together. */
export function configKeys(schema: JsonSchema = configJsonSchema()): ConfigKey[] {
  return keysOf(schema, [])
}

function keysOf(section: JsonSchema, path: readonly string[]): ConfigKey[] {
  const found = new Map<string, ConfigKey>()
  for (const form of formsOf(section)) {
    for (const [name, schema] of Object.entries(form.properties ?? {})) {
      const below = [...path, name]
      const sections = formsOf(schema).filter(({ properties }) => properties)
      const keys = sections.length > 0 ? keysOf(schema, below) : [keyOf(below, schema, form.required?.includes(name) ?? false)]
      for (const key of keys) {
        const id = key.path.join('.')
        const known = found.get(id)
        found.set(id, known ? { ...known, forms: [...known.forms, ...key.forms] } : key)
      }
    }
  }
  return [...found.values()]
}

function keyOf(path: readonly string[], schema: JsonSchema, required: boolean): ConfigKey {
  return {
    path,
    forms: formsOf(schema),
    description: schema.description ?? '',
    default: schema.default,
    required: required && schema.default === undefined,
  }
}

/** What a value may be, alternatives one by one. */
export function formsOf(schema: JsonSchema): readonly JsonSchema[] {
  const { anyOf, oneOf, type, ...rest } = schema
  if (typeof type === 'object') return type.map((each) => ({ ...rest, type: each }))
  return (anyOf ?? oneOf)?.flatMap(formsOf) ?? [schema]
}
