import { fc, it as property } from '@fast-check/vitest'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { beforeAll, describe, expect, it } from 'vitest'
import { hashState } from '../../src/ledger/hash-state.ts'
import { createLedgerState, type LedgerState } from '../../src/ledger/state.ts'
import {
  decodeState,
  encodeState,
  STATE_FORM_VERSION,
  STATE_RECORD_SIZE_BYTES_MAX
} from '../../src/ledger/state-codec.ts'
import { pieceOf, rootOf } from './memory-pieces.ts'
import { CLIENT, PARAMETERS, PROVIDER, parametersWith, TestNetwork } from './network-fixture.ts'

/** A state in which every field holds something: open round, deals, faults, stakes, ids. */
async function busyState(): Promise<LedgerState> {
  const network = new TestNetwork()
  await network.stakeAll()
  const { deal, pieces } = await network.openDealWithPieces({ pieces: [pieceOf('one'), pieceOf('two')] })
  await network.openRounds(3)
  await network.take(await network.selfProof(deal, PROVIDER, pieces))
  await network.openRounds(2)
  await network.attestAll(() => 'no answer')
  await network.take(network.transfer(CLIENT, PROVIDER, 5n))
  return network.state
}

let busy: LedgerState
beforeAll(async () => {
  busy = await busyState()
})

const restored = (state: LedgerState) => decodeState(encodeState(state), state.parameters)

describe('a state', () => {
  it('comes back equal, from genesis and from the middle of a round', async () => {
    for (const state of [createLedgerState(PARAMETERS), busy]) {
      const again = await restored(state)
      expect(hashState(again)).toBe(hashState(state))
      expect(again).toEqual(state)
    }
  })

  it('goes on as the one that was encoded', async () => {
    const again = await restored(busy)
    expect([...again.accounts.keys()]).toEqual([...busy.accounts.keys()])
    expect([...again.deals.keys()]).toEqual([...busy.deals.keys()])
    again.accounts.get(CLIENT.address)!.free += 1n
    expect(hashState(again)).not.toBe(hashState(busy))
  })

  it('with many entries is many records, none above the limit, and one entry may run over several', async () => {
    const state = createLedgerState(PARAMETERS)
    const commandHash = 'ab'.repeat(32)
    for (let index = 0; index < 20_000; index += 1)
      state.usedIds.set(`${CLIENT.address}/${index}`, { commandHash, sequence: index, validUntilRound: 7 })
    state.usedIds.set('large', {
      commandHash: 'x'.repeat(3 * STATE_RECORD_SIZE_BYTES_MAX),
      sequence: 1,
      validUntilRound: 2
    })
    const records = [...encodeState(state)]
    expect(records.length).toBeGreaterThan(10)
    for (const { length } of records) expect(length).toBeLessThanOrEqual(STATE_RECORD_SIZE_BYTES_MAX)
    expect(hashState(await decodeState(records, PARAMETERS))).toBe(hashState(state))
  })

  it('of another network, of another form, or with records missing is refused', async () => {
    const records = [...encodeState(busy)]
    const refused = { code: 'STATE_UNREADABLE' }
    await expect(decodeState(records, parametersWith({ name: 'another' }))).rejects.toMatchObject(refused)
    await expect(decodeState([], PARAMETERS)).rejects.toMatchObject(refused)
    await expect(decodeState([records[0]!.subarray(0, -1)], PARAMETERS)).rejects.toMatchObject(refused)
    const { burned: _, ...rest } = busy
    await expect(decodeState(encodeState(rest as LedgerState), PARAMETERS)).rejects.toMatchObject(refused)
    const more = { ...busy, more: 1 }
    await expect(decodeState(encodeState(more), PARAMETERS)).rejects.toMatchObject(refused)
    const otherKind = { ...busy, burned: 7 } as unknown as LedgerState
    await expect(decodeState(encodeState(otherKind), PARAMETERS)).rejects.toMatchObject(refused)
  })

  it('that holds more than plain data cannot be encoded', () => {
    const wrong = { ...busy, burned: () => 1n } as unknown as LedgerState
    expect(() => [...encodeState(wrong)]).toThrow(TypeError)
    const date = { ...busy, timeMs: new Date() } as unknown as LedgerState
    expect(() => [...encodeState(date)]).toThrow(TypeError)
  })
})

const { plain } = fc.letrec<{ plain: unknown; leaf: unknown }>(tie => ({
  leaf: fc.oneof(
    fc.constantFrom(undefined, null, true, rootOf('object'), rootOf('another')),
    fc.integer(),
    fc.bigInt(),
    fc.string(),
    fc.uint8Array()
  ),
  plain: fc.oneof(
    { maxDepth: 4 },
    tie('leaf'),
    fc.array(tie('plain'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'grapheme-ascii' }), tie('plain'), { maxKeys: 4, noNullPrototype: true }),
    fc.array(fc.tuple(fc.oneof(fc.string(), fc.integer()), tie('plain')), { maxLength: 4 }).map(list => new Map(list)),
    fc.array(fc.oneof(fc.string(), fc.integer()), { maxLength: 4 }).map(list => new Set(list))
  )
}))

property.prop([plain])('whatever plain data stands in a state comes back', async value => {
  const state = { ...createLedgerState(PARAMETERS), open: value } as unknown as LedgerState
  expect((await restored(state)).open).toEqual(value)
})

property.prop([fc.nat(), fc.integer({ min: 0, max: 7 })])(
  'a flipped bit is another state or none, and never another error',
  async (position, bit) => {
    const bytes = Uint8Array.from([...encodeState(busy)][0]!)
    bytes[position % bytes.length]! ^= 1 << bit
    const outcome = await decodeState([bytes], PARAMETERS).then(
      () => 'decoded',
      (error: { code?: string }) => error.code
    )
    expect(['decoded', 'STATE_UNREADABLE']).toContain(outcome)
  }
)

/** Names and kinds of everything that stands in a value, once each. */
function formOf(value: unknown, path: string, found: Set<string>): Set<string> {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || 'code' in value) {
    found.add(`${path}: ${value instanceof Uint8Array ? 'bytes' : value === null ? 'null' : typeof value}`)
  } else if (Array.isArray(value) || value instanceof Set) for (const item of value) formOf(item, `${path}[]`, found)
  else if (value instanceof Map) for (const item of value.values()) formOf(item, `${path}{}`, found)
  else for (const [name, field] of Object.entries(value)) formOf(field, `${path}.${name}`, found)
  return found
}

it('has the form that its version says: when this fails, raise STATE_FORM_VERSION and put the new hash here', () => {
  const { parameters: _, ...rest } = busy
  const form = [...formOf(rest, 'state', new Set())].sort().join('\n')
  expect([STATE_FORM_VERSION, bytesToHex(sha256(utf8ToBytes(form))).slice(0, 16)], form).toEqual([
    1,
    '801c06e3335cefc8'
  ])
})
