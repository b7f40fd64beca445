import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { type NodeHasher, portableNodeHasher, zeroNode } from '../src/index.ts'
import { loadNativeNodeHasher, loadNodeHasher } from '../src/native.ts'
import { nodeHashers } from './pieces.ts'
import { hashNode } from './reference.ts'
import { commitments, counterBytes, toHex } from './vectors.ts'

function parentsOf(nodes: Uint8Array): Uint8Array {
  const pairs = Array.from({ length: nodes.length / 64 }, (_, i) => nodes.subarray(64 * i, 64 * i + 64))
  return new Uint8Array(Buffer.concat(pairs.map(pair => hashNode(pair.subarray(0, 32), pair.subarray(32)))))
}

describe.each(nodeHashers)('$name hasher', (nodeHasher: NodeHasher) => {
  test.each([0, 1, 2, 3, 7, 16, 33, 100])('hashes a layer of %i pairs', pairs => {
    const nodes = counterBytes(64 * pairs)
    const parents = new Uint8Array(32 * pairs)
    nodeHasher.hashLayer(nodes, parents)
    expect(parents).toEqual(parentsOf(nodes))
  })

  test('hashes in place', () => {
    const nodes = counterBytes(64 * 100).slice()
    const expected = parentsOf(nodes)
    nodeHasher.hashLayer(nodes, nodes.subarray(0, 3200))
    expect(nodes.subarray(0, 3200)).toEqual(expected)
  })

  test('hashes shared memory, at an odd offset', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(64 * 10 + 1), 1)
    shared.set(counterBytes(640))
    nodeHasher.hashLayer(shared, shared.subarray(0, 320))
    expect(shared.slice(0, 320)).toEqual(parentsOf(counterBytes(640)))
  })

  test('clears the top two bits of each node, and no others', () => {
    const nodes = counterBytes(64 * 512)
    const parents = new Uint8Array(32 * 512)
    nodeHasher.hashLayer(nodes, parents)
    const lastBytes = Array.from({ length: 512 }, (_, i) => parents[32 * i + 31]!)
    expect(lastBytes.reduce((bits, byte) => bits | byte, 0)).toBe(0x3f)
  })

  test('refuses half a pair and parents of another size', () => {
    expect(() => nodeHasher.hashLayer(new Uint8Array(96), new Uint8Array(48))).toThrow(RangeError)
    expect(() => nodeHasher.hashLayer(new Uint8Array(64), new Uint8Array(64))).toThrow(
      new RangeError('parents: expected 32 bytes, got 64')
    )
    expect(() => nodeHasher.hashLayer([] as never, new Uint8Array())).toThrow(TypeError)
  })
})

describe('loading', () => {
  test('gives the hasher that was named', async () => {
    expect(await loadNodeHasher('portable')).toBe(portableNodeHasher)
    expect((await loadNodeHasher('native')).name).toBe('native')
    expect((await loadNativeNodeHasher()).name).toBe('native')
    expect(() => loadNodeHasher('fast' as never)).toThrow(
      new RangeError("name: expected 'portable' or 'native', got fast")
    )
  })

  test('says clearly that a machine has no native build', () => {
    const script = `
      const { loadNodeHasher } = await import('@holdfast/proofs/native')
      await loadNodeHasher('native').then(
        () => console.log('loaded'),
        error => console.log(JSON.stringify({ code: error.code, details: error.details, cause: error.cause !== undefined }))
      )`
    // hashtree's own switch for the path of its build: this one has none.
    const { stdout } = spawnSync(process.execPath, ['--conditions=source', '--input-type=module', '-e', script], {
      cwd: import.meta.dirname,
      env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: '/nonexistent' },
      encoding: 'utf8'
    })
    expect(JSON.parse(stdout)).toEqual({
      code: 'NATIVE_HASHER_UNAVAILABLE',
      details: { platform: `${process.platform}-${process.arch}` },
      cause: true
    })
  })
})

describe('zeroNode', () => {
  test('is the chain of the vectors', () => {
    expect(commitments.zeroComms.map((_, level) => toHex(zeroNode(level)))).toEqual(commitments.zeroComms)
  })

  test('goes on to the tallest tree and no further', () => {
    expect(zeroNode(50)).toEqual(hashNode(zeroNode(49), zeroNode(49)))
    expect(() => zeroNode(51)).toThrow(RangeError)
    expect(() => zeroNode(-1)).toThrow(RangeError)
  })
})
