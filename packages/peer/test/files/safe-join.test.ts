import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { safeJoin } from '../../src/files/safe-join.ts'

describe('safeJoin', () => {
  it('joins names that are safe', () => {
    expect(safeJoin('/out', ['a', 'b c', '.d'])).toBe(join('/out', 'a', 'b c', '.d'))
    expect(safeJoin('/out', [])).toBe(join('/out'))
  })

  it.each(['..', '', 'a/b', 'a\\b', 'x\0y'])('refuses %j everywhere', name => {
    for (const platform of ['linux', 'win32'] as const) {
      expect(() => safeJoin('/out', ['a', name], platform)).toThrow(expect.objectContaining({ code: 'UNSAFE_NAME' }))
    }
  })

  it.each(['aux.c', 'notes:2026', 'what?'])('refuses %j on Windows only', name => {
    expect(safeJoin('/out', [name], 'linux')).toBe(join('/out', name))
    expect(() => safeJoin('/out', [name], 'win32')).toThrow('windows-reserved')
  })
})
