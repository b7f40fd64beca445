import { appendFile, readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { DialRecord } from '@holdfast/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createDialFiles } from '../../src/verifier/dial-files.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

let life: AsyncDisposableStack
let directory: string
beforeEach(async () => {
  life = new AsyncDisposableStack()
  directory = join(life.use(await temporaryDirectory()).path, 'transcripts')
})
afterEach(() => life.disposeAsync())

const fileOf = (round: number) => join(directory, `${String(round).padStart(16, '0')}.dials`)

function dialOf(round: number, dealId: number, reason = 'nobody is there'): DialRecord {
  return {
    round,
    provider: `0x${'22'.repeat(20)}`,
    dealIds: [dealId, dealId + 1],
    addresses: ['/ip4/192.0.2.1/tcp/4740'],
    fromMs: 1_000,
    untilMs: 2_000,
    outcome: { kind: 'no answer', code: 'UNREACHABLE', reason }
  }
}

it('keeps what was tried, by round and by deal, for the next process too', async () => {
  const dials = createDialFiles({ directory })
  await Promise.all([
    dials.add([dialOf(7, 1), dialOf(8, 1)]),
    dials.add([dialOf(7, 4, 'line\nbreak “ü”')]),
    dials.add([])
  ])
  const again = createDialFiles({ directory })
  expect(await again.read(7)).toEqual([dialOf(7, 1), dialOf(7, 4, 'line\nbreak “ü”')])
  expect(await again.read(7, 2)).toEqual([dialOf(7, 1)])
  expect(await again.read(7, 3)).toEqual([])
  expect(await again.read(9)).toEqual([])
})

it('passes over a line that a crash tore, and over what is none of its own', async () => {
  const dials = createDialFiles({ directory })
  await dials.add([dialOf(7, 1), dialOf(7, 3)])
  await truncate(fileOf(7), Buffer.byteLength(JSON.stringify(dialOf(7, 1))) + 40)
  await dials.add([dialOf(7, 5)])
  await appendFile(fileOf(7), '\n{"round":7}\n[]\nnot JSON')
  expect(await dials.read(7)).toEqual([dialOf(7, 1), dialOf(7, 5)])
})

it('gives a round no more than its share of the disk', async () => {
  const dials = createDialFiles({ directory, sizeBytesMax: 1_000 })
  for (let deal = 0; deal < 20; deal += 1) await dials.add([dialOf(7, deal)])
  const kept = await dials.read(7)
  expect(kept.length).toBeGreaterThan(1)
  expect(kept.length).toBeLessThan(5)
  await dials.add([dialOf(8, 1)])
  expect(await dials.read(8)).toHaveLength(1)
})

it('forgets rounds, and nothing else that stands beside them', async () => {
  const dials = createDialFiles({ directory })
  await dials.add([dialOf(7, 1), dialOf(8, 1)])
  await appendFile(join(directory, '0000000000000001.transcripts'), '')
  await dials.prune(8)
  expect(await readdir(directory)).toEqual(['0000000000000001.transcripts', '0000000000000008.dials'])
})
