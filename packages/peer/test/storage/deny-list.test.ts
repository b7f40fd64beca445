import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import * as dagPb from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import { openDenyList, parseDenyList } from '../../src/storage/index.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { carOf, cidOf, openTestStore, randomBytes, storePiece } from './open-test-store.ts'

const DAG_PB = 0x70

describe('a deny file', () => {
  it('holds CIDs, remarks and empty lines, and says what it cannot read', async () => {
    const cid = CID.createV1(dagPb.code, await sha256.digest(randomBytes(1, 10)))
    const { cids, strangeLines } = parseDenyList(`# takedown of May\n\n  ${cid} # ours\nnonsense\n`)
    expect(cids.has(cid.toString())).toBe(true)
    expect(strangeLines).toEqual(['nonsense'])
  })

  it('means a CID in whatever version it is written', async () => {
    const v1 = CID.createV1(DAG_PB, await sha256.digest(randomBytes(1, 10)))
    for (const text of [v1.toString(), v1.toV0().toString()]) {
      const { cids } = parseDenyList(text)
      expect(cids.has(v1.toString())).toBe(true)
      expect(cids.has(v1.toV0().toString())).toBe(true)
    }
  })

  it('counts as it is changed, and is none when it is gone', async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'deny')
    const cid = (await cidOf(randomBytes(1, 10))).toString()
    const list = await openDenyList(path)
    expect(list.has(cid)).toBe(false)
    await writeFile(path, `${cid}\n`)
    await list.refresh()
    expect(list.has(cid)).toBe(true)
    await rm(path)
    await list.refresh()
    expect(list.has(cid)).toBe(false)
  })
})

describe('blocks of denied content', () => {
  it.each(['root', 'piece'])(
    'are not found when their %s is denied, and are again when it no longer is',
    async what => {
      await using directory = await temporaryDirectory()
      const denied = new Set<string>()
      await using opened = await openTestStore(directory.path, { denies: cid => denied.has(cid) })
      const block = randomBytes(1, 100)
      const root = await cidOf(block)
      const { cid } = await storePiece(opened.store, await carOf([block]))
      await opened.store.keep(cid, '1', root)
      denied.add(what === 'root' ? root.toString() : cid.toString())
      expect(await opened.store.findBlock(root)).toBeUndefined()
      expect(await opened.store.get(cid)).toMatchObject({ isDenied: true })
      denied.clear()
      expect(await opened.store.findBlock(root)).toBeDefined()
    }
  )
})
