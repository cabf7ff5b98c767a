/** The bytes of a channel as libp2p sees them, over channels in memory. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { LIMITS } from '@causeway/protocol'
import { ProgramPort } from '../program-port.ts'
import { overlayAddress } from './overlay-address.ts'
import { OverlayConnection } from './overlay-connection.ts'
import { SILENT, openOverlayPair } from './overlay-pair.ts'

/** More turns of the event loop than anything in memory takes. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await nextTurn()
}

function numbered(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => index % 251)
}

/** What a connection is given from now on. */
function received(connection: OverlayConnection): { bytes(): Uint8Array } {
  const chunks: Uint8Array[] = []
  connection.addEventListener('message', ({ data }) => chunks.push(data.subarray().slice()))
  return { bytes: () => Buffer.concat(chunks) }
}

describe('OverlayConnection', () => {
  it('carries bytes both ways, in order, whatever they were written in', async () => {
    const { dialler, listener } = await openOverlayPair()
    const there = received(listener)
    const back = received(dialler)
    const bytes = numbered(200_000)
    for (let at = 0; at < bytes.length; at += 30_011) dialler.send(bytes.subarray(at, at + 30_011))
    listener.send(numbered(10))
    await settle()
    expect(Buffer.compare(there.bytes(), bytes)).toBe(0)
    expect(back.bytes()).toEqual(Buffer.from(numbered(10)))
    expect([dialler.remoteAddr.toString(), listener.remoteAddr.toString()]).toEqual(['/causeway/node-b', '/causeway/node-a'])
  })

  it('tells the writer to wait while the reader does not read, and loses nothing', async () => {
    const { network, dialler, listener } = await openOverlayPair()
    const there = received(listener)
    listener.pause()
    const piece = numbered(60_000)
    let sent = 0
    for (let more = true; more; sent++) {
      more = dialler.send(piece)
      await nextTurn()
    }
    await settle()
    expect(sent).toBeLessThan(4)
    expect(there.bytes().length).toBe(0)
    expect(network.heldBytesMax).toBeLessThan(3 * 64 * 1024)
    const drained = dialler.onDrain()
    listener.resume()
    await drained
    await settle()
    expect(Buffer.compare(there.bytes(), Buffer.concat(Array.from({ length: sent }, () => piece)))).toBe(0)
  })

  it('stops within a batch when it is paused by what it delivers, and goes on in order', async () => {
    const { dialler, listener } = await openOverlayPair()
    const seen: number[] = []
    listener.addEventListener('message', ({ data }) => {
      seen.push(...data.subarray())
      listener.pause()
      if (seen.length % 2 === 0) listener.resume()
    })
    for (let byte = 0; byte < 10; byte++) dialler.send(Uint8Array.of(byte))
    await settle()
    expect(seen).toEqual([0])
    for (let round = 0; round < 10; round++) {
      listener.resume()
      await settle()
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('closes when everything has arrived, also at a reader that had paused', async () => {
    const { dialler, listener } = await openOverlayPair()
    const there = received(listener)
    listener.pause()
    dialler.send(numbered(50_000))
    const closed = dialler.close()
    await settle()
    expect([dialler.status, listener.status]).toEqual(['closing', 'open'])
    listener.resume()
    await closed
    expect(there.bytes().length).toBe(50_000)
    expect([dialler.status, listener.status]).toEqual(['closed', 'closed'])
    expect([dialler.fault, listener.fault]).toEqual([undefined, undefined])
    expect(() => listener.send(numbered(1))).toThrow('closed')
  })

  it('gives up closing when it is told to', async () => {
    const { dialler, listener } = await openOverlayPair()
    listener.pause()
    const patience = new AbortController()
    const closed = dialler.close({ signal: patience.signal })
    await settle()
    patience.abort(new Error('enough'))
    await expect(closed).rejects.toThrow('enough')
  })

  it('tells the other end why it was aborted', async () => {
    const { dialler, listener } = await openOverlayPair()
    listener.abort(new Error('not welcome'))
    await settle()
    expect([dialler.status, listener.status]).toEqual(['aborted', 'aborted'])
    expect(dialler.fault).toMatchObject({ code: 'unreachable', message: 'the channel to node-b ended: not welcome' })
  })

  it('ends at once when the channel breaks, also while it is paused', async () => {
    const { network, dialler, listener } = await openOverlayPair()
    listener.pause()
    network.breakAll('no path works')
    expect([dialler.status, listener.status]).toEqual(['aborted', 'aborted'])
    expect(listener.fault?.message).toContain('no path works')
  })

  it('reads to the end what the channel holds for a paused reader when the peer finishes', async () => {
    const { port, accepted } = openPort()
    const there = received(accepted)
    accepted.pause()
    port.effect({ type: 'channelMessages', channel: 1, messages: [numbered(10), numbered(20)] })
    port.effect({ type: 'channelFinished', channel: 1 })
    expect([accepted.status, there.bytes().length]).toEqual(['open', 0])
    accepted.resume()
    await settle()
    expect([accepted.status, there.bytes().length]).toEqual(['closed', 30])
  })

  it('reads to the end what a channel that is over had brought', async () => {
    const { port, accepted } = openPort()
    const there = received(accepted)
    accepted.pause()
    port.effect({ type: 'channelMessages', channel: 1, messages: [numbered(10)] })
    port.effect({ type: 'channelFinished', channel: 1 })
    port.effect({ type: 'channelEnded', channel: 1, reason: null })
    accepted.resume()
    expect([accepted.status, there.bytes().length]).toEqual(['closed', 10])
  })

  it('takes a whole window at once from a reader that pauses after every piece', async () => {
    const { port, accepted } = openPort()
    let read = 0
    accepted.addEventListener('message', ({ data }) => {
      read += data.byteLength
      accepted.pause()
    })
    accepted.pause()
    const piece = numbered(64 * 1024)
    const messages = Array.from({ length: 16 * 16 }, () => piece)
    port.effect({ type: 'channelMessages', channel: 1, messages })
    for (let resumed = 1; resumed <= messages.length; resumed++) {
      accepted.resume()
      expect(read).toBe(resumed * piece.length)
    }
    expect(accepted.status).toBe('open')
  })
})

/** A connection over a channel of a real port, whose machine is the test. */
function openPort(): { port: ProgramPort; accepted: OverlayConnection } {
  const port = new ProgramPort(() => true, LIMITS)
  let accepted: OverlayConnection | undefined
  port.serve('libp2p', (channel) => {
    accepted = new OverlayConnection({ channel, self: 'node-b', remoteAddr: overlayAddress('node-a'), direction: 'inbound', log: SILENT })
  })
  port.effect({ type: 'channelAccepted', channel: 1, peer: 'node-a', service: 'libp2p', class: 'ordered' })
  if (!accepted) throw new Error('no channel was accepted')
  return { port, accepted }
}
