/**
 * Requests that a node must refuse, each broken in one way at least: made of the document, so that a new operation is tried as
 * soon as it is there. What the document does not forbid is not made here, since the node may well do it.
 */
import fc from 'fast-check'
import type { DocumentedOperation, OpenDocument, Parameter } from './open-document.ts'
import type { SocketRequest } from './socket-request.ts'

export type BrokenRequest = SocketRequest

const METHODS = ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND', 'TRACE', 'SEARCH']
/** Text of any kind that can stand in a URL. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom('', '-1', '1e99', 'NaN', '../..', '\0', 'null', '💥', 'a'.repeat(3_000)),
)
const wordsOf = (parameter: Parameter): string => `${encodeURIComponent(parameter.name)}=${encodeURIComponent(validText(parameter))}`

export function brokenRequests(document: OpenDocument): fc.Arbitrary<BrokenRequest> {
  const { operations } = document
  const withBody = operations.filter(({ body }) => body !== undefined)
  const withQuery = operations.filter(({ parameters }) => parameters.some((each) => each.in === 'query'))
  const guarded = operations.filter(({ parameters }) => parameters.some((each) => each.in === 'path' && each.schema.pattern))
  return fc.oneof(
    fc.constantFrom(...operations).chain(withUnknownName),
    fc.constantFrom(...withQuery).chain(withWrongValue),
    fc.constantFrom(...guarded).chain(withWrongPath),
    { arbitrary: fc.constantFrom(...withBody).chain((operation) => withWrongBody(document, operation)), weight: 4 },
    { arbitrary: fc.constantFrom(...withBody).chain(withNoJson), weight: 2 },
    fc.constantFrom(...operations).chain((operation) => withWrongMethod(operations, operation)),
    nowhere,
    fc.constantFrom(...operations).chain(withWrongHead),
  )
}

/** What comes over the socket and is no HTTP, or nearly. */
export const rawBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 2_000 }),
  fc
    .tuple(
      fc.constantFrom(
        'GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n',
        'PUT /v1/kv/config/a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}',
        'POST /v1/tasks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
        'GET /v1/open/nothing@core HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: causeway-channel\r\n\r\n',
        'GET /v1/open/none@core?proto=udp HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: causeway-channel\r\n\r\n\0\0\0\x02hi\x01\0\0\0\x02',
      ),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
    )
    .map(([text, changes]) => {
      const bytes = Buffer.from(text)
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      return bytes
    }),
  // Cut off anywhere: nobody is there to be answered.
  fc
    .nat(60)
    .map((length) =>
      Buffer.from('PUT /v1/kv/config/a?partition=global HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{"a": 1').subarray(0, length + 1),
    ),
)

function withUnknownName(operation: DocumentedOperation): fc.Arbitrary<BrokenRequest> {
  const known = new Set(operation.parameters.map(({ name }) => name))
  const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((text) => !known.has(text) && text.isWellFormed())
  return fc.tuple(name, anyText).map(([unknown, value]) => valid(operation, `${encodeURIComponent(unknown)}=${escaped(value)}`))
}

function withWrongValue(operation: DocumentedOperation): fc.Arbitrary<BrokenRequest> {
  const query = operation.parameters.filter((each) => each.in === 'query')
  return fc.constantFrom(...query).chain((parameter) => {
    const twice = fc.constant(valid(operation, `${wordsOf(parameter)}&${wordsOf(parameter)}`))
    const { type, enum: choices } = parameter.schema
    const wrong = anyText
      .filter((text) => (choices ? !choices.includes(text) : !/^\d+(?:\.\d+)?$/.test(text)))
      .map((text) => valid(operation, `${parameter.name}=${escaped(text)}`))
    if (type === 'array') return withUnknownName(operation)
    return choices || type === 'integer' || type === 'number' ? fc.oneof(wrong, twice) : twice
  })
}

function withWrongPath(operation: DocumentedOperation): fc.Arbitrary<BrokenRequest> {
  const parameter = operation.parameters.find((each) => each.in === 'path' && each.schema.pattern)
  const form = new RegExp(parameter?.schema.pattern ?? '')
  return anyText
    .filter((text) => text.isWellFormed() && text !== '' && !/^\.+$/.test(text) && !text.includes('/') && !form.test(text))
    .map((text) => valid(operation, '', { [parameter?.name ?? '']: text }))
}

