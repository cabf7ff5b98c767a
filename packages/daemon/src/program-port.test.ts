import { expect, test, vi } from 'vitest'
import { LIMITS } from '@causeway/protocol'
import type { NodeInput } from '@causeway/node'
import { ProgramPort } from './program-port.ts'

/** A machine that numbers channels, and notes what it is given. */
class FakeMachine {
  readonly given: NodeInput[] = []
  busy = false
  readonly port: ProgramPort = new ProgramPort((input) => {
    this.given.push(input)
    return !this.busy
  }, LIMITS)

  openLast(): void {
    this.port.effect({ type: 'channelOpened', request: 1, channel: 7, error: null })
  }
}

const bytes = (value: number, length = 1): Uint8Array => new Uint8Array(length).fill(value)
const tick = (): Promise<void> => new Promise((resolve) => queueMicrotask(resolve))

test('what is sent in one turn is one input, also what was sent before the channel had its number', async () => {
  const it = new FakeMachine()
  const { port, given } = it
  const channel = port.open('hkg-1-a', 'signal')
  channel.send(bytes(1))
  channel.send(bytes(2))
  expect(given).toEqual([{ type: 'openChannel', request: 1, to: 'hkg-1-a', service: 'signal', class: 'ordered' }])
  it.openLast()
  channel.send(bytes(3))
  channel.send(bytes(4))
  await tick()
  expect(given.slice(1)).toEqual([
    { type: 'channelWrite', channel: 7, messages: [bytes(1), bytes(2)] },
    { type: 'channelWrite', channel: 7, messages: [bytes(3), bytes(4)] },
  ])
  channel.send(bytes(5))
  channel.finish()
  expect(given.slice(3)).toEqual([
    { type: 'channelWrite', channel: 7, messages: [bytes(5)] },
    { type: 'channelFinish', channel: 7 },
  ])
})

test('a full channel says so, and when it is free again', () => {
  const it = new FakeMachine()
  const { port } = it
  const channel = port.open('hkg-1-a', 'bulk')
  const writable = vi.fn<() => void>()
  channel.listen({ messages: () => undefined, ended: () => undefined, writable })
  it.openLast()
  expect(channel.send(bytes(0))).toBe(true)
  port.effect({ type: 'channelBlocked', channel: 7 })
  expect(channel.send(bytes(0))).toBe(false)
  expect(writable).not.toHaveBeenCalled()
  port.effect({ type: 'channelWritable', channel: 7 })
  expect(writable).toHaveBeenCalledTimes(1)
  expect(channel.send(bytes(0))).toBe(true)
})

test('a loop that sends until it is refused ends, also while the machine is busy', async () => {
  const it = new FakeMachine()
  const channel = it.port.open('hkg-1-a', 'bulk')
  const writable = vi.fn<() => void>()
  channel.listen({ messages: () => undefined, ended: () => undefined, writable })
  it.openLast()
  it.busy = true
  let sent = 0
  while (channel.send(bytes(0, 1000))) sent++
  expect(sent).toBeLessThan(1000)
  await tick()
  expect(writable).toHaveBeenCalledTimes(1)
})

test('while a channel is paused what arrives waits, and counts as unread', () => {
  const it = new FakeMachine()
  const { port, given } = it
  const channel = port.open('hkg-1-a', 'bulk')
  const got: number[] = []
  const ended = vi.fn<(reason: string | null) => void>()
  channel.listen({ messages: (messages) => void got.push(...messages.map(([value]) => value ?? -1)), ended })
  it.openLast()
  given.length = 0
  channel.pause()
  port.effect({ type: 'channelMessages', channel: 7, messages: [bytes(1, 10), bytes(2, 10)] })
  port.effect({ type: 'channelMessages', channel: 7, messages: [bytes(3, 10)] })
  expect(got).toEqual([])
  channel.resume()
  expect(got).toEqual([1, 2, 3])
  expect(given.map((input) => input.type === 'channelUnread' && input.bytes)).toEqual([20, 10, -30])
  channel.pause()
  port.effect({ type: 'channelMessages', channel: 7, messages: [bytes(4)] })
  port.effect({ type: 'channelEnded', channel: 7, reason: null })
  expect(got).toEqual([1, 2, 3, 4])
  expect(ended).toHaveBeenCalledExactlyOnceWith(null)
  expect(channel.send(bytes(5))).toBe(false)
})

test('a service has one program, and its channels come with the name of the peer', () => {
  const { port, given } = new FakeMachine()
  const channels: string[] = []
  const close = port.serve('signal', (channel) => channels.push(`${channel.peer} ${channel.class}`))
  expect(() => port.serve('signal', () => undefined)).toThrow(/offered already/)
  port.effect({ type: 'channelAccepted', channel: 9, peer: 'nrt-1-a', service: 'signal', class: 'twin' })
  expect(channels).toEqual(['nrt-1-a twin'])
  close()
  port.effect({ type: 'channelAccepted', channel: 10, peer: 'nrt-1-a', service: 'signal', class: 'ordered' })
  expect(given.at(-1)).toMatchObject({ type: 'channelReset', channel: 10 })
  expect(() => port.open('No Name', 'signal')).toThrow(/not the name of a node/)
})

test.each([
  ['ordered', LIMITS.messageBytesMax],
  ['twin', LIMITS.datagramMessageBytesMax],
] as const)('a message that is too long is refused here, not at the other end (%s)', (frameClass, most) => {
  const channel = new FakeMachine().port.open('hkg-1-a', 'bulk', { class: frameClass })
  channel.send(new Uint8Array(most))
  expect(() => channel.send(new Uint8Array(most + 1))).toThrow(/is longer than a channel of class/)
})
