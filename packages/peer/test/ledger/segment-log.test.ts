import { createHash } from 'node:crypto'
import { appendFile, copyFile, cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fc, test as property } from '@fast-check/vitest'
import crc32c from 'crc-32/crc32c.js'
import { describe, expect, it } from 'vitest'
import { readSegmentLog } from '../../src/ledger/segment-log.ts'
import {
  CHAIN_START,
  chainHashOf,
  decodeRecord,
  encodeNextRecord,
  encodeRecord,
  encodeSegmentHeader,
  formatSegmentName,
  GROUP_SIZE_BYTES_MAX,
  PAYLOAD_SIZE_BYTES_MAX,
  RECORD_HEADER_SIZE_BYTES,
  SEGMENT_HEADER_SIZE_BYTES,
  SEGMENT_SIZE_BYTES_MAX
} from '../../src/ledger/segment-log-format.ts'
import { MARK_EVERY_BYTES } from '../../src/ledger/segment-log-index.ts'
import { failingFileSystem, systemError } from '../failing-file-system.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { openTestLog, payloadOf, readAll, textsOf } from './open-test-log.ts'

const FIRST_SEGMENT = '0000000000000000.segment'

function payloads(from: number, to: number): Uint8Array[] {
  return Array.from({ length: to - from }, (_, i) => payloadOf(from + i))
}

async function countReadable(directory: string): Promise<number> {
  let count = 0
  for await (const { payload, sequence } of readSegmentLog(directory)) {
    expect(Buffer.from(payload).toString()).toMatch(new RegExp(`^entry ${sequence} [.]*$`))
    count += 1
  }
  return count
}

describe('appending', () => {
  it('gives back what was appended, in order, with the chain hash of each', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestLog(directory.path)
    expect(opened.log).toMatchObject({ length: 0, tipHash: CHAIN_START })
    expect(await opened.log.append(payloads(0, 3))).toEqual({ firstSequence: 0 })
    expect(await opened.log.append(payloads(3, 4))).toEqual({ firstSequence: 3 })
    expect(opened.log.length).toBe(4)
    expect(await readAll(opened.log)).toEqual(textsOf(0, 4))
    let chainHash = CHAIN_START
    for await (const record of opened.log.read({ from: 0 })) {
      chainHash = createHash('sha256').update(chainHash).update(record.payload).digest()
      expect(Buffer.from(record.chainHash)).toEqual(chainHash)
    }
    expect(Buffer.from(opened.log.tipHash)).toEqual(chainHash)
  })

  it('goes on where it stopped when it is opened again', async () => {
    await using directory = await temporaryDirectory()
    let tipHash: Uint8Array
    {
      await using opened = await openTestLog(directory.path)
      await opened.log.append(payloads(0, 10))
      tipHash = opened.log.tipHash
    }
    await using opened = await openTestLog(directory.path)
    expect(opened.log.length).toBe(10)
    expect(Buffer.from(opened.log.tipHash)).toEqual(Buffer.from(tipHash))
    expect(opened.events).toEqual([])
    await opened.log.append(payloads(10, 12))
    expect(await readAll(opened.log)).toEqual(textsOf(0, 12))
  })

  it('acknowledges concurrent appends in order and syncs them in groups', async () => {
    await using directory = await temporaryDirectory()
    let syncs = 0
    const files = failingFileSystem(({ operation }) => {
      if (operation === 'datasync') syncs += 1
      return undefined
    })
    await using opened = await openTestLog(directory.path, { files })
    const results = await Promise.all(payloads(0, 500).map(payload => opened.log.append([payload])))
    expect(results.map(({ firstSequence }) => firstSequence)).toEqual(Array.from({ length: 500 }, (_, i) => i))
    expect(syncs).toBe(2)
    expect(await readAll(opened.log)).toEqual(textsOf(0, 500))
  })

  it('takes an append in whatever turn of the event loop after another one it comes', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestLog(directory.path)
    for (let turns = 0; turns < 40; turns += 1) {
      await opened.log.append([payloadOf(turns)])
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
    }
    expect(opened.log.length).toBe(40)
  })

  it('splits the log into files and reads across them from anywhere', async () => {
    await using directory = await temporaryDirectory()
    {
      await using opened = await openTestLog(directory.path, { segmentSizeBytesMax: 4096 })
      for (let sequence = 0; sequence < 100; sequence += 4) await opened.log.append(payloads(sequence, sequence + 4))
      expect((await readdir(opened.directory)).length).toBeGreaterThan(4)
    }
    await using opened = await openTestLog(directory.path, { segmentSizeBytesMax: 4096 })
    for (const from of [0, 1, 17, 50, 99]) expect(await readAll(opened.log, from)).toEqual(textsOf(from, 100))
    expect(await countReadable(opened.directory)).toBe(100)
  })

  it('starts a read near its sequence, with a mark in the index', async () => {
    await using directory = await temporaryDirectory()
    {
      await using opened = await openTestLog(directory.path)
      const big = (sequence: number) => payloadOf(sequence, PAYLOAD_SIZE_BYTES_MAX)
      for (let sequence = 0; sequence < 12; sequence++) await opened.log.append([big(sequence)])
    }
    await using opened = await openTestLog(directory.path)
    expect(opened.events).toEqual([])
    expect((await opened.index.keys().all()).length).toBe(12)
    const starts: string[] = []
    for await (const { sequence, payload } of opened.log.read({ from: 7, to: 9 })) {
      starts.push(`${sequence}: ${Buffer.from(payload).toString('latin1', 0, 8)}`)
    }
    expect(starts).toEqual(['7: entry 7 ', '8: entry 8 '])
  })

  it.each([
    ['nothing', []],
    ['an empty payload', [new Uint8Array(0)]],
    ['a payload above the limit', [new Uint8Array(PAYLOAD_SIZE_BYTES_MAX + 1)]],
    ['more than one write', Array.from({ length: 31 }, () => new Uint8Array(PAYLOAD_SIZE_BYTES_MAX))]
  ])('refuses %s', async (_, refused) => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestLog(directory.path)
    await expect(opened.log.append(refused)).rejects.toThrow(RangeError)
    expect(opened.log.length).toBe(0)
  })

  it('refuses an append after it was closed, and closes twice', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestLog(directory.path)
    const last = opened.log.append(payloads(0, 1))
    await opened.log.close()
    await last
    await opened.log.close()
    await expect(opened.log.append(payloads(1, 2))).rejects.toMatchObject({ code: 'LOG_CLOSED' })
  })
})

