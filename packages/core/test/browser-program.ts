/**
 * A child process that is as a browser is to whoever loads a module: it resolves as bundlers for browsers do, refuses every
 * module of Node, also those that a dependency asks for, and takes Node's globals away. Then it uses core as a page would.
 */
import { readFileSync } from 'node:fs'
import { findPackageJSON, isBuiltin, registerHooks } from 'node:module'
import { dirname, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const CONDITIONS = ['source', 'browser', 'import', 'module', 'default']

/** What a package's `browser` field puts in the place of one of its own files. */
function forBrowsers(url: string): string {
  const path = fileURLToPath(url)
  const manifest = findPackageJSON(url)
  if (manifest === undefined) return url
  const { browser } = JSON.parse(readFileSync(manifest, 'utf8')) as { browser?: unknown }
  if (typeof browser !== 'object' || browser === null) return url
  const root = dirname(manifest)
  const instead = (browser as Record<string, unknown>)[`./${relative(root, path)}`]
  return typeof instead === 'string' ? new URL(instead, pathToFileURL(`${root}/`)).href : url
}

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (isBuiltin(specifier)) throw new Error(`${context.parentURL} asks for ${specifier}, which no browser has`)
    const resolved = nextResolve(specifier, { ...context, conditions: CONDITIONS })
    return { ...resolved, url: forBrowsers(resolved.url) }
  }
})
for (const name of ['process', 'Buffer', 'setImmediate', 'clearImmediate', 'global'])
  Reflect.deleteProperty(globalThis, name)

const core = await import('../src/index.ts')
const { portableNodeHasher } = await import('@holdfast/proofs')

/** Sinks in memory. */
function memoryStaging() {
  const pieces: Uint8Array[][] = []
  return {
    pieces,
    async openPiece(index: number) {
      const chunks: Uint8Array[] = []
      pieces[index] = chunks
      return { write: async (bytes: Uint8Array) => void chunks.push(bytes.slice()), close: nothing, discard: nothing }
    },
    async *readPiece(index: number, offset: number) {
      yield new Uint8Array(await new Blob(pieces[index] as BlobPart[]).arrayBuffer()).subarray(offset)
    },
    [Symbol.asyncDispose]: nothing
  }
}

async function nothing(): Promise<void> {}

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk.slice())
  return new Blob(parts as BlobPart[]).text()
}

const TEXT = 'seven paces north of the third oak'
const components = {
  nodeHasher: portableNodeHasher,
  ciphers: core.portablePieceCiphers,
  random: (sizeBytes: number) => crypto.getRandomValues(new Uint8Array(sizeBytes))
}

const secret = memoryStaging()
const own = await core.packObject(new Blob([TEXT]), secret, components)
const [piece] = own.replica(1)
const { fetchBlocks } = core.openPrivateObject({
  reference: own.reference!,
  ciphers: components.ciphers,
  onFailure: ({ reason }) => console.error(reason),
  locatePiece: async () => [
    {
      sizeBytes: piece!.rawSize,
      replicas: () => [
        {
          replica: 1,
          async *read(offset: number, length: number) {
            for await (const chunk of piece!.read(offset)) yield chunk.slice(0, length)
          }
        }
      ]
    }
  ]
})
const privately = await gather(core.readBytes({ root: own.root, fetchBlocks }))

const open = memoryStaging()
const published = await core.packObject(new Blob([TEXT]), open, components, { encrypt: false })
const car = new Uint8Array(await new Blob(open.pieces[0] as BlobPart[]).arrayBuffer())
const blocks = new Map<string, Uint8Array>()
const scanner = core.createCarScanner({
  onBlock: ({ cid, offset, length }) => blocks.set(cid.toString(), car.subarray(offset, offset + length))
})
scanner.update(car)
scanner.finish()
const publicly = await gather(
  core.readBytes({
    root: published.root,
    async *fetchBlocks(cids) {
      for (const cid of cids) yield blocks.get(cid.toString())!
    }
  })
)
const said = { exports: Object.keys(core).length, private: privately === TEXT, public: publicly === TEXT }
console.log(JSON.stringify(said))
