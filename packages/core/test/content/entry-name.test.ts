import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkEntryName, ENTRY_NAME_SIZE_BYTES_MAX, isReservedOnWindows, quoteName } from '../../src/content/index.ts'

describe('checkEntryName', () => {
  it.each([
    'a',
    '.gitignore',
    '..a',
    'a b',
    'ünïcode',
    '日本語',
    '😀.txt',
    'console.log',
    'auxiliary',
    'com10',
    '-rf',
    '~'
  ])('takes %j', name => {
    expect(checkEntryName(name)).toEqual({ ok: true })
  })

  it.each([
    ['', 'empty'],
    ['.', 'dot'],
    ['..', 'dot'],
    ['../../etc/passwd', 'separator'],
    ['/etc/passwd', 'separator'],
    ['a\\b', 'separator'],
    ['x\0y', 'control'],
    ['\n[INFO] forged', 'control'],
    ['\u001b[2J', 'control'],
    ['a\u007f', 'control'],
    ['a\u009b', 'control'],
    ['a\u2028b', 'control'],
    ['txt.\u202eexe', 'bidi'],
    ['a\u2066b', 'bidi'],
    ['\ud800', 'not-unicode'],
    ['a\ufffd', 'not-unicode'],
    ['a'.repeat(256), 'too-long'],
    ['é'.repeat(128), 'too-long']
  ])('refuses %j: %s', (name, reason) => {
    expect(checkEntryName(name)).toEqual({ ok: false, reason })
  })

  it('takes a name of exactly the longest size', () => {
    expect(checkEntryName(`${'é'.repeat(127)}a`)).toEqual({ ok: true })
    expect(ENTRY_NAME_SIZE_BYTES_MAX).toBe(255)
  })
})

describe('isReservedOnWindows', () => {
  it.each(['CON', 'nul.txt', 'aux .c', 'LPT9', 'com\u00b9', 'file:stream', 'trailing.', 'trailing ', 'what?'])(
    'knows %j, which is a good name elsewhere',
    name => {
      expect(isReservedOnWindows(name)).toBe(true)
      expect(checkEntryName(name)).toEqual({ ok: true })
    }
  )

  it.each(['console.log', 'auxiliary', 'com10', 'a b', '.gitignore'])('leaves %j alone', name => {
    expect(isReservedOnWindows(name)).toBe(false)
  })
})

describe('quoteName', () => {
  it('gives one line without control or bidi characters, from which the name can be had back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), name => {
        const quoted = quoteName(name)
        expect(quoted).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/)
        expect(JSON.parse(quoted)).toBe(name)
      })
    )
    expect(quoteName('a\u202e\u009b')).toBe('"a\\u202e\\u009b"')
  })
})