describe('a disk that fails', () => {
  it.each(['datasync', 'write'])(
    'poisons the log when a %s fails, and every acknowledged entry is there after',
    async failing => {
      await using directory = await temporaryDirectory()
      let calls = 0
      const files = failingFileSystem(({ operation }) => {
        if (operation === failing) calls += 1
        return operation === failing && calls > 3 ? systemError('EIO') : undefined
      })
      let acknowledged = 0
      {
        await using opened = await openTestLog(directory.path, { files })
        for (let sequence = 0; sequence < 10; sequence++) {
          const appended = opened.log.append([payloadOf(sequence)])
          if (calls < 3) {
            await appended
            acknowledged += 1
          } else await appended.then(() => (acknowledged += 1)).catch(() => undefined)
        }
        await expect(opened.log.append(payloads(0, 1))).rejects.toMatchObject({ code: 'LOG_POISONED' })
        expect(opened.log.length).toBe(acknowledged)
      }
      expect(acknowledged).toBeGreaterThan(0)
      expect(acknowledged).toBeLessThan(10)
      await using opened = await openTestLog(directory.path)
      expect(opened.log.length).toBeGreaterThanOrEqual(acknowledged)
      expect((await readAll(opened.log)).slice(0, acknowledged)).toEqual(textsOf(0, acknowledged))
      await opened.log.append([payloadOf(opened.log.length)])
    }
  )

  it('rejects the appends that waited behind a failed one, though the disk would take them', async () => {
    await using directory = await temporaryDirectory()
    let syncs = 0
    const files = failingFileSystem(({ operation }) => {
      if (operation === 'datasync') syncs += 1
      return operation === 'datasync' && syncs === 1 ? systemError('ENOSPC') : undefined
    })
    await using opened = await openTestLog(directory.path, { files })
    const results = await Promise.allSettled(payloads(0, 20).map(payload => opened.log.append([payload])))
    expect(results.every(({ status }) => status === 'rejected')).toBe(true)
  })
})

