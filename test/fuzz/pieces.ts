/** What a reader of private pieces takes from their maker and from people, and what must hold whatever that is. */
import {
  deriveObjectListKeys,
  formatReference,
  type ObjectReference,
  openObjectList,
  parseReference,
  parseRepairReference,
  portablePieceCiphers,
  sealObjectList
} from '@holdfast/core'
import { CID } from 'multiformats/cid'
import { decodeAgeFile, encodeAgeFile, openAgeFile } from '../../packages/core/src/pieces/age-file.ts'
import { decodeManifest, encodeManifest } from '../../packages/core/src/pieces/manifest.ts'
import { decodePieceFooter, encodePieceFooter } from '../../packages/core/src/pieces/piece-footer.ts'
import { decodeReference, encodeReference } from '../../packages/core/src/pieces/reference.ts'
import type { FuzzTarget } from './fuzz.ts'

const bytesOf = (sizeBytes: number) => Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 89) & 0xff)

function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) throw new Error('took bytes that are not the valid ones')
}

const root = CID.parse('bafkreiaqatahplxbs52yosbpoeij6cwxewzlyct7g3wfqvdzkfshz4dn6a')
const reference: ObjectReference = { root, secret: bytesOf(32), layout: 'identical', pieceCount: 200 }
const text = new TextEncoder()

const footer = { carSizeBytes: 1000, blockCount: 3, manifestSizeBytes: 0, piece: 1 }
const footerTarget: FuzzTarget = {
  name: 'core/decodePieceFooter',
  samples: [encodePieceFooter(footer)],
  run(input) {
    const verdict = decodePieceFooter(input, 1, 1152)
    if (verdict.ok) expectSame(encodePieceFooter(verdict.footer), input)
  }
}

const manifest = { version: 1 as const, root, profile: 'car', contentSizeBytes: 9, fileCount: 1, blockCount: 2 }
const manifestTarget: FuzzTarget = {
  name: 'core/decodeManifest',
  samples: [encodeManifest({ ...manifest, earlierPieceSizesBytes: [65_536] })],
  run(input) {
    const verdict = decodeManifest(input, 1)
    if (verdict.ok && verdict.manifest.earlierPieceSizesBytes.length !== 1) throw new Error('took another piece')
  }
}

const referenceTarget: FuzzTarget = {
  name: 'core/decodeReference',
  samples: [encodeReference(reference), encodeReference({ ...reference, layout: 'distinct', pieceCount: 1 })],
  run(input) {
    const verdict = decodeReference(input)
    if (verdict.ok) expectSame(encodeReference(verdict.reference), input)
  }
}

const referenceTextTarget: FuzzTarget = {
  name: 'core/parseReference',
  samples: [text.encode(formatReference(reference))],
  run(input) {
    const spelled = new TextDecoder('latin1').decode(input)
    const verdict = parseReference(spelled)
    if (verdict.ok && formatReference(verdict.reference) !== spelled.trim().toLowerCase())
      throw new Error('has two texts')
    if (parseRepairReference(spelled).ok) throw new Error('took a reference for one to repair with')
  }
}

const listKeys = deriveObjectListKeys(bytesOf(32))
const listTools = { keys: listKeys, ciphers: portablePieceCiphers }
const sealed = sealObjectList({ version: 1, sequence: 0, objects: [] }, { ...listTools, salt: bytesOf(32) })
const stored = (() => {
  const bytes = sealed.slice()
  // The outer layer undoes itself: what opening takes off is put on.
  openObjectList({ bytes, slot: 0, replica: 0 }, listTools)
  if (!openObjectList({ bytes: bytes.slice(), slot: 0, replica: 0 }, listTools).ok) throw new Error('no valid sample')
  return bytes
})()
const listTarget: FuzzTarget = {
  name: 'core/openObjectList',
  samples: [stored, sealed],
  run(input) {
    if (openObjectList({ bytes: input.slice(), slot: 0, replica: 0 }, listTools).ok) expectSame(input, stored)
  }
}

const fileKey = bytesOf(16)
const ageFile = encodeAgeFile(text.encode('hf1'), [{ words: ['X25519', 'AAAA'], body: bytesOf(32) }], {
  fileKey,
  nonce: bytesOf(16)
})
const ageTarget: FuzzTarget = {
  name: 'core/decodeAgeFile',
  samples: [ageFile],
  run(input) {
    const file = decodeAgeFile(input)
    if (file !== undefined && openAgeFile(file, fileKey) !== undefined) expectSame(input, ageFile)
  }
}

export const piecesTargets: readonly FuzzTarget[] = [
  footerTarget,
  manifestTarget,
  referenceTarget,
  referenceTextTarget,
  listTarget,
  ageTarget
]
