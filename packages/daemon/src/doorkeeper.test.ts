import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Doorkeeper } from './doorkeeper.ts'
import { knockOf } from './knock.ts'
import { ScriptedCaller } from './scripted-caller.ts'

const KNOCK = knockOf(new Uint8Array(32).fill(7))
const line = (text: string): string => `${String.fromCharCode(text.length + 1)}${text}\n`
const words = (handshake: string): Buffer => Buffer.from(line('/multistream/1.0.0') + line(handshake))
const MEMBER = words(KNOCK)
const STRANGER = words('/noise')
const FOREIGN = words(knockOf(new Uint8Array(32).fill(8)))

const NOBODY = { member: 0, stranger: 0, crowded: 0, other: 0, silent: 0 }

let port = 1_000
let doorkeeper: Doorkeeper

beforeEach(() => {
  vi.useFakeTimers()
  doorkeeper = new Doorkeeper(KNOCK)
  doorkeeper.open()
})
afterEach(() => void vi.useRealTimers())

function call(): ScriptedCaller {
  const caller = new ScriptedCaller(port++)
  void caller.come((connection) => doorkeeper.admit(connection))
  return caller
}

const soon = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

it('knows members of its network, and leaves what they have said to be read', async () => {
  const rest = Buffer.from('what comes after')
  const caller = call()
  caller.say(Buffer.concat([MEMBER, rest]))
  await soon()
  expect(caller.admitted).toBe(true)
  expect(Buffer.concat(caller.left)).toEqual(Buffer.concat([MEMBER, rest]))
})

it('has all wait until the node is ready', async () => {
  doorkeeper = new Doorkeeper(KNOCK)
  const caller = call()
  caller.say(MEMBER)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(caller.admitted).toBe(undefined)
  doorkeeper.open()
  await soon()
  expect(caller.admitted).toBe(true)
  expect(Buffer.concat(caller.left)).toEqual(MEMBER)
})

it('waits for the rest of a knock that comes byte by byte', async () => {
  const caller = call()
  for (const byte of MEMBER.subarray(0, -1)) caller.say(Buffer.of(byte))
  await soon()
  expect(caller.admitted).toBe(undefined)
  caller.say(MEMBER.subarray(-1))
  await soon()
  expect(caller.admitted).toBe(true)
  expect(Buffer.concat(caller.left)).toEqual(MEMBER)
})

it.each([
  ['nonsense', Buffer.from('GET / HTTP/1.1\r\n')],
  ['a wish to hear what there is', words('ls')],
  ['the knock of another network and more', Buffer.concat([FOREIGN, Buffer.from(line('/noise'))])],
  ['a knock that is too long', words(`${KNOCK}/2`)],
  ['a word of one byte', Buffer.of(0)],
])('turns away who says %s', async (_, said) => {
  const caller = call()
  caller.say(said)
  await soon()
  expect(caller.admitted).toBe(false)
  expect(doorkeeper.callers).toEqual({ ...NOBODY, other: 1 })
})

it('takes members of other networks for strangers, and tells them no more than that their knock is not known', async () => {
  const [caller, curious] = [call(), call()]
  for (const one of [caller, curious]) one.say(FOREIGN)
  await soon()
  expect(Buffer.concat(caller.told)).toEqual(words('na'))
  expect([caller.admitted, caller.left]).toEqual([undefined, []])
  caller.say(Buffer.from(line('/noise')))
  curious.say(Buffer.from(line('ls')))
  await soon()
  expect([caller.admitted, Buffer.concat(caller.left)]).toEqual([true, Buffer.from(line('/noise'))])
  expect([curious.admitted, curious.told.length]).toEqual([false, 1])
  expect(doorkeeper.callers).toEqual({ ...NOBODY, stranger: 1, other: 1 })
})

it('has four strangers shake hands at a time, 50 a second, and keeps no member waiting for them', async () => {
  const strangers = Array.from({ length: 100 }, call)
  for (const stranger of strangers) stranger.say(STRANGER)
  const admitted = (): number => strangers.filter((stranger) => stranger.admitted).length
  await vi.advanceTimersByTimeAsync(200)
  expect(admitted()).toBe(4)
  const member = call()
  member.say(MEMBER)
  await soon()
  expect(member.admitted).toBe(true)
  for (let ms = 0; ms < 1_000; ms += 10) {
    for (const stranger of strangers) if (stranger.admitted) doorkeeper.leave(stranger.remote)
    await vi.advanceTimersByTimeAsync(10)
  }
  expect(admitted()).toBeGreaterThan(50)
  expect(admitted()).toBeLessThanOrEqual(4 + 51)
})

it('disconnects who has said nothing for 10 s, and forgets who leaves before', async () => {
  const [silent, gone] = [call(), call()]
  gone.close()
  await vi.advanceTimersByTimeAsync(9_999)
  expect([silent.admitted, gone.admitted]).toEqual([undefined, false])
  await vi.advanceTimersByTimeAsync(1)
  expect(silent.admitted).toBe(false)
  expect(doorkeeper.callers).toEqual({ ...NOBODY, silent: 1 })
})

it('forgets who can no longer be answered', async () => {
  const caller = new ScriptedCaller(port++)
  caller.send = () => {
    throw new Error('cannot write to a stream that is closed')
  }
  void caller.come((connection) => doorkeeper.admit(connection))
  caller.say(FOREIGN)
  await soon()
  expect(caller.admitted).toBe(false)
  expect(doorkeeper.callers).toEqual(NOBODY)
})

it('turns strangers away while 512 of them wait', async () => {
  const strangers = Array.from({ length: 520 }, call)
  for (const stranger of strangers) stranger.say(STRANGER)
  await soon()
  expect(strangers.findIndex(({ admitted }) => admitted === false)).toBe(1 + 512)
  expect(doorkeeper.callers).toEqual({ ...NOBODY, stranger: 513, crowded: 7 })
})

it('disconnects who has been silent longest when there are more than 4,096', async () => {
  const silent = Array.from({ length: 4_099 }, call)
  await soon()
  expect(silent.filter(({ admitted }) => admitted === false)).toHaveLength(3)
  expect(silent.slice(0, 4).map(({ admitted }) => admitted)).toEqual([false, false, false, undefined])
  const member = call()
  member.say(MEMBER)
  await soon()
  expect(member.admitted).toBe(true)
})
