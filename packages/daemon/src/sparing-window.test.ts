import { expect, test } from 'vitest'
import { type WindowedStream, spare } from './sparing-window.ts'

/** Receives `bytes` as js-yamux does: it takes them from the window, then offers an update. */
function receive(stream: { recvWindowCapacity: number } & WindowedStream, bytes: number): void {
  stream.recvWindowCapacity -= bytes
  stream.sendWindowUpdate()
}

test('an established stream tells of its window once half of it is used, one that is being opened at once', () => {
  let updates = 0
  const stream = {
    state: 3,
    recvWindow: 1_000,
    recvWindowCapacity: 1_000,
    sendWindowUpdate(): void {
      updates++
      this.recvWindowCapacity = this.recvWindow
    },
  }
  spare(stream)
  for (let i = 0; i < 100; i++) receive(stream, 10)
  expect(updates).toBe(2)
  stream.state = 2
  receive(stream, 10)
  expect(updates).toBe(3)
})
