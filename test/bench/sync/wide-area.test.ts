import { expect, it } from 'vitest'
import { trafficIn } from './wide-area.ts'

const TABLE = `
ESTAB 0 0 10.77.0.1:7400 10.77.0.2:44100 cubic wscale:7,7 rto:244 bytes_sent:1500 bytes_retrans:100 bytes_acked:1400 bytes_received:300 segs_out:9 segs_in:4
ESTAB 0 0 [::ffff:10.77.0.1]:7401 [::ffff:10.77.0.2]:44102 cubic bytes_sent:50 bytes_acked:50 bytes_received:7
ESTAB 0 0 10.77.9.1:7400 10.77.9.2:44100 cubic bytes_sent:9000 bytes_received:9000
`

it('reads what the sockets with these peers carried, each byte once', () => {
  const sockets = trafficIn(TABLE, new Set(['10.77.0.2']))
  expect([...sockets.values()]).toEqual([
    { port: 7400, peer: '10.77.0.2', payload: { up: 300, down: 1400 }, wire: { up: 300 + 4 * 66, down: 1500 + 9 * 66 } },
    { port: 7401, peer: '10.77.0.2', payload: { up: 7, down: 50 }, wire: { up: 7, down: 50 } },
  ])
})
