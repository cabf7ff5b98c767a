/** The API as people look it up: every operation in one line. All else is in the document itself. */
import { DESCRIPTIONS } from './descriptions.ts'
import { TAGS } from './openapi.ts'
import { OPERATIONS, type OperationId } from './operations.ts'

const HEAD = `# Local API

What a node tells and takes, for programs in any language: HTTP/1.1 on the Unix socket of its config (\`api.socket\`), which only its
owner can open; and on loopback, if \`api.http\` says so, for who sends \`Authorization: Bearer\` with what is in \`DATADIR/api.token\`.

    curl --unix-socket causeway.sock http://localhost/v1/status
    curl --unix-socket causeway.sock -X PUT -d '{"rate": 100}' 'http://localhost/v1/kv/config/limits?partition=global'
    curl --unix-socket causeway.sock -N 'http://localhost/v1/kv/config?watch=true'

Every node serves its own document, OpenAPI 3.1, made of the schemas that check the requests: \`/openapi.json\`. This page is made of the
same. A program in TypeScript imports \`@causeway/client\` instead.

- **Errors** are problem documents (RFC 9457) with \`code\` to branch on, \`detail\` for people, and \`remedy\`: what to do about it. A query
  that is not known, or given twice, is refused like one that is wrong. 4xx is the request's fault; 502, 503 and 504 tell of nodes that
  cannot be reached, 507 of a full disk.
- **Streams** (\`watch=true\`, \`follow\`, events, pings, workers) are one JSON document a line, for as long as the reader stays. A reader
  that is too slow gets a last line \`{"error": …}\`, as does one whose stream fails later.
- **Bounds:** a body of 1 MiB, nested 100 deep, whole within 10 s; a head of 128 KiB; 4,096 connections.
- **Names** never change their meaning, units are in them, what was not measured is \`null\`, instants are milliseconds since 1970.
`

/** Markdown. */
export function apiReference(): string {
  const sections = Object.entries(TAGS).map(([tag, about]) => {
    const ids = (Object.keys(OPERATIONS) as OperationId[]).filter((id) => DESCRIPTIONS[id].tag === tag)
    const rows = ids.map((id) => {
      const { method, path, query = {} } = OPERATIONS[id]
      const names = Object.keys(query).map((name) => `\`${name}\``)
      return `| \`${method.toUpperCase()} ${path}\` | ${DESCRIPTIONS[id].summary} | ${names.join(' ')} |`
    })
    return `## ${tag}\n\n${about}.\n\n| request | what it does | query |\n| --- | --- | --- |\n${rows.join('\n')}\n`
  })
  return [HEAD, ...sections].join('\n')
}
