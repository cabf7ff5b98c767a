import { expect, test } from 'vitest'
import { sharesOf } from './packet-capture.ts'

const CAPTURED = `
10:00:00.000001 h1    Out ifindex 3 02:00:00:00:01:01 10.77.1.1.7400 > 10.77.1.2.7400: UDP, length 42
10:00:00.020001 h1    In  ifindex 3 02:00:00:00:01:02 10.77.1.2.7400 > 10.77.1.1.7400: UDP, length 42
10:00:00.030001 h2    Out ifindex 4 02:00:00:00:02:01 10.77.2.1.40000 > 10.77.2.2.7400: tcp 0
10:00:00.040001 h2    Out ifindex 4 02:00:00:00:02:01 10.77.2.1.40000 > 10.77.2.2.7400: tcp 100
10:00:00.050001 s2    Out ifindex 5 02:00:00:00:03:01 10.77.3.1.7400 > 10.77.3.2.7400: UDP, length 42
2 packets captured
`

test('packets are sorted by what they are, and counted as the interface counts them', () => {
  expect(sharesOf(CAPTURED, ['h1', 'h2'])).toEqual([
    { what: 'TCP with data', bytesOut: 166, bytesIn: 0 },
    { what: 'UDP of 42 bytes', bytesOut: 84, bytesIn: 84 },
    { what: 'TCP, bare acknowledgements', bytesOut: 66, bytesIn: 0 },
  ])
})
