import { type Attached, asNodeId } from '@causeway/protocol'
import { expect, test } from 'vitest'
import { Attachments } from './attachments.ts'

const HUBS = [asNodeId(1), asNodeId(2)]

function members(...costsMs: number[]): Attached[] {
  return costsMs.map((costMs, index) => ({ id: asNodeId(10 + index), name: `n${index}`, costMs }))
}

test('what the way to a neighbour costs is told once, however it wavers', () => {
  const attachments = new Attachments()
  expect(attachments.isNews(HUBS, members(1, 2))).toBe(true)
  for (const costMs of [2, 1, 3, 6, 1]) expect(attachments.isNews(HUBS, members(costMs, 2))).toBe(false)
})

test('a cost that drifts away from what was told is told, compared with that and not with the one before', () => {
  const attachments = new Attachments()
  attachments.isNews(HUBS, members(40))
  expect(attachments.isNews(HUBS, members(50))).toBe(false)
  expect(attachments.isNews(HUBS, members(59))).toBe(false)
  expect(attachments.isNews(HUBS, members(61))).toBe(true)
  expect(attachments.isNews(HUBS, members(61))).toBe(false)
  expect(attachments.isNews(HUBS, members(30))).toBe(true)
})

test('who stands behind us is news, as is a hub that has not heard it', () => {
  const attachments = new Attachments()
  attachments.isNews(HUBS, members(1))
  expect(attachments.isNews(HUBS, members(1, 1))).toBe(true)
  expect(attachments.isNews([asNodeId(2), asNodeId(1)], members(1, 1))).toBe(false)
  expect(attachments.isNews([asNodeId(2)], members(1, 1))).toBe(true)
  expect(attachments.isNews([asNodeId(2)], [])).toBe(true)
  expect(attachments.isNews(HUBS, [])).toBe(false)
})

test('whoever may have heard something else is told that nobody stands behind us', () => {
  const attachments = new Attachments()
  attachments.isNews(HUBS, members(1))
  attachments.forget()
  expect(attachments.isNews(HUBS, [])).toBe(true)
})
