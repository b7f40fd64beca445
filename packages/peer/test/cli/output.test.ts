import { fc, test } from '@fast-check/vitest'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { escapeForTerminal, formatJson, printFailure, printJsonEvent } from '../../src/cli/output.ts'
import { PeerError } from '../../src/error.ts'
import { captureOutput } from './captured-output.ts'

const ROOT = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

describe('JSON', () => {
  it('has amounts as decimal strings, CIDs as text, bytes in hex, maps as objects', () => {
    const value = {
      amount: 2n ** 100n,
      root: CID.parse(ROOT),
      bytes: Uint8Array.of(0, 255),
      buffer: Buffer.from('ab'),
      nested: [{ at: 1n }, [CID.parse(ROOT)]],
      map: new Map<unknown, unknown>([
        ['a', 1n],
        [2, 'b']
      ]),
      nothing: null,
      absent: undefined,
      yes: true
    }
    expect(JSON.parse(formatJson(value))).toEqual({
      amount: '1267650600228229401496703205376',
      root: ROOT,
      bytes: '00ff',
      buffer: '6162',
      nested: [{ at: '1' }, [ROOT]],
      map: { a: '1', 2: 'b' },
      nothing: null,
      yes: true
    })
  })

  it('has errors with their code and message, wherever they stand', () => {
    const error = new PeerError('NO_SPACE', 'full', {}, { cause: new Error('inner') })
    expect(JSON.parse(formatJson({ cause: error, list: [new Error('plain')] }))).toEqual({
      cause: { code: 'NO_SPACE', message: 'full' },
      list: [{ message: 'plain' }]
    })
  })

  test.prop([fc.jsonValue()])('of plain values is what JSON says', value => {
    expect(JSON.parse(formatJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
  })

  it('is one line an event', () => {
    using output = captureOutput(process.stdout)
    printJsonEvent('one', { text: 'a\nb' })
    printJsonEvent('two')
    expect(output.text).toBe('{"event":"one","text":"a\\nb"}\n{"event":"two"}\n')
  })
})

describe('foreign text', () => {
  it('moves no cursor and turns no line around', () => {
    expect(escapeForTerminal('a\u001b[2Jb\r\nc\u202Ed\u061c\u2028\u0085')).toBe(
      'a\\u001b[2Jb\\u000d\\u000ac\\u202ed\\u061c\\u2028\\u0085'
    )
    expect(escapeForTerminal('Grüße, 世界 🎉')).toBe('Grüße, 世界 🎉')
  })

  test.prop([fc.string({ unit: 'binary' })])('has no character left that a terminal obeys', text => {
    expect(escapeForTerminal(text)).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
  })
})

describe('a failure', () => {
  it('is one line with its code for people', () => {
    using output = captureOutput(process.stderr)
    printFailure(new PeerError('NETWORK_INVALID', 'no description:\n  at name\n\u001b[2J'), false)
    printFailure(new Error('plain'), false)
    printFailure('thrown text', false)
    expect(output.text).toBe(
      'holdfast: no description:; at name; \\u001b[2J (NETWORK_INVALID)\nholdfast: plain\nholdfast: thrown text\n'
    )
  })

  it('is one event with code and step for scripts', () => {
    using output = captureOutput(process.stdout)
    printFailure(new PeerError('NO_SPACE', 'full', { step: 'store' }), true)
    printFailure(undefined, true)
    expect(
      output.text
        .trim()
        .split('\n')
        .map(line => JSON.parse(line))
    ).toEqual([
      { event: 'failed', code: 'NO_SPACE', message: 'full', step: 'store' },
      { event: 'failed', message: 'undefined' }
    ])
  })
})
