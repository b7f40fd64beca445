/**
 * `@holdfast/proofs/native`: the tree's hash on `@chainsafe/hashtree`, whole layers per call with the CPU's own SHA
 * instructions. An optional dependency: a machine without a build gets a clear error, never a silent fallback.
 */
import { ProofError } from './errors.ts'
import { expectLayer, maskNodes, type NodeHasher, type NodeHasherName, portableNodeHasher } from './node-hasher.ts'

/**
 * Loads the native hasher.
 *
 * @throws {ProofError} `NATIVE_HASHER_UNAVAILABLE` where `@chainsafe/hashtree` is not installed or has no build; `cause`
 *   is what the loader said
 */
export async function loadNativeNodeHasher(): Promise<NodeHasher> {
  const { hashInto } = await importHashtree()
  return {
    name: 'native',
    hashLayer(nodes, parents) {
      expectLayer(nodes, parents)
      hashInto(nodes, parents)
      maskNodes(parents)
    }
  }
}

/** Loads the hasher of a configuration by its name. */
export function loadNodeHasher(name: NodeHasherName): Promise<NodeHasher> {
  switch (name) {
    case 'portable':
      return Promise.resolve(portableNodeHasher)
    case 'native':
      return loadNativeNodeHasher()
    default:
      throw new RangeError(`name: expected 'portable' or 'native', got ${String(name)}`)
  }
}

async function importHashtree() {
  try {
    return await import('@chainsafe/hashtree')
  } catch (cause) {
    const { platform = 'unknown', arch = 'unknown' } =
      (globalThis as { process?: { platform?: string; arch?: string } }).process ?? {}
    throw new ProofError(
      'NATIVE_HASHER_UNAVAILABLE',
      { platform: `${platform}-${arch}` },
      `@chainsafe/hashtree is not installed or has no build for ${platform}-${arch}: install it, or choose the 'portable' hasher`,
      { cause }
    )
  }
}
