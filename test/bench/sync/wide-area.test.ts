import { expect, it } from 'vitest'
import { payloadIn } from './wide-area.ts'

const TABLE = `
ESTAB 0 0 10.77.0.1:7400 10.77.0.2:44100 cubic wscale:7,7 rto:244 bytes_sent:1500 bytes_retrans:100 bytes_acked:1400 bytes_received:300 segs_out:9
ESTAB 0 0 [::ffff:10.77.0.1]:7401 [::ffff:10.77.0.2]:44102 cubic bytes_sent:50 bytes_acked:50 bytes_received:7
ESTAB 0 0 10.77.9.1:7400 10.77.9.2:44100 cubic bytes_sent:9000 bytes_received:9000
`

it('reads what the sockets with these peers carried, each byte once', () => {
  const sockets = payloadIn(TABLE, new Set(['10.77.0.2']))
  expect([...sockets.values()]).toEqual([
    { up: 300, down: 1400 },
    { up: 7, down: 50 },
  ])
})