describe('a torn tail', () => {
  it('is cut at whatever byte of the last record the write stopped', async () => {
    await using directory = await temporaryDirectory()
    let whole = 0
    let end = 0
    {
      await using opened = await openTestLog(directory.path)
      await opened.log.append(payloads(0, 4))
      whole = (await readFile(join(opened.directory, FIRST_SEGMENT))).length
      await opened.log.append([payloadOf(4, 30)])
      end = (await readFile(join(opened.directory, FIRST_SEGMENT))).length
    }
    const segment = join(directory.path, 'ledger', FIRST_SEGMENT)
    const original = await readFile(segment)
    for (let size = whole; size < end; size++) {
      await writeFile(segment, original.subarray(0, size))
      expect(await countReadable(join(directory.path, 'ledger'))).toBe(4)
      await using opened = await openTestLog(directory.path)
      expect(opened.log.length).toBe(4)
      const cut = { type: 'tail-cut', segment: 0, sequence: 4, offset: whole, sizeBytes: size - whole }
      expect(opened.events).toMatchObject(size === whole ? [] : [cut])
      expect((await readFile(segment)).length).toBe(whole)
    }
    await using opened = await openTestLog(directory.path)
    await opened.log.append(payloads(4, 6))
    expect(await readAll(opened.log)).toEqual(textsOf(0, 6))
  })

  it('may have a hole anywhere in the last write, since its pages reach the disk in any order', async () => {
    await using directory = await temporaryDirectory()
    const sizes: number[] = []
    {
      await using opened = await openTestLog(directory.path)
      for (const range of [payloads(0, 5), payloads(5, 60)]) {
        await opened.log.append(range)
        sizes.push((await readFile(join(opened.directory, FIRST_SEGMENT))).length)
      }
    }
    const segment = join(directory.path, 'ledger', FIRST_SEGMENT)
    const torn = await readFile(segment)
    torn.fill(0, sizes[0]! + 300, sizes[0]! + 4096)
    await writeFile(segment, torn)
    await using opened = await openTestLog(directory.path)
    expect(opened.log.length).toBeGreaterThanOrEqual(5)
    expect(opened.log.length).toBeLessThan(10)
    expect(await readAll(opened.log)).toEqual(textsOf(0, opened.log.length))
    expect(opened.events).toMatchObject([{ type: 'tail-cut' }])
  })

  it('is not cut when the entries in it are known to have been acknowledged', async () => {
    await using directory = await temporaryDirectory()
    {
      await using opened = await openTestLog(directory.path)
      await opened.log.append(payloads(0, 5))
    }
    const segment = join(directory.path, 'ledger', FIRST_SEGMENT)
    const { length } = await readFile(segment)
    await truncate(segment, length - 1)
    await expect(openTestLog(directory.path, { lengthAcknowledged: 5 })).rejects.toMatchObject({ code: 'LOG_DAMAGED' })
    expect((await readFile(segment)).length).toBe(length - 1)
    await using opened = await openTestLog(directory.path, { lengthAcknowledged: 4 })
    expect(opened.log.length).toBe(4)
  })

  it('in a file that was just being created takes the file with it', async () => {
    await using directory = await temporaryDirectory()
    {
      await using opened = await openTestLog(directory.path)
      await opened.log.append(payloads(0, 3))
    }
    const path = join(directory.path, 'ledger', '0000000000000003.segment')
    await writeFile(path, 'HOLDF')
    await using opened = await openTestLog(directory.path)
    expect(opened.events).toMatchObject([{ type: 'segment-removed' }])
    expect(await readdir(opened.directory)).toEqual([FIRST_SEGMENT])
    await opened.log.append(payloads(3, 4))
    expect(await readAll(opened.log)).toEqual(textsOf(0, 4))
  })

  it('ends a read-only walk without an error and without a change', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestLog(directory.path)
    await opened.log.append(payloads(0, 3))
    const segment = join(opened.directory, FIRST_SEGMENT)
    await appendFile(segment, Buffer.from([0, 0, 0, 9, 1, 2]))
    const before = await readFile(segment)
    expect(await countReadable(opened.directory)).toBe(3)
    expect(await readFile(segment)).toEqual(before)
  })
})

