import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOfTranscript, hashMerkleLeaf, verifyMerklePath } from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { machineFileSystem } from '../../src/storage/file-system.ts'
import { createTranscriptStore, type DiskTranscriptStore } from '../../src/verifier/transcript-store.ts'
import { failingFileSystem, systemError } from '../failing-file-system.ts'
import { KILL_COUNT, killAfterLines } from '../kill-after-lines.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { attestationOf, keptOf, sealRound, silenceOf } from './sealed-rounds.ts'

const CHILD = new URL('seal-until-killed.ts', import.meta.url)

let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let store: DiskTranscriptStore

async function open(changes: Partial<Parameters<typeof createTranscriptStore>[0]> = {}) {
  const opened = createTranscriptStore({ directory: directory.path, ...changes })
  await opened.start()
  return opened
}

beforeEach(async () => {
  directory = await temporaryDirectory()
  store = await open()
})

afterEach(async () => {
  await store.stop()
  await directory[Symbol.asyncDispose]()
})

/** Every transcript of a round that `sealRound` made, and its way to the root. */
async function expectWhole(from: DiskTranscriptStore, round: number, proved = 3): Promise<void> {
  const { transcripts: root } = (await from.sealed(round))!.statement
  for (let dealId = 1; dealId <= proved + 1; dealId += 1) {
    const shown = (await from.get(round, dealId))!
    const { transcript, proofs } = dealId <= proved ? keptOf(round, dealId) : { transcript: silenceOf(round, dealId) }
    expect(shown.transcript).toEqual(transcript)
    expect(shown.proofs).toEqual(proofs)
    const leafHash = hashMerkleLeaf(digestOfTranscript(shown.transcript))
    expect(verifyMerklePath({ root, leafHash, index: dealId - 1, size: proved + 1, path: shown.path })).toBe(true)
  }
}

describe('a round that is sealed', () => {
  it('shows each of its transcripts with its proofs and its path, also after a restart', async () => {
    const attestation = await sealRound(store, 7)
    await expectWhole(store, 7)
    await store.stop()
    store = await open()
    expect(await store.sealed(7)).toEqual(attestation)
    await expectWhole(store, 7)
    expect(await store.get(7, 9)).toBeUndefined()
    expect(await store.get(8, 1)).toBeUndefined()
    expect(await store.sealed(8)).toBeUndefined()
  })

  it('stays as it is, whatever comes later', async () => {
    const attestation = await sealRound(store, 7)
    await store.put(keptOf(7, 4))
    await expect(store.seal(attestation, [])).rejects.toThrow('sealed already')
    await expectWhole(store, 7)
  })

  it('is gone when it is pruned, with what was not sealed', async () => {
    await sealRound(store, 7)
    await sealRound(store, 8)
    await store.put(keptOf(6, 1))
    await store.prune(8)
    expect(await store.sealed(7)).toBeUndefined()
    await expectWhole(store, 8)
    expect(await readdir(directory.path)).toEqual(['0000000000000008.transcripts'])
  })
})

describe('a round that is not sealed', () => {
  it('shows nothing, and is dropped at the next start', async () => {
    await store.put(keptOf(7, 1))
    expect(await store.get(7, 1)).toBeUndefined()
    await store.stop()
    store = await open()
    expect(await readdir(directory.path)).toEqual([])
    await sealRound(store, 7)
    await expectWhole(store, 7)
  })

  it('keeps the first proof of a deal', async () => {
    await store.put(keptOf(7, 1))
    await store.put(keptOf(7, 1, 64))
    const { transcript } = keptOf(7, 1)
    await store.seal(attestationOf(7, [transcript]), [transcript])
    expect((await store.get(7, 1))!.proofs).toEqual(keptOf(7, 1).proofs)
  })

  it('cannot be sealed without the proofs of its passes', async () => {
    const { transcript } = keptOf(7, 1)
    await expect(store.seal(attestationOf(7, [transcript]), [transcript])).rejects.toThrow('not put before')
    expect(await store.sealed(7)).toBeUndefined()
  })

  it('takes no more than it may', async () => {
    await store.stop()
    store = await open({ sizeBytesMax: 4000 })
    await store.put(keptOf(7, 1))
    await expect(store.put(keptOf(7, 2, 4000))).rejects.toMatchObject({ code: 'TRANSCRIPTS_FULL' })
    await store.put(keptOf(7, 3))
    await store.prune(8)
    await store.put(keptOf(9, 2, 2500))
  })
})

