import fc from 'fast-check'
import { expect, it } from 'vitest'
import { labCredentials, labCrypto } from './replica-lab.ts'
import { ReplicatedDocument } from './replicated-document.ts'
import { Audience } from './sync-audience.ts'
import { SyncSession } from './sync-session.ts'

const SITES = ['hkg-1', 'nrt-2']
const PEERS = ['a', 'b', 'c']

const DOCUMENTS = SITES.flatMap((partition) =>
  ['tasks', 'config'].flatMap((collection) =>
    PEERS.map((writer) => new ReplicatedDocument({ collection, partition, writer }, labCrypto(writer), labCredentials())),
  ),
)

it('the audience of a document is exactly the sessions that it is offered to, whoever came, went, and wanted something else', () => {
  const patterns = fc.uniqueArray(fc.constantFrom('tasks/hkg-1', 'tasks/*', 'config/**', '**', '*/nrt-2'), { maxLength: 3 })
  const opened = fc.record({ peer: fc.constantFrom(...PEERS), relation: fc.constantFrom('up' as const, 'down' as const, 'mesh' as const) })
  const step = fc.record({ opened: fc.option(opened, { freq: 2 }), at: fc.nat(2), wanted: fc.option(patterns) })
  const property = fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
    const audience = new Audience()
    const sessions: SyncSession[] = []
    for (const [number, { opened: other, at, wanted }] of steps.entries()) {
      const session = sessions[at]
      if (other) {
        const added = new SyncSession({ number, ...other, self: 'hub', documents: () => undefined })
        sessions.push(added)
        audience.add(added)
      } else if (session && wanted) {
        audience.wants(session, { type: 'interest', version: 1, id: number, patterns: wanted, core: false })
      } else if (session) {
        audience.forget(session)
        sessions.splice(at, 1)
      }
    }
    for (const document of DOCUMENTS)
      expect(new Set(audience.of(document))).toEqual(new Set(sessions.filter((session) => session.offers(document))))
    for (const peer of PEERS) expect(new Set(audience.with(peer))).toEqual(new Set(sessions.filter((session) => session.peer === peer)))
    expect(audience.ups).toEqual(new Set(sessions.filter(({ relation }) => relation === 'up')))
  })
  fc.assert(property, { numRuns: 500 })
})