describe('damage before the tail', () => {
  it('stops the open and names the place, for a flipped bit in any byte', async () => {
    await using directory = await temporaryDirectory()
    let end = 0
    {
      await using opened = await openTestLog(directory.path)
      for (const sequence of [0, 1]) await opened.log.append([payloadOf(sequence, 30)])
      end = (await readFile(join(opened.directory, FIRST_SEGMENT))).length
      await opened.log.append([payloadOf(2)])
    }
    const segment = join(directory.path, 'ledger', FIRST_SEGMENT)
    const original = await readFile(segment)
    const secondRecord = SEGMENT_HEADER_SIZE_BYTES + RECORD_HEADER_SIZE_BYTES + 30
    for (let offset = 0; offset < end; offset++) {
      const flipped = Buffer.from(original)
      flipped[offset]! ^= 1 << (offset % 8)
      await writeFile(segment, flipped)
      const record = offset < SEGMENT_HEADER_SIZE_BYTES || offset < secondRecord ? 0 : 1
      const details = offset < SEGMENT_HEADER_SIZE_BYTES ? { segment: 0 } : { segment: 0, sequence: record }
      await expect(countReadable(join(directory.path, 'ledger')), `byte ${offset}`).rejects.toMatchObject({
        code: 'LOG_DAMAGED',
        details
      })
    }
  })

  it('changes nothing on the disk', async () => {
    await using directory = await temporaryDirectory()
    {
      await using opened = await openTestLog(directory.path)
      for (const sequence of [0, 1, 2]) await opened.log.append([payloadOf(sequence)])
    }
    const segment = join(directory.path, 'ledger', FIRST_SEGMENT)
    const flipped = await readFile(segment)
    flipped[SEGMENT_HEADER_SIZE_BYTES + RECORD_HEADER_SIZE_BYTES]! ^= 1
    await writeFile(segment, flipped)
    await expect(openTestLog(directory.path)).rejects.toMatchObject({
      code: 'LOG_DAMAGED',
      details: { segment: 0, sequence: 0, offset: SEGMENT_HEADER_SIZE_BYTES }
    })
    expect(await readFile(segment)).toEqual(flipped)
  })

  it('is found in a file that is not the last, at its very end too', async () => {
    await using directory = await temporaryDirectory()
    {
      await using opened = await openTestLog(directory.path, { segmentSizeBytesMax: 2048 })
      for (let sequence = 0; sequence < 30; sequence++) await opened.log.append([payloadOf(sequence)])
    }
    const segment = join(directory.path, 'ledger', FIRST_SEGMENT)
    await truncate(segment, (await readFile(segment)).length - 1)
    await expect(openTestLog(directory.path)).rejects.toMatchObject({ code: 'LOG_DAMAGED', details: { segment: 0 } })
  })

  it('is a file that is missing, or that another log left', async () => {
    await using directory = await temporaryDirectory()
    {
      await using opened = await openTestLog(directory.path, { segmentSizeBytesMax: 2048 })
      for (let sequence = 0; sequence < 40; sequence++) await opened.log.append([payloadOf(sequence)])
    }
    const ledger = join(directory.path, 'ledger')
    const copy = join(directory.path, 'copy')
    await cp(ledger, copy, { recursive: true })
    const [first, second, third] = (await readdir(ledger)).sort()
    await rm(join(ledger, second!))
    await expect(countReadable(ledger)).rejects.toMatchObject({ code: 'LOG_DAMAGED' })
    await rm(join(ledger, first!))
    await expect(countReadable(ledger)).rejects.toMatchObject({ code: 'LOG_DAMAGED' })
    await copyFile(join(copy, third!), join(copy, second!))
    await expect(countReadable(copy)).rejects.toMatchObject({ code: 'LOG_DAMAGED' })
  })
})

