/** What the bench of stores asks of a store: records that are safe when `put` resolves, and there again after a restart. */
export interface Table {
  put(key: string, value: unknown): Promise<void>
  get(key: string): unknown
  close(): Promise<void>
}

export type TableKind = 'causeway' | 'y-leveldb'

/** Loads the code of a store; what is returned opens one. `withHub`: where a hub matters, there is one. */
export async function loadTable(kind: TableKind, withHub: boolean): Promise<(directory: string) => Promise<Table>> {
  if (kind === 'causeway') {
    const { DrivenReplica } = await import('./driven-replica.ts')
    return (directory) => DrivenReplica.open(directory, withHub)
  }
  const { LevelDocument } = await import('./level-document.ts')
  return (directory) => LevelDocument.open(directory)
}
