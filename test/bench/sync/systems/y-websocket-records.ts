/**
 * The trace in Yjs documents, laid out as well as it gets: a document for each site and one for config, in them a map for
 * each kind of record, in that a map for each record, of which only the fields are set that changed.
 */
import * as Y from 'yjs'
import type { Sight } from '../participant.ts'
import { type Change, type Fields, type Kind, identityOf } from '../trace.ts'

export const CONFIG_DOCUMENT = 'config'
const KINDS: readonly Kind[] = ['vital', 'task', 'config']

export function documentOf({ site }: Pick<Change, 'site'>): string {
  return site === undefined ? CONFIG_DOCUMENT : `site-${site}`
}

export function writeTo(document: Y.Doc, { kind, key, value, changed }: Change): void {
  document.transact(() => {
    const records = document.getMap<Y.Map<string | number>>(kind)
    const record = records.get(key)
    if (record) for (const name of changed) record.set(name, value[name] ?? '')
    else records.set(key, new Y.Map<string | number>(Object.entries(value)))
  })
}

/** Tells of every record that somebody else changes from now on. */
export function watch(document: Y.Doc, site: number | undefined, sight: Sight): void {
  for (const kind of KINDS) {
    document.getMap<Y.Map<string | number>>(kind).observeDeep((events, { local }) => {
      if (local) return
      for (const { path, target, keys } of events) {
        const changed =
          path.length === 0
            ? [...keys.keys()].map((key) => [key, target.get(key) as Y.Map<string | number>] as const)
            : [[String(path[0]), target as Y.Map<string | number>] as const]
        for (const [key, record] of changed) {
          if (kind === 'vital') sight.sawVital()
          else sight.saw(identityOf(kind, site, key, record.toJSON() as Fields))
        }
      }
    })
  }
}
