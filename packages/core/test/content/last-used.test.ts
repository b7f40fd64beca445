import { expect, it } from 'vitest'
import { LastUsed, remembered } from '../../src/content/last-used.ts'

it('keeps what was used last, as much as there is room for', () => {
  const forgotten: number[] = []
  const values = new LastUsed<number>({
    weightMax: 10,
    weightOf: value => value,
    forgotten: value => forgotten.push(value)
  })
  for (const value of [2, 3, 4]) values.set(`${value}`, value)
  expect(values.get('2')).toBe(2)
  values.set('5', 5)
  expect([forgotten, [...values.values()]]).toEqual([
    [3, 4],
    [2, 5]
  ])
  values.set('11', 11)
  expect([...values.values()]).toEqual([])
})

it('finds out what a text means once, while it is one of those used last, and nothing of one that throws', () => {
  const asked: string[] = []
  const meaningOf = remembered(text => {
    asked.push(text)
    if (text === 'bad') throw new Error('means nothing')
    return text.length > 1
  }, 2)
  expect(['a', 'bb', 'a', 'ccc', 'a', 'bb'].map(meaningOf)).toEqual([false, true, false, true, false, true])
  expect(asked.splice(0)).toEqual(['a', 'bb', 'ccc', 'bb'])
  for (const _ of [1, 2]) expect(() => meaningOf('bad')).toThrow('means nothing')
  expect(asked).toEqual(['bad', 'bad'])
})
