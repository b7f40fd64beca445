import { createCipheriv, createHash } from 'node:crypto'
import { createPieceHasher, decodePieceCid, portableNodeHasher } from '@holdfast/proofs'
import fc from 'fast-check'
import { type ImporterOptions, importer } from 'ipfs-unixfs-importer'
import type { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import {
  BLOCK_SIZE_BYTES_MAX,
  compareEntryNames,
  encodeCarHeader,
  PIECE_SIZE_BYTES_MIN,
  PIECE_SIZE_LIMIT_BYTES_MIN,
  PLACEHOLDER_ROOT,
  type SourceEntry,
  type UnixfsProfile
} from '../../src/content/index.ts'
import { directory, file, MemoryPieces, packTree, sourceOf, symlink, text } from './memory-content.ts'

const MIB = 1024 * 1024

/** Kubo's deterministic test data: the ChaCha20 keystream under the SHA-256 of the seed. */
function keystream(size: number, seed: string): Uint8Array {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('chacha20', key, Buffer.alloc(16)).update(Buffer.alloc(size))
}

function keystreamNames(count: number, length: number, lastLength: number, seed: string): string[] {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz01234567890-_'
  const stream = keystream(MIB, seed)
  let offset = 0
  return Array.from({ length: count }, (_, i) => {
    const size = i === count - 1 ? lastLength : length
    const name = Array.from(stream.subarray(offset, offset + size), byte => alphabet[byte % alphabet.length]).join('')
    offset += size
    return name
  })
}

const sorted = (entries: SourceEntry[]) => entries.sort((a, b) => compareEntryNames(a.path, b.path))

async function rootOf(entries: Iterable<SourceEntry>, profile: UnixfsProfile): Promise<string> {
  return (await packTree(entries, { profile })).packed.root.toString()
}

describe('CIDs of Kubo (cid_profiles_test.go, IPIP-499)', () => {
  const files: Array<[UnixfsProfile, Uint8Array, string]> = [
    ['unixfs-v0-2015', text('hello world'), 'Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD'],
    ['unixfs-v0-2015', keystream(262_144, 'chunk-v0-seed'), 'QmWmRj3dFDZdb6ABvbmKhEL6TmPbAfBZ1t5BxsEyJrcZhE'],
    ['unixfs-v0-2015', keystream(262_145, 'chunk-v0-seed'), 'QmYyLxtzZyW22zpoVAtKANLRHpDjZtNeDjQdJrcQNWoRkJ'],
    ['unixfs-v1-2025', text('hello world'), 'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'],
    ['unixfs-v1-2025', keystream(MIB, 'chunk-v1-seed'), 'bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta'],
    [
      'unixfs-v1-2025',
      keystream(MIB + 1, 'chunk-v1-seed'),
      'bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64'
    ]
  ]
  it.each(files)('%s: a file of one chunk or two', async (profile, bytes, cid) => {
    expect(await rootOf([file('', bytes)], profile)).toBe(cid)
  })

  it('unixfs-v0-2015: a file of two levels of nodes', async () => {
    const bytes = keystream(174 * 262_144 + 1, 'v0-seed')
    expect(await rootOf([file('', bytes)], 'unixfs-v0-2015')).toBe('QmV81WL765sC8DXsRhE5fJv2rwhS4icHRaf3J9Zk5FdRnW')
  }, 60_000)

  const directories: Array<[UnixfsProfile, number, number, number, string]> = [
    ['unixfs-v0-2015', 4096, 30, 30, 'QmX5GtRk3TSSEHtdrykgqm4eqMEn3n2XhfkFAis5fjyZmN'],
    ['unixfs-v0-2015', 4033, 31, 31, 'QmeMiJzmhpJAUgynAcxTQYek5PPKgdv3qEvFsdV3XpVnvP'],
    ['unixfs-v1-2025', 4766, 11, 21, 'bafybeic3h7rwruealwxkacabdy45jivq2crwz6bufb5ljwupn36gicplx4'],
    ['unixfs-v1-2025', 4766, 11, 22, 'bafybeiegvuterwurhdtkikfhbxcldohmxp566vpjdofhzmnhv6o4freidu']
  ]
  it.each(directories)('%s: a directory of %i files at or one byte over the threshold', async (...vector) => {
    const [profile, count, length, lastLength, cid] = vector
    const names = keystreamNames(count, length, lastLength, `hamt-${profile}`)
    expect(await rootOf(sorted(names.map(name => file(name, text('x')))), profile)).toBe(cid)
  })
})
