import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Observation } from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openObservationFile } from '../../src/verifier/observation-file.ts'
import { failingFileSystem, systemError } from '../failing-file-system.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const PROVIDER = `0x${'a1'.repeat(20)}` as const
const seen = (timeMs: number): Observation => ({
  kind: 'read',
  provider: PROVIDER,
  dealId: 7,
  round: 3,
  timeMs,
  outcome: 'failed',
  bytes: 0,
  reason: 'what "block"?\nnone'
})

let directory: Awaited<ReturnType<typeof temporaryDirectory>>
let path: string
beforeEach(async () => {
  directory = await temporaryDirectory()
  path = join(directory.path, 'observations')
})
afterEach(() => directory[Symbol.asyncDispose]())

async function timesOf(): Promise<number[]> {
  await using again = await openObservationFile({ path })
  return again.book.list().map(({ timeMs }) => timeMs)
}

describe('the file of observations', () => {
  it('gives back what was written before a process was killed', async () => {
    const file = await openObservationFile({ path }) // never stopped
    await Promise.all([file.add(seen(1)), file.add(seen(2))])
    await file.add(seen(3))
    await using again = await openObservationFile({ path })
    expect(again.book.list()).toEqual([seen(1), seen(2), seen(3)])
    await again.add(seen(4))
    expect(await timesOf()).toEqual([1, 2, 3, 4])
  })

  it('leaves out a line that was torn, and one with a flipped bit, and no other', async () => {
    await using file = await openObservationFile({ path })
    for (const timeMs of [1, 2, 3]) await file.add(seen(timeMs))
    const text = await readFile(path, 'utf8')
    const lines = text.split('\n')
    await writeFile(path, text.replace(lines[2]!, lines[2]!.replace('"timeMs":2', '"timeMs":9')))
    await appendFile(path, lines[1]!.slice(0, 40))
    expect(await timesOf()).toEqual([1, 3])
  })

  it('stays bounded, and keeps the newest', async () => {
    const bounds = { perKindMax: 5 }
    await using file = await openObservationFile({ path, bounds, forgottenLinesMax: 10 })
    for (let timeMs = 1; timeMs <= 100; timeMs += 1) await file.add(seen(timeMs))
    const lines = (await readFile(path, 'utf8')).trim().split('\n')
    expect(lines.length).toBeLessThanOrEqual(1 + 5 + 10)
    expect(file.book.list().map(({ timeMs }) => timeMs)).toEqual([96, 97, 98, 99, 100])
    expect((await timesOf()).slice(-5)).toEqual([96, 97, 98, 99, 100])
  })

  it('begins anew where the file is not ours, and says so', async () => {
    await writeFile(path, 'my diary\n')
    const errors: unknown[] = []
    await using file = await openObservationFile({ path, onError: error => errors.push(error) })
    expect(file.book.list()).toEqual([])
    expect(String(errors[0])).toContain('does not begin')
    await file.add(seen(1))
    expect(await timesOf()).toEqual([1])
  })

  it('goes on remembering while the disk fails, and writes all of it when the disk is back', async () => {
    let isBroken = false
    const files = failingFileSystem(({ operation }) =>
      isBroken && operation === 'writeFile' ? systemError('ENOSPC') : undefined
    )
    const errors: unknown[] = []
    await using file = await openObservationFile({ path, files, onError: error => errors.push(error) })
    await file.add(seen(1))
    isBroken = true
    await file.add(seen(2))
    await file.add(seen(3))
    expect(errors).toHaveLength(2)
    expect(file.book.size).toBe(3)
    isBroken = false
    await file.add(seen(4))
    expect(await timesOf()).toEqual([1, 2, 3, 4])
  })
})
