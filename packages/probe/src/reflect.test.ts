import { instant } from '@causeway/protocol'
import { expect, it } from 'vitest'
import { reflect } from './reflect.ts'

it('repeats number and stamp of the probe and adds its own', () => {
  const reply = reflect(instant(12), instant(11), { type: 'probe', sequence: 7, sent: instant(3.5) }, 4)
  expect(reply).toEqual({ type: 'reply', sequence: 7, sent: 3.5, reflectorSequence: 4, received: 11, transmitted: 12 })
})
