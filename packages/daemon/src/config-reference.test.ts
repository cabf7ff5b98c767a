/** What is published of the config is what the node checks with. `vitest -u` writes both files anew. */
import { parse } from 'yaml'
import { describe, expect, it } from 'vitest'
import { configJsonSchema, configKeys } from './config-keys.ts'
import { configReference } from './config-reference.ts'

const DOCS = '../../../docs'

describe('the published config', () => {
  it('is the reference in docs', async () => {
    await expect(configReference()).toMatchFileSnapshot(`${DOCS}/config.md`)
  })

  it('is the JSON Schema in docs', async () => {
    await expect(`${JSON.stringify(configJsonSchema(), null, 2)}\n`).toMatchFileSnapshot(`${DOCS}/config.schema.json`)
  })

  it('explains every key', () => {
    const keys = configKeys()
    expect(keys.length).toBeGreaterThan(40)
    expect(keys.filter(({ description }) => description.length < 10).map(({ path }) => path.join('.'))).toEqual([])
    const sections = Object.entries(configJsonSchema().properties ?? {}).filter(([, { description }]) => !description)
    expect(sections.map(([name]) => name)).toEqual([])
  })

  it('has defaults as one writes them', () => {
    const defaults = Object.fromEntries(configKeys().map(({ path, default: value }) => [path.join('.'), value]))
    expect(defaults).toMatchObject({
      'listen.tcp': '0.0.0.0:7400',
      'api.socket': './causeway.sock',
      uplinks: 4,
      services: [],
      'vitals.system': true,
    })
    expect(parse(String(defaults['dataDir']))).toBe('./data')
  })
})
