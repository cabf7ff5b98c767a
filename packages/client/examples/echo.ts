/**
 * Channels: says something to a TCP service of the network and prints what comes back, then the same with datagrams to a UDP service.
 *
 *     node echo.ts SERVICE@SITE TEXT      beside a node whose socket is ./causeway.sock, or CAUSEWAY_API
 */
import { text } from 'node:stream/consumers'
import { connect } from '@causeway/client'

const [service = 'echo@nrt-2', word = 'hello'] = process.argv.slice(2)
const causeway = await connect()

const stream = await causeway.open(service)
stream.end(word)
console.log(`stream: ${await text(stream)}`)

const datagrams = await causeway.datagrams(service, { class: 'twin' })
// Datagrams may be lost, so they are repeated until there is an answer.
const repeating = setInterval(() => datagrams.send(new TextEncoder().encode(word)), 200)
for await (const answer of datagrams) {
  console.log(`datagram: ${new TextDecoder().decode(answer)}`)
  break
}
clearInterval(repeating)
datagrams.close()
