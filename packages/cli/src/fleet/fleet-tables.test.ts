import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { NodeView, SiteView } from '@causeway/protocol'
import { nodesTable, sitesTable } from './fleet-tables.ts'

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5)

const NODE: NodeView = {
  ...{ node: 'hkg-1-a', site: 'hkg-1', region: 'apac', role: 'edge', verdict: 'alive', evidence: ['link', 'vitals'] },
  since: NOW_MS - 250_000,
  vitals: { cpu: 41.6, mem: 70, load: 1.5, netIn: 18_400_000, players: 12 },
  vitalsAgeMs: 1_200,
}
const SILENT: NodeView = {
  ...NODE,
  node: 'nrt-1-a',
  site: 'nrt-1',
  verdict: 'unknown',
  evidence: [],
  since: null,
  vitals: null,
  vitalsAgeMs: null,
}
const SITE: SiteView = {
  ...{ site: 'hkg-1', region: 'apac', verdict: 'alive', since: NOW_MS - 5_000, nodes: { total: 3, alive: 2 }, gateways: ['hkg-1-a'] },
  vitals: { cpu: { mean: 40, max: 90, sum: 80 }, netIn: { mean: 500, max: 600, sum: 1_000 } },
}

function cells(text: string): string[][] {
  return stripVTControlCharacters(text)
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/))
}

describe('nodes', () => {
  test('those in doubt come first, and a dash stands for what nobody told', () => {
    const [head, first, second] = cells(nodesTable([NODE, SILENT], { wide: false, nowMs: NOW_MS }))
    expect(head?.join('|')).toBe('NODE|SITE|REGION|ROLE|VERDICT|FOR|CPU|MEM|DISK|GPU|LOAD|IN|OUT')
    expect(first).toEqual(['nrt-1-a', 'nrt-1', 'apac', 'edge', 'unknown', ...Array.from({ length: 8 }, () => '-')])
    expect(second).toEqual(['hkg-1-a', 'hkg-1', 'apac', 'edge', 'alive', '4m10s', '42%', '70%', '-', '-', '1.50', '18.4 MB/s', '-'])
  })

  test('wide tells what applications do, and on what the verdict rests', () => {
    const [, silent, row] = cells(nodesTable([SILENT, NODE], { wide: true, nowMs: NOW_MS }))
    expect(row?.slice(-3)).toEqual(['1s', 'link,vitals', 'players=12'])
    expect(silent?.slice(-2)).toEqual(['-', 'none'])
  })

  test('what does not fit is counted', () => {
    const text = nodesTable([NODE, SILENT, { ...NODE, node: 'hkg-1-b' }], { wide: false, nowMs: NOW_MS, rowsMax: 1 })
    expect(cells(text).map(([first]) => first)).toEqual(['NODE', 'nrt-1-a', 'and 2 more'])
    expect(nodesTable([], { wide: false, nowMs: NOW_MS })).toBe('no nodes')
  })
})

test('sites: shares are means, network a sum', () => {
  const [head, row] = cells(sitesTable([SITE], { wide: false, nowMs: NOW_MS }))
  expect(head?.join('|')).toBe('SITE|REGION|VERDICT|FOR|NODES|GATEWAY|CPU|MEM|DISK|GPU|LOAD|IN|OUT|MAX CPU')
  expect(row).toEqual(['hkg-1', 'apac', 'alive', '5s', '2/3', 'hkg-1-a', '40%', '-', '-', '-', '-', '1.0 kB/s', '-', '90%'])
})
