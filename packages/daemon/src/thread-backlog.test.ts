import { expect, it } from 'vitest'
import { BACKLOG_BYTES_MAX, ThreadBacklog } from './thread-backlog.ts'

it('lets no more wait than its bound, seen from both threads', () => {
  const writer = new ThreadBacklog()
  const reader = new ThreadBacklog(writer.memory)
  expect(writer.take(BACKLOG_BYTES_MAX - 10)).toBe(true)
  expect(writer.take(11)).toBe(false)
  expect(writer.take(10)).toBe(true)
  reader.giveBack(500)
  expect(writer.take(501)).toBe(false)
  expect(writer.take(500)).toBe(true)
})
