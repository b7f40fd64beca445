import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { RAW_BLOCK_TYPE, readAsked } from '../../src/gateway/asked-block.ts'
import { within } from '../../src/gateway/asked-range.ts'

const CID_TEXT = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const RAW = `/ipfs/${CID_TEXT}?format=raw`
const BLAKE2B = CID.createV1(raw.code, create(0xb220, new Uint8Array(32)))

describe('a request for a block', () => {
  it.each([
    ['by its parameter', RAW, {}],
    ['by its header', `/ipfs/${CID_TEXT}`, { accept: `text/html, ${RAW_BLOCK_TYPE};q=0.9` }],
    ['with a slash', `/ipfs/${CID_TEXT}/?format=raw`, {}],
    ['with more parameters', `/ipfs/${CID_TEXT}?filename=a&format=raw`, {}]
  ])('is understood %s', (_, target, headers) => {
    const asked = readAsked('GET', target, headers)
    expect(asked).toMatchObject({ ok: true, isHead: false, range: undefined })
    expect(asked.ok && String(asked.cid)).toBe(CID_TEXT)
  })

  it.each([
    ['POST', RAW, {}, 405],
    ['OPTIONS', '*', {}, 405],
    ['GET', '/', {}, 404],
    ['GET', '/ipfs/', {}, 404],
    ['GET', '/ipns/a.example?format=raw', {}, 404],
    ['GET', 'http://elsewhere.example/ipfs/a', {}, 404],
    ['GET', `/ipfs/${CID_TEXT}/index.html?format=raw`, {}, 400],
    ['GET', `/ipfs/${CID_TEXT}/..%2f..?format=raw`, {}, 400],
    ['GET', '/ipfs/no-cid?format=raw', {}, 400],
    ['GET', `/ipfs/b${'a'.repeat(5000)}?format=raw`, {}, 400],
    ['GET', `/ipfs/${BLAKE2B}?format=raw`, {}, 400],
    ['GET', `/ipfs/${CID_TEXT}`, {}, 406],
    ['GET', `/ipfs/${CID_TEXT}`, { accept: 'text/html,*/*' }, 406],
    ['GET', `/ipfs/${CID_TEXT}?format=car`, { accept: RAW_BLOCK_TYPE }, 406]
  ])('%s %s %j is answered with %i', (method, target, headers, status) => {
    expect(readAsked(method, target, headers)).toMatchObject({
      ok: false,
      status,
      message: expect.stringMatching(/\.$/)
    })
  })

  it('says which bytes are wanted, and nothing where it asks for what we do not give', () => {
    const rangeOf = (range: string, method = 'GET') => {
      const asked = readAsked(method, RAW, { range })
      return asked.ok ? asked.range : asked
    }
    expect(rangeOf('bytes=0-0')).toEqual({ from: 0, to: 0 })
    expect(rangeOf('bytes=7-')).toEqual({ from: 7, to: undefined })
    expect(rangeOf('bytes=-7')).toEqual({ from: undefined, to: 7 })
    for (const other of [
      'bytes=-',
      'bytes=5-4',
      'bytes=0-1,3-4',
      'items=0-1',
      'bytes=a-b',
      `bytes=0-${'9'.repeat(16)}`
    ])
      expect(rangeOf(other)).toBeUndefined()
    expect(rangeOf('bytes=0-0', 'HEAD')).toBeUndefined()
  })
})

it.each([
  [
    { from: 0, to: 0 },
    { from: 0, to: 1 }
  ],
  [
    { from: 2, to: 99 },
    { from: 2, to: 10 }
  ],
  [
    { from: 9, to: undefined },
    { from: 9, to: 10 }
  ],
  [
    { from: undefined, to: 3 },
    { from: 7, to: 10 }
  ],
  [
    { from: undefined, to: 99 },
    { from: 0, to: 10 }
  ],
  [{ from: undefined, to: 0 }, undefined],
  [{ from: 10, to: undefined }, undefined],
  [{ from: 10, to: 12 }, undefined]
])('of ten bytes, %j are %j', (range, bytes) => {
  expect(within(range, 10)).toEqual(bytes)
})
