import { expect, test } from 'vitest'
import { TaskJournal } from './task-journal.ts'

function ids(journal: TaskJournal, token: string): string[] {
  return journal.since(token).map(({ id, site }) => `${site}/${id}`)
}

test('tells what has changed since a token, each task once, those that changed last at the end', () => {
  const journal = new TaskJournal()
  const start = journal.token
  journal.note('a', 'hkg')
  journal.note('b', 'hkg')
  const middle = journal.token
  journal.note('a', 'nrt')
  journal.note('a', 'hkg')
  expect(ids(journal, start)).toEqual(['hkg/b', 'nrt/a', 'hkg/a'])
  expect(ids(journal, middle)).toEqual(['nrt/a', 'hkg/a'])
  expect(ids(journal, journal.token)).toEqual([])
})

test('forgets the oldest, and says so to whoever would miss it', () => {
  const journal = new TaskJournal(2)
  const tokens = ['a', 'b', 'c', 'd'].map((id) => {
    const { token } = journal
    journal.note(id, 'hkg')
    return token
  })
  expect(() => journal.since(tokens[1] as string)).toThrow(expect.objectContaining({ code: 'gone' }))
  expect(ids(journal, tokens[2] as string)).toEqual(['hkg/c', 'hkg/d'])
})

test('takes no token of another life, none from the future, and nothing that is no token', () => {
  const journal = new TaskJournal()
  expect(() => journal.since(new TaskJournal().token)).toThrow(expect.objectContaining({ code: 'gone' }))
  expect(() => journal.since(journal.token.replace(/\..*/, '.zz'))).toThrow(expect.objectContaining({ code: 'gone' }))
  for (const text of ['', '.', 'x', 'a.b.c', '../..', 'A.1'])
    expect(() => journal.since(text)).toThrow(expect.objectContaining({ code: 'usage' }))
})