describe('files that were put together by hand', () => {
  const salt = 7

  /** A segment file whose every checksum is right. */
  function segmentOf(header: { firstSequence: number; previousChainHash: Uint8Array }, chainHashes: Uint8Array[] = []) {
    const records = chainHashes.map(chainHash => {
      const bytes = Buffer.alloc(RECORD_HEADER_SIZE_BYTES + 5)
      encodeRecord(bytes, 0, Buffer.from('entry'), { salt, chainHash, groupOffset: 0 })
      return bytes
    })
    return Buffer.concat([encodeSegmentHeader({ salt, ...header }), ...records])
  }

  const first = chainHashOf(CHAIN_START, Buffer.from('entry'))
  const whole = segmentOf({ firstSequence: 0, previousChainHash: CHAIN_START }, [first])

  it.each([
    [
      'a record that does not continue the chain',
      { 0: segmentOf({ firstSequence: 0, previousChainHash: CHAIN_START }, [CHAIN_START]) }
    ],
    [
      'a file that does not continue the chain',
      { 0: whole, 1: segmentOf({ firstSequence: 1, previousChainHash: CHAIN_START }) }
    ],
    ['a gap between two files', { 0: whole, 2: segmentOf({ firstSequence: 2, previousChainHash: first }) }],
    ['a file under a wrong name', { 0: whole, 1: segmentOf({ firstSequence: 2, previousChainHash: first }) }]
  ])('are refused for %s', async (_, segments) => {
    await using directory = await temporaryDirectory()
    for (const [sequence, bytes] of Object.entries(segments)) {
      await writeFile(join(directory.path, formatSegmentName(Number(sequence))), bytes)
    }
    const walk = readSegmentLog(directory.path)
    await expect(walk.next().then(() => walk.next())).rejects.toMatchObject({ code: 'LOG_DAMAGED' })
  })

  it('are taken when they fit, and refused when a newer program wrote them', async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, formatSegmentName(0))
    await writeFile(path, whole)
    const walk = readSegmentLog(directory.path)
    expect(await walk.next()).toMatchObject({ value: { sequence: 0 } })
    expect(await walk.next()).toMatchObject({ done: true })
    const newer = Buffer.from(whole)
    newer.writeUInt32BE(2, 8)
    newer.writeUInt32BE(
      crc32c.buf(newer.subarray(0, SEGMENT_HEADER_SIZE_BYTES - 4)) >>> 0,
      SEGMENT_HEADER_SIZE_BYTES - 4
    )
    await writeFile(path, newer)
    await expect(readSegmentLog(directory.path).next()).rejects.toMatchObject({ code: 'LOG_TOO_NEW' })
  })
})

describe('the index', () => {
  const falsify: Record<string, (path: string) => Promise<void>> = {
    deleted: path => rm(join(path, 'index'), { recursive: true }),
    falsified: async path => {
      const { Level } = await import('level')
      await using level = new Level<string, string>(join(path, 'index'))
      const entries = await level.iterator().all()
      await level.batch(
        entries.map(([key, value]) => ({ type: 'put', key, value: value.replace(/"offset":\d+/, '"offset":77') }))
      )
      await level.put('0000000000009999', '{"sequence":9999,"segment":0,"offset":56,"chainHash":"00"}')
      await level.put('nonsense', 'nonsense')
    }
  }

  it.each(Object.keys(falsify))('is made again when it was %s', async how => {
    await using directory = await temporaryDirectory()
    let entries: [string, string][]
    {
      await using opened = await openTestLog(directory.path, { segmentSizeBytesMax: 4096 })
      for (let sequence = 0; sequence < 60; sequence++) await opened.log.append([payloadOf(sequence)])
      await opened.log.close()
      entries = await opened.index.iterator().all()
    }
    expect(entries.length).toBeGreaterThan(2)
    await falsify[how]!(directory.path)
    await using opened = await openTestLog(directory.path, { segmentSizeBytesMax: 4096 })
    expect(opened.events).toMatchObject([{ type: 'index-rebuilt' }])
    expect(await opened.index.iterator().all()).toEqual(entries)
    expect(await readAll(opened.log, 45)).toEqual(textsOf(45, 60))
  })

  it('is not believed when it lies while the log is open', async () => {
    await using directory = await temporaryDirectory()
    await using opened = await openTestLog(directory.path, { segmentSizeBytesMax: 4096 })
    for (let sequence = 0; sequence < 60; sequence++) await opened.log.append([payloadOf(sequence)])
    const entries = await opened.index.iterator().all()
    const [first] = entries
    await opened.index.put('0000000000000020', entries.at(-1)![1])
    expect(await readAll(opened.log, 20)).toEqual(textsOf(20, 60))
    const moved = { ...(JSON.parse(first![1]) as object), sequence: 40 }
    await opened.index.put('0000000000000040', JSON.stringify({ ...moved, chainHash: 'aa' }))
    expect(await readAll(opened.log, 41)).toEqual(textsOf(41, 60))
    await opened.index.clear()
    expect(await readAll(opened.log, 41)).toEqual(textsOf(41, 60))
  })
})

