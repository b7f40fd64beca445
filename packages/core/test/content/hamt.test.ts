import { describe, expect, it } from 'vitest'
import { checkShard } from '../../src/content/hamt.ts'

const sound = { fanout: 256n, hashType: 0x22n, bitfield: new Uint8Array(32), names: ['00a', '7F', 'FFb'] }

describe('checkShard', () => {
  it.each([
    [8n, 1],
    [16n, 1],
    [32n, 2],
    [256n, 2],
    [512n, 3],
    [1024n, 3]
  ])('takes fanout %i with slots of %i digits', (fanout, prefixLength) => {
    const claims = { ...sound, fanout, bitfield: new Uint8Array(0), names: [] }
    expect(checkShard(claims)).toEqual({ ok: true, fanout: Number(fanout), prefixLength })
  })

  it('takes entries and sub-shards in ascending slots', () => {
    expect(checkShard(sound)).toEqual({ ok: true, fanout: 256, prefixLength: 2 })
  })

  it('refuses slots that do not ascend', () => {
    expect(checkShard({ ...sound, names: ['01a', '00b'] })).toMatchObject({ ok: false })
  })

  it('refuses what does not say its fanout or hash', () => {
    expect(checkShard({ ...sound, fanout: undefined })).toMatchObject({ ok: false })
    expect(checkShard({ ...sound, hashType: undefined })).toMatchObject({ ok: false })
  })
})