/** JSON, but not such as the document wants. */
function withWrongBody(document: OpenDocument, operation: DocumentedOperation): fc.Arbitrary<BrokenRequest> {
  const { body } = operation
  if (!body || document.fault(body, { any: ['thing'] }) === undefined) return withNoJson(operation)
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.record(
      {
        listen: fc.jsonValue(),
        to: fc.jsonValue(),
        spec: fc.jsonValue(),
        labels: fc.jsonValue(),
        reports: fc.jsonValue(),
        holding: fc.jsonValue(),
        slots: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
    fc
      .array(
        fc.record(
          { key: fc.jsonValue(), op: fc.constantFrom('put', 'patch', 'delete', 'eat'), value: fc.jsonValue(), labels: fc.jsonValue() },
          { requiredKeys: [] },
        ),
        { maxLength: 3 },
      )
      .map((changes) => ({ changes })),
  )
  return value
    .filter((json) => document.fault(body, json) !== undefined)
    .map((json) => ({ ...valid(operation), body: JSON.stringify(json) }))
}

/** A body that is no JSON, or none that can be kept, or too much of it. */
function withNoJson(operation: DocumentedOperation): fc.Arbitrary<BrokenRequest> {
  const small = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }).filter((text) => !isJson(text)),
    fc.uint8Array({ minLength: 1, maxLength: 200 }).filter((bytes) => !isJson(Buffer.from(bytes).toString())),
    fc.jsonValue().map((value) => `${JSON.stringify(value)}]`),
    fc.constantFrom('[', '{"a":').chain((open) => fc.integer({ min: 101, max: 20_000 }).map((depth) => open.repeat(depth))),
    fc.integer({ min: 101, max: 5_000 }).map((depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`),
    fc.constantFrom(String.raw`{"a":"\ud800"}`, String.raw`{"\udfff":1}`, 'NaN', 'undefined', "{'a':1}", '\u{feff}1 2'),
  )
  const huge = fc.integer({ min: 1_100_000, max: 1_500_000 }).map((length) => JSON.stringify('x'.repeat(length)))
  const body = fc.oneof({ arbitrary: small, weight: 60 }, { arbitrary: huge, weight: 1 })
  return body.map((bytes) => ({ ...valid(operation), body: bytes }))
}

function withWrongMethod(
  operations: readonly DocumentedOperation[],
  { path, parameters }: DocumentedOperation,
): fc.Arbitrary<BrokenRequest> {
  const shape = path.replace(':batch', '')
  const taken = new Set(operations.filter((each) => each.path.replace(':batch', '') === shape).map(({ method }) => method))
  if (taken.has('GET')) taken.add('HEAD')
  return fc.constantFrom(...METHODS.filter((method) => !taken.has(method))).map((method) => ({ method, path: filled(shape, parameters) }))
}

const nowhere: fc.Arbitrary<BrokenRequest> = fc
  .tuple(
    fc.constantFrom(...METHODS),
    fc.array(
      anyText.filter((text) => text.isWellFormed() && !/^\.{0,2}$/.test(text)),
      { minLength: 1, maxLength: 4 },
    ),
  )
  .map(([method, parts]) => ({ method, path: `/nowhere/${parts.map(encodeURIComponent).join('/')}` }))

function withWrongHead(operation: DocumentedOperation): fc.Arbitrary<BrokenRequest> {
  const conditional = operation.id === 'putRecord' || operation.id === 'patchRecord' || operation.id === 'deleteRecord'
  const heads: fc.Arbitrary<BrokenRequest['headers']>[] = [
    fc.constant({ expect: 'the unexpected' }),
    fc.constantFrom('a b', 'x/y', '[', 'a:b:c', '@').map((host) => ({ host })),
    fc.constant({ 'x-much': 'm'.repeat(140_000) }),
  ]
  if (conditional) heads.push(fc.constantFrom('"r1"', 'W/"r"', 'nonsense').map((match) => ({ 'if-none-match': match })))
  return fc.oneof(...heads).map((headers) => ({ ...valid(operation), headers: headers ?? {} }))
}

/** With nothing wrong but what is added to it. Its address is nothing that exists. */
function valid(operation: DocumentedOperation, query = '', parts: Readonly<Record<string, string>> = {}): BrokenRequest {
  const { method, path, parameters, body } = operation
  return { method, path: `${filled(path, parameters, parts)}${query === '' ? '' : `?${query}`}`, body: body && '{}' }
}

function filled(path: string, parameters: readonly Parameter[], parts: Readonly<Record<string, string>> = {}): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const parameter = parameters.find((each) => each.name === name)
    return encodeURIComponent(parts[name] ?? (parameter ? validText(parameter) : 'x'))
  })
}

function validText({ schema: { enum: choices, type } }: Parameter): string {
  return choices?.[0] ?? (type === 'integer' || type === 'number' ? '1' : 'nobody')
}

/** As it stands in a query; what cannot be encoded is left as it is, cut to what a URL may hold. */
function escaped(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : '%ff%'
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
