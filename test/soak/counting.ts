/**
 * For the soak: either end of a TCP connection that counts, as a process of its own in some host.
 *
 *     counting.ts serve PORT      echoes
 *     counting.ts count PORT      says 0, 1, 2 … a hundred times a second, and whether the echoes say the same; connects anew for ever
 *
 * The client prints a line of JSON each second: `{"echoed", "wrong", "broken"}`, since it was started.
 */
import { type Socket, connect, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const HOST = '127.0.0.1'
const EVERY_MS = 10
const AGAIN_MS = 300
const REPORT_MS = 1_000
const NUMBER_BYTES = 8
/** So many numbers may wait for their echo. */
const AHEAD_MAX = 500

const [job, portText] = process.argv.slice(2)
const port = Number(portText)
const tally = { echoed: 0, wrong: 0, broken: 0 }

if (job === 'serve') {
  createServer({ allowHalfOpen: true, noDelay: true }, (socket) => socket.on('error', () => {}).pipe(socket)).listen(port, HOST)
} else {
  setInterval(() => process.stdout.write(`${JSON.stringify(tally)}\n`), REPORT_MS)
  for (;;) {
    await count(connect({ host: HOST, port, noDelay: true }))
    await pause(AGAIN_MS)
  }
}

/** Until the connection ends, however it does. */
function count(socket: Socket): Promise<void> {
  let [said, echoed] = [0, 0]
  let rest = Buffer.alloc(0)
  const saying = setInterval(() => {
    if (socket.readyState !== 'open' || said - echoed >= AHEAD_MAX) return
    const number = Buffer.alloc(NUMBER_BYTES)
    number.writeDoubleBE(said++)
    socket.write(number)
  }, EVERY_MS)
  socket.on('error', () => {})
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes])
    for (; rest.length >= NUMBER_BYTES; rest = rest.subarray(NUMBER_BYTES)) {
      if (rest.readDoubleBE() === echoed++) tally.echoed++
      else tally.wrong++
    }
  })
  return new Promise((resolve) => {
    socket.once('close', () => {
      clearInterval(saying)
      if (echoed > 0) tally.broken++
      resolve()
    })
  })
}
