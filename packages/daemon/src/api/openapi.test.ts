/** The document by itself; that it is OpenAPI and tells the truth is tested on a running node. */
import { expect, test } from 'vitest'
import { openApiDocument } from './openapi.ts'
import { OPERATIONS } from './operations.ts'
import { apiReference } from './reference.ts'

const document = openApiDocument('1.2.3') as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly operationId: string; readonly parameters?: unknown[] }>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

test('every operation is in it, once', () => {
  const ids = Object.values(document.paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId))
  expect(ids.toSorted()).toEqual(Object.keys(OPERATIONS).toSorted())
})

test('every reference leads somewhere, and every schema is used', () => {
  const text = JSON.stringify(document)
  const referred = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name))
  expect([...referred].toSorted()).toEqual(Object.keys(document.components.schemas).toSorted())
})

test('numbers and choices of a query are what they stand for', () => {
  expect(document.paths['/v1/ping/{to}']?.['post']?.parameters).toContainEqual({
    name: 'count',
    in: 'query',
    required: false,
    schema: { type: 'integer', minimum: 1, maximum: 1_000_000 },
  })
  expect(document.paths['/v1/kv/{collection}/{key}']?.['put']?.parameters).toContainEqual({
    name: 'label',
    in: 'query',
    required: false,
    schema: { type: 'array', items: { type: 'string' } },
  })
})

test('the reference in docs is made of it (vitest -u writes it anew)', async () => {
  await expect(apiReference()).toMatchFileSnapshot('../../../../docs/api.md')
})