describe('a disk', () => {
  it('that fails at any call leaves no round that is sealed and not whole', async () => {
    for (let failing = 1, passed = false; !passed; failing += 1) {
      await using place = await temporaryDirectory()
      let calls = 0
      const files = failingFileSystem(({ operation }) => {
        calls += 1
        return calls === failing ? systemError(operation === 'sync' ? 'EIO' : 'ENOSPC') : undefined
      })
      const failed = createTranscriptStore({ directory: place.path, files })
      const sealed = await failed
        .start()
        .then(() => sealRound(failed, 7))
        .then(() => true)
        .catch(() => false)
      await failed.stop().catch(() => undefined)
      await using reopened = createTranscriptStore({ directory: place.path })
      await reopened.start()
      if (sealed) expect(await reopened.sealed(7), `call ${failing}`).toBeDefined()
      if ((await reopened.sealed(7)) !== undefined) await expectWhole(reopened, 7)
      passed = calls < failing
      if (passed) expect(calls).toBeGreaterThan(10)
    }
  })

  it('that flips a bit is found out wherever it is: never a wrong transcript', async () => {
    await sealRound(store, 7, 2)
    const path = join(directory.path, '0000000000000007.transcripts')
    const bytes = await readFile(path)
    const whole = { '1': keptOf(7, 1).transcript, '2': keptOf(7, 2).transcript, '3': silenceOf(7, 3) }
    let damaged = 0
    for (let at = 0; at < bytes.length; at += 3) {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 1 << (at % 8)
      await writeFile(path, flipped)
      for (const [dealId, transcript] of Object.entries(whole)) {
        try {
          expect((await store.get(7, Number(dealId)))!.transcript).toEqual(transcript)
        } catch (error) {
          expect(error).toMatchObject({ code: 'TRANSCRIPT_DAMAGED' })
          damaged += 1
        }
      }
    }
    expect(damaged).toBeGreaterThan(bytes.length / 3 - 1)
  })

  it('that is cut short is found out', async () => {
    await sealRound(store, 7)
    const path = join(directory.path, '0000000000000007.transcripts')
    const bytes = await machineFileSystem
      .open(path, 'r')
      .then(handle => handle.readFile().finally(() => handle.close()))
    for (const sizeBytes of [0, 11, 12, 40, bytes.length - 1]) {
      await store.stop()
      await writeFile(path, bytes.subarray(0, sizeBytes))
      store = await open()
      await expect(store.get(7, 1), `${sizeBytes} bytes`).rejects.toMatchObject({ code: 'TRANSCRIPT_DAMAGED' })
    }
  })
})

it(`every sealed round is whole after ${KILL_COUNT} kills with SIGKILL`, { timeout: KILL_COUNT * 20_000 }, async () => {
  let next = 1
  for (let kill = 0; kill < KILL_COUNT; kill += 1) {
    const lines = await killAfterLines(CHILD, [directory.path, String(next)], 3 + ((kill * 13) % 40))
    const last = Number(lines.at(-1))
    await store.stop()
    store = await open()
    for (let round = Math.max(next, last - 20); round <= last; round += 1) await expectWhole(store, round, 5)
    if ((await store.sealed(last + 1)) !== undefined) await expectWhole(store, last + 1, 5)
    next = last + 2
  }
})
