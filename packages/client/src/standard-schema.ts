/**
 * What a schema library offers so that others may use its schemas without knowing it: the part of Standard Schema v1
 * (standardschema.dev) that is needed here. Zod, Valibot, ArkType and others implement it.
 */
import { CausewayError, type RecordView } from '@causeway/protocol'

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    /** Only for the compiler. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

type SchemaResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** A value that does not fit the schema of its collection: one that was to be written, or a record that was read. */
export class SchemaViolation extends CausewayError {
  readonly issues: readonly SchemaIssue[]
  /** The record as it is, if it was read. */
  readonly record: RecordView | undefined

  constructor(what: string, remedy: string, issues: readonly SchemaIssue[], record?: RecordView) {
    super('invalid', `${what} does not fit the schema: ${issues.slice(0, 3).map(describeIssue).join('; ')}`, remedy)
    this.issues = issues
    this.record = record
  }
}

/** `a.b.0: expected a number` */
export function describeIssue({ message, path = [] }: SchemaIssue): string {
  const where = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
  return where === '' ? message : `${where}: ${message}`
}
