import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CausewayError, type ErrorCode, type RecordView, type WatchEvent } from '@causeway/protocol'
import { type WatchStreamOptions, watchStream } from './watch-stream.ts'

const fault = (code: ErrorCode) => new CausewayError(code, `it is ${code}`, 'try again')
const record = (key: string, revision = '1'): RecordView => ({ key, partition: 'p', value: 1, labels: {}, revision, writer: 'w', asOf: 0 })
const event = (type: 'ADDED' | 'MODIFIED' | 'DELETED', key: string, revision?: string): WatchEvent => ({
  type,
  record: record(key, revision),
})
const bookmark = (token: string): WatchEvent => ({ type: 'BOOKMARK', token, complete: true })

/** Connections, one after the other: what each tells, and the fault it ends with; the last one ends by the reader's stop. */
async function read(connections: readonly (readonly (WatchEvent | CausewayError)[])[], options: WatchStreamOptions = {}) {
  const stop = new AbortController()
  const asked: (string | undefined)[] = []
  const told: string[] = []
  const interruptions: string[] = []
  async function* open(since: string | undefined): AsyncGenerator<WatchEvent> {
    const script = connections[asked.length] ?? []
    asked.push(since)
    for (const item of script) {
      if (item instanceof Error) throw item
      yield item
    }
    if (asked.length >= connections.length) stop.abort()
  }
  const onInterrupted = ({ code }: CausewayError) => void interruptions.push(code)
  let thrown: unknown
  try {
    for await (const one of watchStream(open, { signal: stop.signal, onInterrupted, ...options }))
      told.push('record' in one ? `${one.type} ${one.record.key}${one.record.revision}` : one.type)
  } catch (error) {
    thrown = error
  }
  return { asked, told, interruptions, thrown }
}

describe('a watch that survives its connection', () => {
  test('goes on since the last bookmark, and tells nothing twice', async () => {
    const first = [event('ADDED', 'a'), bookmark('t1'), event('ADDED', 'b'), event('MODIFIED', 'a', '2'), fault('daemon-unreachable')]
    const second = [event('MODIFIED', 'a', '2'), event('MODIFIED', 'b'), event('MODIFIED', 'c'), event('DELETED', 'z'), bookmark('t2')]
    const { asked, told, interruptions, thrown } = await read([first, second])
    expect(thrown).toBeUndefined()
    expect(asked).toEqual([undefined, 't1'])
    expect(told).toEqual(['ADDED a1', 'BOOKMARK', 'ADDED b1', 'MODIFIED a2', 'ADDED c1', 'BOOKMARK'])
    expect(interruptions).toEqual(['daemon-unreachable'])
  })

  test('lists again when its token is too old, says so, and tells the difference', async () => {
    const first = [event('ADDED', 'a'), event('ADDED', 'b'), event('ADDED', 'c'), bookmark('t1'), fault('timeout')]
    const { asked, told } = await read([
      first,
      [fault('gone')],
      [event('ADDED', 'a'), event('ADDED', 'b', '2'), event('ADDED', 'd'), bookmark('t2')],
    ])
    expect(asked).toEqual([undefined, 't1', undefined])
    expect(told.slice(4)).toEqual(['RELISTED', 'MODIFIED b2', 'ADDED d1', 'DELETED c1', 'BOOKMARK'])
  })

  test('that broke before its first bookmark begins anew', async () => {
    const { asked, told } = await read([
      [event('ADDED', 'a'), event('ADDED', 'b'), fault('daemon-unreachable')],
      [event('ADDED', 'b'), bookmark('t')],
    ])
    expect(asked).toEqual([undefined, undefined])
    expect(told).toEqual(['ADDED a1', 'ADDED b1', 'DELETED a1', 'BOOKMARK'])
  })

  test('that began with a token passes on what it cannot judge', async () => {
    const { told } = await read([[event('MODIFIED', 'a', '2'), event('DELETED', 'b'), bookmark('t')]], { since: 't0' })
    expect(told).toEqual(['MODIFIED a2', 'DELETED b1', 'BOOKMARK'])
    const again = [event('ADDED', 'a', '2'), bookmark('t2')]
    const relisted = await read([[event('MODIFIED', 'a', '2'), fault('timeout')], [fault('gone')], again], { since: 't0' })
    expect(relisted.told).toEqual(['MODIFIED a2', 'RELISTED', 'ADDED a2', 'BOOKMARK'])
  })

  test('forgets what is not held any more', async () => {
    const unsynced: WatchEvent = { type: 'UNSYNCED', partition: 'p' }
    const { told } = await read([[event('ADDED', 'a'), bookmark('t'), unsynced, event('ADDED', 'a')]])
    expect(told).toEqual(['ADDED a1', 'BOOKMARK', 'UNSYNCED', 'ADDED a1'])
  })

  test('throws what no repetition can mend, and everything if it is told not to resume', async () => {
    expect(await read([[fault('daemon-unreachable')]])).toMatchObject({ thrown: { code: 'daemon-unreachable' }, asked: [undefined] })
    expect(await read([[bookmark('t'), fault('usage')]])).toMatchObject({ thrown: { code: 'usage' } })
    const once = await read([[bookmark('t'), fault('timeout')]], { resume: false })
    expect(once).toMatchObject({ thrown: { code: 'timeout' }, told: ['BOOKMARK'] })
  })

  test('tells each record ADDED once, then MODIFIED, until DELETED, wherever it breaks', async () => {
    const key = fc.constantFrom('a', 'b', 'c')
    const change = fc.record({
      type: fc.constantFrom('ADDED' as const, 'MODIFIED' as const, 'DELETED' as const),
      key,
      revision: fc.constantFrom('1', '2'),
    })
    const connection = fc.array(fc.oneof(change, fc.constant('bookmark' as const)), { maxLength: 8 })
    const end = fc.constantFrom<ErrorCode>('timeout', 'gone')
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(connection, end), { minLength: 1, maxLength: 3 }), async (scripts) => {
        const connections = scripts.map(([events, code], at) => {
          const told = events.map((one) => (one === 'bookmark' ? bookmark('t') : event(one.type, one.key, one.revision)))
          const last = at === scripts.length - 1
          // A connection that never came to a bookmark has no token to be too old.
          return [bookmark('t'), ...told, ...(last ? [bookmark('t')] : [fault(code)])]
        })
        const known = new Map<string, string>()
        const { told, thrown } = await read(connections)
        expect(thrown).toBeUndefined()
        for (const line of told) {
          const [type = '', name = ''] = line.split(' ')
          const id = name.slice(0, 1)
          if (type === 'ADDED') expect(known.has(id)).toBe(false)
          if (type === 'MODIFIED') expect(known.get(id)).not.toBe(name)
          if (type === 'MODIFIED' || type === 'DELETED') expect(known.has(id)).toBe(true)
          if (type === 'DELETED') known.delete(id)
          else if (name !== '') known.set(id, name)
        }
      }),
      { numRuns: 15 },
    )
  })
})
