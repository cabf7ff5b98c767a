/**
 * What the local API understands, as data: each operation with its path, its query and its body. The same schemas check
 * what comes, before any route sees it, and make `/openapi.json`; so the document cannot say anything else than the node does.
 *
 * What is not understood is refused, never skipped: a condition that is misspelt must not become an unconditional write.
 */
import type { Hono, MiddlewareHandler } from 'hono'
import { z } from 'zod'
import { CausewayError } from '@causeway/protocol'
import { nearest } from '../edit-distance.ts'
import { problemResponse } from '../problem.ts'

type Method = 'get' | 'put' | 'post' | 'patch' | 'delete'

export interface Operation {
  readonly method: Method
  /** As OpenAPI writes it: `/v1/kv/{collection}/{key}`. */
  readonly path: string
  readonly parameters?: Readonly<Record<string, z.ZodType>>
  /** A schema that is an array takes a name that is repeated. */
  readonly query?: Readonly<Record<string, z.ZodType>>
  /** Of JSON; the route checks it, with this same schema. */
  readonly body?: z.ZodType
  /** A POST that may be without one. */
  readonly bodyOptional?: true
}

/** `limit=`: a number above 0, of which the route makes what it can serve. */
export const count: z.ZodType = numberText(/^[1-9]\d{0,8}$/, z.int().min(1).max(999_999_999), 'expected a number above 0')
export const flag: z.ZodType = z.enum(['true', 'false'], { error: 'expected true or false' }).optional()
/** Of what is only passed on; longer ones do not fit the head of a request. */
export const words: z.ZodType = z.string().optional()

/** A number as it stands in a query. */
function numberText(form: RegExp, number: z.ZodType<number, number>, error: string): z.ZodType {
  return z.string().regex(form, { error }).transform(Number).pipe(number).optional()
}

/** A whole number or not, within bounds. */
export function numberFrom(min: number, max: number, kind: 'integer' | 'real' = 'integer'): z.ZodType {
  const error = `expected a number from ${min} to ${max}`
  const number = (kind === 'integer' ? z.int({ error }) : z.number({ error })).min(min, { error }).max(max, { error })
  return numberText(/^\d{1,12}(?:\.\d{1,9})?$/, number, error)
}

/** Puts the checks before all routes that are added later. */
export function checkRequests(routes: Hono, operations: readonly Operation[]): void {
  for (const operation of operations) routes.on(operation.method.toUpperCase(), routePath(operation.path), check(operation))
}

/** Puts after all routes: a path that is known, and a method that it does not have. HEAD is served where GET is. */
export function refuseOtherMethods(routes: Hono, operations: readonly Operation[]): void {
  for (const [path, those] of Map.groupBy(operations, (operation) => routePath(operation.path))) {
    const methods = those.map(({ method }) => method.toUpperCase())
    const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ')
    routes.all(path, ({ req }) => {
      const fault = new CausewayError('usage', `${req.method} is not what ${req.path} takes`, `use ${methods.join(', ')}`)
      const response = problemResponse(fault, 405)
      response.headers.set('allow', allow)
      return response
    })
  }
}

function routePath(path: string): string {
  return path
    .replace(':batch', '')
    .replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'key' || name === 'document' ? `:${name}{.+}` : `:${name}`))
}

function check({ parameters = {}, query = {} }: Operation): MiddlewareHandler {
  const known = Object.keys(query)
  return async (context, next) => {
    for (const [name, schema] of Object.entries(parameters)) {
      const text = context.req.param(name) ?? ''
      judge(schema, text, (message) => usage(`${name} "${short(text)}" is not understood: ${message}`, 'correct it'))
    }
    for (const [name, values] of Object.entries(context.req.queries())) {
      const schema = Object.hasOwn(query, name) ? query[name] : undefined
      if (!schema) throw unknownName(name, known)
      const several = schema.def.type === 'array' || (schema as { def: { innerType?: z.ZodType } }).def.innerType?.def.type === 'array'
      if (values.length > 1 && !several) throw usage(`${name}= is given ${values.length} times`, 'give it once')
      const text = values.join(' ')
      judge(schema, several ? values : values[0], (message) =>
        usage(`${name}=${short(text)} is not understood: ${message}`, `correct ${name}=, or leave it out`),
      )
    }
    await next()
  }
}

function judge(schema: z.ZodType, value: unknown, fault: (message: string) => CausewayError): void {
  const { success, error } = schema.safeParse(value)
  if (!success) throw fault(error.issues[0]?.message ?? 'invalid')
}

function unknownName(name: string, known: readonly string[]): CausewayError {
  const meant = nearest(name.slice(0, 40), known)
  const advice = meant === undefined ? 'leave it out' : `did you mean ${meant}=?`
  const all = known.length === 0 ? '' : `${meant === undefined ? '.' : ''} There are ${known.join('=, ')}=`
  return usage(`${short(name)}= is not understood here`, advice + all)
}

function short(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

function usage(message: string, remedy: string): CausewayError {
  return new CausewayError('usage', message, remedy)
}
