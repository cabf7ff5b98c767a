/**
 * `/openapi.json`: the API as OpenAPI 3.1 has it, made of the schemas that check requests and of those of the answers. Loaded
 * and made when it is first asked for.
 */
import { z } from 'zod'
import { DESCRIPTIONS, type Description } from './descriptions.ts'
import type { Operation } from './operation.ts'
import { OPERATIONS, type OperationId } from './operations.ts'
import { problem, registry } from './views.ts'

type Json = Readonly<Record<string, unknown>>

const SCHEMAS = '#/components/schemas/'
/** What operations are about. */
export const TAGS: Readonly<Record<string, string>> = {
  node: 'The node itself',
  network: 'Links, ways and channels',
  fleet: 'Nodes and sites as this node has heard of them',
  records: 'Records, read and written on the replica of this node; they spread from there',
  shared: 'Documents that applications hold as a Y.Doc and edit together',
  services: 'Programs that know nothing of the network',
  tasks: 'What is to run once, and those who run it',
}
const ABOUT = `What a node tells and takes, over HTTP/1.1 on a Unix socket that only its owner can open, and over loopback if its config says so; \
there every request bears the token that is in the data directory. Times are milliseconds since 1970, units are in the names, what was not \
measured is null. Names never change their meaning; fields are added.`
const LINES = 'one JSON document per line; a last line {"error": Problem} tells of a fault after the beginning'
const FRESHNESS = {
  'Causeway-As-Of': 'when this site was last connected, in milliseconds since 1970, or null',
  'Causeway-Cut-Off': 'whether it is cut off: others may have written what is not shown',
}

export function openApiDocument(version: string): Json {
  const { schemas } = z.toJSONSchema(registry, { io: 'input', uri: (id) => `${SCHEMAS}${id}` })
  return {
    openapi: '3.1.1',
    info: { title: 'Causeway local API', version, description: ABOUT, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [
      { url: 'http://localhost', description: 'the socket of the node: curl --unix-socket causeway.sock' },
      { url: 'http://127.0.0.1:7480', description: 'api.http of its config' },
    ],
    security: [{}, { token: [] }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: pathsOf(),
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, plain(schema)])),
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'what is in DATADIR/api.token' } },
      responses: {
        Problem: {
          description: 'Why not, and what to do about it',
          content: { 'application/problem+json': { schema: schemaOf(problem) } },
        },
      },
    },
  }
}

function pathsOf(): Json {
  const ids = Object.keys(OPERATIONS) as OperationId[]
  const groups = Map.groupBy(ids, (id) => OPERATIONS[id].path)
  const operation = (id: OperationId): [string, Json] => [OPERATIONS[id].method, operationOf(id, OPERATIONS[id], DESCRIPTIONS[id])]
  return Object.fromEntries([...groups].map(([path, those]) => [path, Object.fromEntries(those.map(operation))]))
}

function operationOf(id: OperationId, { parameters = {}, query = {}, body, bodyOptional }: Operation, told: Description): Json {
  const { tag, summary, description, headers = {} } = told
  const all = [
    ...Object.entries(parameters).map(([name, schema]) => ({ name, in: 'path', required: true, schema: textOf(schema) })),
    ...Object.entries(query).map(([name, schema]) => ({ name, in: 'query', required: false, schema: textOf(schema) })),
    ...Object.entries(headers).map(([name, meaning]) => ({ name, in: 'header', description: meaning, schema: { type: 'string' } })),
  ]
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(all.length > 0 && { parameters: all }),
    ...(body && { requestBody: { required: bodyOptional !== true, content: bodyContent(id, schemaOf(body)) } }),
    responses: { ...answersOf(told), '4XX': { $ref: '#/components/responses/Problem' }, '5XX': { $ref: '#/components/responses/Problem' } },
  }
}

function bodyContent(id: OperationId, schema: Json): Json {
  return id === 'patchRecord'
    ? { 'application/merge-patch+json': { schema }, 'application/json': { schema } }
    : { 'application/json': { schema } }
}

function answersOf({ tag, answers, lines, mediaType = 'application/json' }: Description): Json {
  const headers = Object.fromEntries(
    Object.entries(FRESHNESS).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
  )
  const statuses = lines && !(200 in answers) ? { ...answers, 200: null } : answers
  return Object.fromEntries(
    Object.entries(statuses).map(([status, schema]) => {
      const stream = lines && status === '200' && { 'application/x-ndjson': { schema: lineOf(lines) } }
      const content = { ...(schema && { [mediaType]: { schema: schemaOf(schema) } }), ...stream }
      const more = Object.keys(content).length > 0 && { content }
      return [status, { description: DONE[status] ?? 'Done', ...(tag === 'records' && { headers }), ...more }]
    }),
  )
}

/** One of a stream: what it is of, or the fault that ends it. */
function lineOf(schema: z.ZodType): Json {
  const fault = { type: 'object', properties: { error: schemaOf(problem) }, required: ['error'], additionalProperties: false }
  return { anyOf: [schemaOf(schema), fault], description: LINES }
}

const DONE: Readonly<Record<string, string>> = {
  200: 'As asked',
  201: 'Made',
  202: 'Kept for later',
  204: 'Done; there is nothing to tell',
}

/** Of a body, or an answer: as it is sent. */
function schemaOf(schema: z.ZodType): Json {
  const id = registry.get(schema)?.id
  return id === undefined ? plain(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', override: refer })) : { $ref: SCHEMAS + id }
}

/** Of a part of the path or the query: what the text stands for. */
function textOf(schema: z.ZodType): Json {
  return plain(z.toJSONSchema(schema, { io: 'output' }))
}

/** What has a name is referred to by it. */
function refer({
  zodSchema,
  jsonSchema,
}: {
  readonly zodSchema: z.core.$ZodTypes
  readonly jsonSchema: z.core.JSONSchema.BaseSchema
}): void {
  const id = registry.get(zodSchema)?.id
  if (id === undefined) return
  for (const key of Object.keys(jsonSchema)) delete jsonSchema[key]
  jsonSchema.$ref = SCHEMAS + id
}

/** Without what JSON Schema says of itself. */
function plain(schema: object): Json {
  const { $schema: _schema, $id: _id, '~standard': _standard, ...rest } = schema as Record<string, unknown>
  return rest
}
