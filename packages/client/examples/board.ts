/**
 * A board on which many write: each line that is typed is added to it, and all that is added, here or elsewhere, is printed.
 *
 *     node board.ts [NAME]          beside a node whose socket is ./causeway.sock, or CAUSEWAY_API
 *
 * The node must want `documents/NAME` (`state.interest`), and its credential must let it write there (`--write documents/NAME`).
 */
import { createInterface } from 'node:readline'
import * as Y from 'yjs'
import { connect } from '@causeway/client'

const causeway = await connect()
const doc = new Y.Doc()
const lines = doc.getArray<string>('lines')
lines.observe(({ changes }) => {
  for (const { insert = [] } of changes.delta) for (const line of insert as string[]) console.log(line)
})
const board = await causeway.shared(process.argv[2] ?? 'board').attach(doc, Y, { onInterrupted: (fault) => console.error(fault.message) })
board.ended.catch((fault: Error) => {
  console.error(fault.message)
  process.exitCode = 1
})

for await (const line of createInterface({ input: process.stdin })) lines.push([line])
await board.flushed()
await board.close()