describe('the record codec', () => {
  const sizes = fc.uint8Array({ minLength: 1, maxLength: 600 })

  property.prop([sizes, fc.nat(GROUP_SIZE_BYTES_MAX - 1), fc.nat(0xffff_ffff), fc.nat(50)])(
    'gives back what was encoded, at any offset',
    (payload, groupOffset, salt, offset) => {
      const bytes = Buffer.alloc(offset + RECORD_HEADER_SIZE_BYTES + payload.length)
      const chainHash = createHash('sha256').update(payload).digest()
      expect(encodeRecord(bytes, offset, payload, { salt, chainHash, groupOffset })).toBe(bytes.length)
      const record = decodeRecord(bytes, offset, salt)
      if (typeof record === 'string') throw new Error(record)
      expect(Buffer.from(record.payload)).toEqual(Buffer.from(payload))
      expect(Buffer.from(record.chainHash)).toEqual(chainHash)
      expect(record).toMatchObject({ groupOffset, sizeBytes: bytes.length - offset })
    }
  )

  property.prop([sizes, fc.nat(50)])('hashes the next record where it stands', (payload, offset) => {
    const before = createHash('sha256').update(payload).digest()
    const sizeBytes = offset + RECORD_HEADER_SIZE_BYTES + payload.length
    const [expected, bytes] = [Buffer.alloc(sizeBytes), Buffer.alloc(sizeBytes)]
    const chainHash = chainHashOf(before, payload)
    encodeRecord(expected, offset, payload, { salt: 3, chainHash, groupOffset: 9 })
    const next = encodeNextRecord(bytes, offset, payload, { salt: 3, chainHash: before, groupOffset: 9 })
    expect([next.end, Buffer.from(next.chainHash), bytes]).toEqual([sizeBytes, Buffer.from(chainHash), expected])
  })

  property.prop([fc.uint8Array({ maxLength: 2000 }), fc.nat(0xffff_ffff)])(
    'never throws on foreign bytes',
    (bytes, salt) => {
      expect(['bad', 'short']).toContain(decodeRecord(Buffer.from(bytes), 0, salt))
    }
  )

  property.prop([sizes, fc.nat(), fc.nat(7)])('finds any flipped bit', (payload, at, bit) => {
    const bytes = Buffer.alloc(RECORD_HEADER_SIZE_BYTES + payload.length)
    encodeRecord(bytes, 0, payload, { salt: 7, chainHash: CHAIN_START, groupOffset: 0 })
    bytes[at % bytes.length]! ^= 1 << bit
    expect(['bad', 'short']).toContain(decodeRecord(bytes, 0, 7))
  })

  it('knows no empty record', () => {
    const bytes = Buffer.alloc(RECORD_HEADER_SIZE_BYTES)
    encodeRecord(bytes, 0, new Uint8Array(0), { salt: 1, chainHash: CHAIN_START, groupOffset: 0 })
    expect(decodeRecord(bytes, 0, 1)).toBe('bad')
  })

  it('does not take a record that was made for another file', () => {
    const bytes = Buffer.alloc(RECORD_HEADER_SIZE_BYTES + 3)
    encodeRecord(bytes, 0, Uint8Array.of(1, 2, 3), { salt: 1, chainHash: CHAIN_START, groupOffset: 0 })
    expect(decodeRecord(bytes, 0, 2)).toBe('bad')
  })
})

it('has limits that fit into each other', () => {
  expect(PAYLOAD_SIZE_BYTES_MAX + RECORD_HEADER_SIZE_BYTES).toBeLessThan(GROUP_SIZE_BYTES_MAX)
  expect(GROUP_SIZE_BYTES_MAX + SEGMENT_HEADER_SIZE_BYTES).toBeLessThan(SEGMENT_SIZE_BYTES_MAX)
  expect(PAYLOAD_SIZE_BYTES_MAX).toBeGreaterThan(256 * 1024)
  expect(MARK_EVERY_BYTES).toBeLessThan(SEGMENT_SIZE_BYTES_MAX)
})
