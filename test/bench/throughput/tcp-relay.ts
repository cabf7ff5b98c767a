/** A relay of node:net: passes each connection to a port on to the same port of the next host. Arguments: own address, next one, ports. */
import { type Socket, connect, createServer } from 'node:net'

const [at = '', next = '', ...ports] = process.argv.slice(2)
for (const port of ports.map(Number)) {
  createServer({ noDelay: true }, (from) => {
    const to = connect({ host: next, port, noDelay: true })
    passOn(from, to)
    passOn(to, from)
  }).listen(port, at)
}

function passOn(from: Socket, to: Socket): void {
  from.pipe(to)
  from.on('error', () => to.destroy())
}
