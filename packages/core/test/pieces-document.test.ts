/**
 * PIECES.md against the code: its figures, its texts, and its example, which is read here by what the page says and by
 * nothing of the code but Node's primitives.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createPieceHasher, PIECE_SIZE_BYTES_MAX, portableNodeHasher } from '@holdfast/proofs'
import { decode } from '@ipld/dag-cbor'
import { describe, expect, it } from 'vitest'
import { createSigner } from '../src/identity.ts'
import { frameCipherOf, SEALED_CONTENT_SIZE_BYTES_MAX } from '../src/pieces/frames.ts'
import * as pieces from '../src/pieces/index.ts'
import { deriveLabel, deriveObjectKeys } from '../src/pieces/object-keys.ts'
import { BLOCKS_PER_PIECE_MAX, INDEX_ENTRY_SIZE_BYTES, PIECE_FOOTER_SIZE_BYTES } from '../src/pieces/piece-footer.ts'
import { file, text } from './content/memory-content.ts'
import { packPrivateTree } from './pieces/private-objects.ts'

const DOCUMENT = await readFile(new URL('../PIECES.md', import.meta.url), 'utf8')
const SECRET = Uint8Array.from({ length: 32 }, (_, index) => index)
const CONTENT = text('hello, private world\n')
const example = await packPrivateTree([file('', CONTENT)], { secret: SECRET, replicaCount: 2 })
const [inner] = example.inner as [Uint8Array]
const keys = deriveObjectKeys(SECRET)

const hex = (bytes: Uint8Array | ArrayBuffer) => Buffer.from(bytes as Uint8Array).toString('hex')

/** The values of the example, in the order of the table. */
const VALUES: Record<string, string> = {
  'read key': hex(keys.readKey),
  'repair key': hex(keys.repairKey),
  'label of replica 0': hex(deriveLabel(keys.repairKey, { replica: 0, piece: 0 })),
  'label of replica 1': hex(deriveLabel(keys.repairKey, { replica: 1, piece: 0 })),
  'SHA-256 of the inner piece': createHash('sha256').update(inner).digest('hex'),
  'PieceCID of replica 0': String(example.content.pieces[0]!.cids[0]),
  'PieceCID of replica 1': String(example.content.pieces[0]!.cids[1]),
  root: String(example.reference.root),
  reference: pieces.formatReference(example.reference),
  'repair reference': pieces.formatRepairReference({ ...example.reference, repairKey: keys.repairKey })
}

describe('PIECES.md', () => {
  it('names every limit with its value', () => {
    const { portablePieceCiphers: _, ...rest } = pieces
    const limits = {
      ...Object.fromEntries(Object.entries(rest).filter(([, value]) => typeof value === 'number')),
      PIECE_SIZE_BYTES_MAX,
      SEALED_CONTENT_SIZE_BYTES_MAX,
      BLOCKS_PER_PIECE_MAX,
      INDEX_ENTRY_SIZE_BYTES,
      PIECE_FOOTER_SIZE_BYTES
    }
    expect(Object.keys(limits).length).toBeGreaterThan(12)
    for (const [name, value] of Object.entries(limits)) expect(DOCUMENT).toContain(`| \`${name}\` | ${value} |`)
  })

  it.each(Object.entries(VALUES))('has the %s of its example', (name, value) => {
    expect(DOCUMENT).toContain(`| ${name} | \`${value}\` |`)
  })
})

/** From here on, only what the page says. */
const hkdf = (key: Uint8Array, name: string, ...numbers: number[]) => hkdfOf(32, key, name, ...numbers)

function hkdfOf(size: number, key: Uint8Array, name: string, ...numbers: number[]): Buffer {
  const info = Buffer.concat([
    Buffer.from(`holdfast/1/${name}`),
    ...numbers.map(number => {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(number)
      return bytes
    })
  ])
  return Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), info, size))
}

const SECP256K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

function labelByHand(repairKey: Uint8Array, replica: number, piece: number): string {
  const seed = BigInt(`0x${hkdfOf(48, repairKey, 'label', replica, piece).toString('hex')}`)
  const key = (seed % (SECP256K1_ORDER - 1n)) + 1n
  return createSigner(Buffer.from(key.toString(16).padStart(64, '0'), 'hex')).address.slice(2)
}

function xor(bytes: Uint8Array, key: Uint8Array): Buffer {
  return createCipheriv('chacha20', key, Buffer.alloc(16)).update(bytes)
}

function openFrame(frame: Buffer, key: Uint8Array, piece: number, number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(number, 7)
  nonce[11] = isLast ? 1 : 0
  const associated = Buffer.concat([Buffer.from('holdfast/piece/1'), Buffer.from([0, 0, 0, piece])])
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
  decipher.setAAD(associated, { plaintextLength: frame.length - 16 })
  decipher.setAuthTag(frame.subarray(-16))
  return Buffer.concat([decipher.update(frame.subarray(0, -16)), decipher.final()])
}

describe('a piece, read by what PIECES.md says', () => {
  it('is found, opened and checked', async () => {
    const stored = await example.stored({ replica: 1, piece: 0 })
    const hasher = createPieceHasher({ nodeHasher: portableNodeHasher })
    hasher.update(stored)
    expect(String(hasher.digest().cid)).toBe(VALUES['PieceCID of replica 1'])

    const readKey = hkdf(SECRET, 'read')
    const repairKey = hkdf(SECRET, 'repair')
    expect(labelByHand(repairKey, 1, 0)).toBe(VALUES['label of replica 1'])
    const sealed = xor(stored, hkdf(repairKey, 'replica', 1, 0))
    expect(hex(sealed)).toBe(hex(inner))
    const content = openFrame(sealed, hkdf(readKey, 'piece', 0), 0, 0, true)

    const footer = content.subarray(-32)
    expect(footer.toString('latin1', 0, 8)).toBe('HFPIECE1')
    const [carSize, blockCount, manifestSize, piece] = [8, 12, 16, 20].map(at => footer.readUInt32BE(at)) as [
      number,
      number,
      number,
      number
    ]
    expect(piece).toBe(0)
    expect(carSize + 40 * blockCount + manifestSize + 32).toBe(content.length)

    const digest = createHash('sha256').update(CONTENT).digest()
    const entries = Array.from({ length: blockCount }, (_, index) =>
      content.subarray(carSize + 40 * index, carSize + 40 * (index + 1))
    )
    const entry = entries.find(one => one.subarray(0, 32).equals(digest))!
    const block = content.subarray(entry.readUInt32BE(32), entry.readUInt32BE(32) + entry.readUInt32BE(36))
    expect(block.equals(CONTENT)).toBe(true)

    const manifest = decode<Record<string, unknown>>(content.subarray(-32 - manifestSize, -32))
    expect(String(manifest.root)).toBe(VALUES.root)
    expect(Object.keys(manifest)).toEqual(
      expect.arrayContaining([...DOCUMENT.matchAll(/^ {8}([a-zA-Z]+):/gm)].map(([, name]) => name!))
    )
  })

  it('has its frames in the order and with the keys that the page says', () => {
    const key = hkdf(hkdf(SECRET, 'read'), 'piece', 3)
    const cipher = frameCipherOf(pieces.portablePieceCiphers, key, 3)
    const frame = Buffer.from([...CONTENT, ...Array<number>(16).fill(0)])
    cipher.seal(frame, 300, false)
    expect(openFrame(frame, key, 3, 300, false).equals(CONTENT)).toBe(true)
  })
})
