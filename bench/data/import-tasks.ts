/** A file on disk becomes content-addressed blocks on disk, in four programs. Each has run before it is measured. */
import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { unixfs } from '@helia/unixfs'
import { createHashingThreads, nodePieceCiphers, type StageOptions, stageObject } from '@holdfast/peer'
import { loadNativeNodeHasher } from '@holdfast/proofs/native'
import { FsBlockstore } from 'blockstore-fs'
import { create as createWasmHasher } from 'fr32-sha2-256-trunc254-padded-binary-tree-multihash'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { KIB, MIB } from '../harness.ts'
import { loadIpfsCar } from './bench-peers.ts'
import type { Task } from './measured-process.ts'

interface ImportArgument {
  readonly path: string
}

/** @returns seconds; what was made is removed again, unmeasured */
async function inFolder(path: string, run: (folder: string) => Promise<unknown>): Promise<number> {
  const folder = await mkdtemp(join(dirname(path), 'import-'))
  try {
    const before = performance.now()
    await run(folder)
    return (performance.now() - before) / 1000
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** What `put` does before it sends: UnixFS, CAR, commitment, all on disk; private objects encrypted as well. */
const importHoldfast =
  (options: Omit<StageOptions, 'stagingDirectory'>): Task =>
  async () => {
    const nodeHasher = await loadNativeNodeHasher()
    const { createHasher } = createHashingThreads({ count: 2 })
    const random = (sizeBytes: number) => new Uint8Array(randomBytes(sizeBytes))
    const components = { nodeHasher, createHasher, ciphers: nodePieceCiphers, random }
    return {
      run: ({ path }: ImportArgument) =>
        inFolder(path, async stagingDirectory => {
          await using object = await stageObject(path, components, { ...options, stagingDirectory })
          return object.root
        })
    }
  }

export const importPublic = importHoldfast({ encrypt: false })
/** With the commitment of one replica, as many as `import` makes. */
export const importPrivate = importHoldfast({ replicaCount: 1 })
/** With those of three, as `put` makes by default. */
export const importPrivate3 = importHoldfast({ replicaCount: 3 })

/** Larger reads than Node's own: with 64 KiB it is half as fast. */
export const readWhole = (path: string) => createReadStream(path, { highWaterMark: MIB })

/** No commitment, one file for each block. */
export const importHelia: Task = async () => ({
  run: ({ path }: ImportArgument) =>
    inFolder(path, async folder => {
      const blockstore = new FsBlockstore(folder)
      await blockstore.open()
      const blocks = unixfs({ blockstore })
      await blocks.addByteStream(readWhole(path), { chunker: fixedSize({ chunkSize: MIB }), rawLeaves: true })
      await blockstore.close()
    })
})

/** `ipfs-car pack`, no commitment. */
export const importIpfsCar: Task = async () => ({
  run: ({ path }: ImportArgument) => inFolder(path, folder => packWithIpfsCar(path, join(folder, 'car')))
})

/** `ipfs-car pack`, and its bytes through the hasher that Filecoin's JavaScript tools use. */
export const importIpfsCarWithCommitment: Task = async () => ({
  run: ({ path }: ImportArgument) =>
    inFolder(path, async folder => {
      const hasher = createWasmHasher()
      await packWithIpfsCar(path, join(folder, 'car'), bytes => {
        for (let offset = 0; offset < bytes.length; offset += 64 * KIB)
          hasher.write(bytes.subarray(offset, offset + 64 * KIB))
      })
      hasher.digestInto(new Uint8Array(hasher.multihashByteLength()), 0, true)
      hasher.free()
    })
})

async function packWithIpfsCar(path: string, target: string, tell: (bytes: Uint8Array) => void = () => undefined) {
  const { createFileEncoderStream, CAREncoderStream } = await loadIpfsCar()
  const stream = () => Readable.toWeb(readWhole(path)) as ReadableStream<Uint8Array>
  const told = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      tell(bytes)
      controller.enqueue(bytes)
    }
  })
  await createFileEncoderStream({ stream })
    .pipeThrough(new CAREncoderStream([]))
    .pipeThrough(told)
    .pipeTo(Writable.toWeb(createWriteStream(target)))
}
