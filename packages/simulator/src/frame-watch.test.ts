import { expect, test } from 'vitest'
import type { NodeEffect, NodeInput } from '@causeway/node'
import { nodeId, writeFrameHeader } from '@causeway/protocol'
import { FrameWatch } from './frame-watch.ts'
import type { Observer, SimulatedMachine, Watcher, World } from './world.ts'
import type { WorldNode } from './world-node.ts'

/** As much of a world as is watched. */
class Stage {
  watcher: Watcher<SimulatedMachine> = () => undefined
  observer: Observer<SimulatedMachine> = () => undefined
  readonly watch = (watcher: Watcher<SimulatedMachine>): void => void (this.watcher = watcher)
  readonly observe = (observer: Observer<SimulatedMachine>): void => void (this.observer = observer)
  readonly frames: FrameWatch<SimulatedMachine> = new FrameWatch(this as unknown as World<SimulatedMachine>)

  input(input: NodeInput): void {
    this.observer({ name: 'h1' } as WorldNode<SimulatedMachine>, input)
  }

  effect(effect: NodeEffect): void {
    this.watcher({ name: 'h1' } as WorldNode<SimulatedMachine>, effect)
  }
}

function frame(source: string, route: string[], position: number): Uint8Array {
  const bytes = new Uint8Array(100)
  writeFrameHeader(bytes, { source: nodeId(source), route: route.map(nodeId), position })
  return bytes
}

test('sees a frame that comes to where it has been', () => {
  const stage = new Stage()
  expect(stage.frames.objections()).toEqual(['no frame was seen'])
  const arrive = (message: Uint8Array): void => stage.input({ type: 'received', connection: 1, lane: 'stream', messages: [message] })
  arrive(frame('a', ['h1', 'h2', 'b'], 1))
  expect(stage.frames.objections()).toEqual([])
  arrive(frame('a', ['h1', 'h2', 'h1', 'b'], 2))
  expect(stage.frames.objections()).toHaveLength(1)
  arrive(frame('a', ['h1', 'a', 'b'], 1))
  expect(stage.frames.objections()).toHaveLength(2)
})

test('sees a frame that is handed to a full lane', () => {
  const stage = new Stage()
  const send = (message: Uint8Array): void => stage.effect({ type: 'send', connection: 1, lane: 'stream', message })
  stage.input({ type: 'received', connection: 1, lane: 'stream', messages: [frame('a', ['h1'], 0)] })
  stage.input({ type: 'laneBlocked', connection: 1, lane: 'stream' })
  send(Uint8Array.of(0x20))
  expect(stage.frames.objections()).toEqual([])
  send(frame('a', ['b'], 0))
  expect(stage.frames.objections()).toHaveLength(1)
  stage.input({ type: 'laneDrained', connection: 1, lane: 'stream' })
  send(frame('a', ['b'], 0))
  expect(stage.frames.objections()).toHaveLength(1)
})
