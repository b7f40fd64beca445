/**
 * Literal CIDs that Kubo gives: `test/cli/cid_profiles_test.go` of ipfs/kubo, the fixtures of IPIP-499, and the vectors
 * of the UnixFS specification. Small files and HAMT thresholds stand in pack.test.ts.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import type { SourceEntry } from '../../src/content/index.ts'
import { createUnixfsBuilder, type UnixfsProfile } from '../../src/content/unixfs-builder.ts'
import { file, packTree, symlink, text } from './memory-content.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** Kubo's deterministic test data, as a stream: the ChaCha20 keystream under the SHA-256 of the seed. */
async function* keystream(sizeBytes: number, seed: string): AsyncGenerator<Uint8Array> {
  const cipher = createCipheriv('chacha20', createHash('sha256').update(seed).digest(), Buffer.alloc(16))
  const zeros = Buffer.alloc(MIB)
  for (let left = sizeBytes; left > 0; left -= MIB) yield cipher.update(zeros.subarray(0, Math.min(MIB, left)))
}

async function cidOfFile(profile: UnixfsProfile, content: AsyncIterable<Uint8Array>): Promise<string> {
  const builder = createUnixfsBuilder(profile, async () => undefined)
  return (await builder.file(content)).cid.toString()
}

describe('files of more links than a node has', () => {
  const files: Array<[UnixfsProfile, number, string, string]> = [
    ['unixfs-v0-2015', 44_544 * KIB, 'v0-seed', 'QmUbBALi174SnogsUzLpYbD4xPiBSFANF4iztWCsHbMKh2'],
    ['unixfs-v0-2015', 44_800 * KIB, 'v0-seed', 'QmepeWtdmS1hHXx1oZXsPUv6bMrfRRKfZcoPPU4eEfjnbf'],
    ['unixfs-v1-2025', 1025 * MIB, 'v1-2025-seed', 'bafybeihmzokxxjqwxjcryerhp5ezpcog2wcawfryb2xm64xiakgm4a5jue']
  ]
  it.each(files)('%s: %i bytes', { timeout: 120_000 }, async (profile, sizeBytes, seed, cid) => {
    expect(await cidOfFile(profile, keystream(sizeBytes, seed))).toBe(cid)
  })
})

describe('trees of the UnixFS specification', () => {
  const trees: Array<[string, UnixfsProfile, SourceEntry[], string]> = [
    [
      'a symbolic link beside its target',
      'unixfs-v0-2015',
      [symlink('bar', 'foo'), file('foo', text('content\n'))],
      'QmWvY6FaqFMS89YAQ9NAPjVP4WZKA1qbHbicc9HeSKQTgt'
    ],
    [
      'nested directories',
      'unixfs-v1-2025',
      [
        file('subdir/ascii.txt', text('hello application/vnd.ipld.car\n')),
        file('subdir/hello.txt', text('hello world\n'))
      ],
      'bafybeietjm63oynimmv5yyqay33nui4y4wx6u3peezwetxgiwvfmelutzu'
    ],
    [
      'a directory beside a file',
      'unixfs-v1-2025',
      [file('foo/bar.txt', text('Hello, world!\n')), file('foo.txt', text('Hello, IPFS!\n'))],
      'bafybeiegxwlgmoh2cny7qlolykdf7aq7g6dlommarldrbm7c4hbckhfcke'
    ],
    [
      'a name with a percent sign and letters beyond ASCII',
      'unixfs-v1-2025',
      [file('Portugal%2C+España=Peninsula Ibérica.txt', text('hello from a percent encoded filename\n'))],
      'bafybeig675grnxcmshiuzdaz2xalm6ef4thxxds6o6ypakpghm5kghpc34'
    ],
    [
      'a file in one dag-pb block',
      'unixfs-v0-2015',
      [file('', text('Hello from IPFS Gateway Checker\n'))],
      CID.parse('bafybeifx7yeb55armcsxwwitkymga5xf53dxiarykms3ygqic223w5sk3m').toV0().toString()
    ]
  ]
  it.each(trees)('%s (%s)', async (_, profile, entries, cid) => {
    expect((await packTree(entries, { profile })).packed.root.toString()).toBe(cid)
  })

  it('empty files, empty directories and links alone', async () => {
    for (const [profile, emptyFile, emptyDirectory] of [
      [
        'unixfs-v0-2015',
        'QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH',
        'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn'
      ],
      [
        'unixfs-v1-2025',
        'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku',
        'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354'
      ]
    ] as const) {
      const builder = createUnixfsBuilder(profile, async () => undefined)
      expect(await cidOfFile(profile, keystream(0, ''))).toBe(emptyFile)
      expect((await builder.directory(new Map())).cid.toString()).toBe(emptyDirectory)
    }
    const link = await createUnixfsBuilder('unixfs-v0-2015', async () => undefined).symlink('foo')
    expect(link.cid.toString()).toBe('QmTB8BaCJdCH5H3k7GrxJsxgDNmNYGGR71C58ERkivXoj5')
  })
})
