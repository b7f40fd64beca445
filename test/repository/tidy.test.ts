/** Rules of the house that neither compiler nor linter keeps. */
import { builtinModules } from 'node:module'
import { describe, expect, it } from 'vitest'
import { findInexactAmounts } from './amounts.ts'
import { findUnawaited } from './promises.ts'
import { listFiles, readText } from './source-files.ts'

interface Manifest {
  readonly name: string
  readonly license?: string
  readonly dependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
}

const files = listFiles()
const readManifest = (path: string) => JSON.parse(readText(path)) as Manifest

describe('assertions on promises', () => {
  it.each([
    ['await expect(run()).rejects.toThrow()', []],
    ['return expect(run()).resolves.toBe(1)', []],
    ['const ended = expect(run()).rejects.toThrow()\nstop()\nawait ended', []],
    ['expect(run()).rejects.toThrow()', [1]],
    ['await run()\nexpect(\n  run(")")\n)\n  .resolves.toBe(1)', [2]],
    ['const ended = expect(run()).rejects.toThrow()', [1]],
    ['expect(value).toBe("expect(x).rejects") // expect(x).rejects', []]
  ])('the search sees through %j', (source, lines) => {
    expect(findUnawaited(source)).toEqual(lines)
  })

  it('are all awaited', () => {
    const tests = files.filter(path => path.endsWith('.ts') && /(^|\/)test\//.test(path))
    expect(tests.length).toBeGreaterThan(50)
    expect(tests.flatMap(path => findUnawaited(readText(path)).map(line => `${path}:${line}`))).toEqual([])
  })
})

describe('amounts', () => {
  it.each([
    ['const places = Number(stake / unit)', [1]],
    ['const share = 3 * parseFloat(\n  deal.escrow.toString())', [1]],
    ['bar.update(Number(\n  round.paid))', [1]],
    [`const ratio = +\`\${totals.funded}\` / 2`, [1]],
    ['const sequence = Number(text)', []],
    ["throw new Error('Number(amount) is not exact') // Number(amount)", []],
    ['if (Number.isSafeInteger(amount)) return', []]
  ])('the search sees through %j', (source, lines) => {
    expect(findInexactAmounts(source)).toEqual(lines)
  })

  it('are never made into floating-point numbers: above 0.009 credits they would not be exact', () => {
    const sources = files.filter(path => /^packages\/[^/]+\/src\/.*\.ts$/.test(path))
    expect(sources.length).toBeGreaterThan(100)
    const found = sources.flatMap(path => findInexactAmounts(readText(path)).map(line => `${path}:${line}`))
    // How many whole units there are in an amount is a count, and this is the one place that counts them.
    expect(found.map(place => place.replace(/:\d+$/, ''))).toEqual(['packages/core/src/ledger/price.ts'])
  })
})

/** Each package may use those before it. */
const CHAIN = ['proofs', 'core', 'peer']

/** Packages that open disks, sockets or terminals, so that no browser could run what uses them. */
const NODE_ONLY =
  /^(@types\/node|@libp2p\/(tcp|mdns|upnp-nat)|@helia\/(?!unixfs$|interface$).*|helia|libp2p|(classic-|abstract-)?level|blockstore-.*|datastore-.*|commander|cli-.*|picocolors|pino|smol-toml|env-paths|hono|@hono\/.*)$/

function dependenciesOf({ dependencies, optionalDependencies, peerDependencies }: Manifest): string[] {
  return Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
}

/** Modules that a source imports, statically or not, as written. */
function importsOf(source: string): string[] {
  const pattern = /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?\bfrom\s*'([^']+)'|(?<!')\bimport\s*\(?\s*'([^']+)'/g
  return Array.from(source.matchAll(pattern), ([, from, bare]) => (from ?? bare)!)
}

const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

describe('the search for imports', () => {
  it('finds every form', () => {
    const source = `import 'a'\nimport { b } from 'b'\nimport type {\n  C\n} from './c.ts'\nexport * from 'd/e'\nconst f = await import('f')`
    expect(importsOf(source).sort()).toEqual(['./c.ts', 'a', 'b', 'd/e', 'f'])
    expect(importsOf(`new Command('import').description('…')`)).toEqual([])
  })
})

describe.each(CHAIN)('@holdfast/%s', name => {
  const manifest = readManifest(`packages/${name}/package.json`)
  const declared = dependenciesOf(manifest)
  const imports = files
    .filter(path => path.startsWith(`packages/${name}/src/`) && path.endsWith('.ts'))
    .flatMap(path => importsOf(readText(path)).map(specifier => ({ path, specifier })))

  it('depends on no package after it', () => {
    const allowed = CHAIN.slice(0, CHAIN.indexOf(name)).map(earlier => `@holdfast/${earlier}`)
    const own = declared.filter(dependency => dependency.startsWith('@holdfast/'))
    expect(own.filter(dependency => !allowed.includes(dependency))).toEqual([])
  })

  it('imports only what its manifest declares', () => {
    const isForeign = ({ specifier }: { specifier: string }) => !/^(\.|node:)/.test(specifier)
    const undeclared = imports.filter(isForeign).filter(({ specifier }) => !declared.includes(packageOf(specifier)))
    expect(imports.length).toBeGreaterThan(10)
    expect(undeclared).toEqual([])
  })

  if (name !== 'peer') {
    it('runs outside Node', () => {
      expect(declared.filter(dependency => NODE_ONLY.test(dependency))).toEqual([])
      const isBuiltin = ({ specifier }: { specifier: string }) =>
        specifier.startsWith('node:') || builtinModules.includes(specifier)
      expect(imports.filter(isBuiltin)).toEqual([])
    })
  }
})

describe('licence', () => {
  const manifests = files.filter(path => path.endsWith('package.json'))

  it.each(manifests)('%s names it in SPDX', path => {
    expect(readManifest(path).license).toMatch(/^\(?Apache-2\.0 OR MIT\)?$/)
  })

  it('has both texts', () => {
    expect(files).toEqual(expect.arrayContaining(['LICENSE-APACHE', 'LICENSE-MIT']))
  })
})

describe('what others read', () => {
  /** Hosts that a document or a comment may send readers to. */
  const HOSTS = [
    'docs.drand.love',
    'github.com',
    'www.apache.org',
    'www.rfc-editor.org',
    'specs.ipfs.tech',
    '127.0.0.1',
    'localhost',
    // The beacon that the design names; a host asks them, and checks what they say.
    'api.drand.sh',
    'api2.drand.sh',
    'drand.cloudflare.com'
  ]
  /** RFC 2606 and 5737: for examples. */
  const LEADS_NOWHERE = /\.example$|^203\.0\.113\.\d+$/
  const texts = files.filter(
    path => /\.(ts|mjs|md|json|toml|html|css)$|^LICENSE/.test(path) && !/package-lock\.json$/.test(path)
  )

  it('names no directory of somebody’s machine', () => {
    const pattern = /(?<![\w.~])\/(work|home|root|Users|tmp)\/\w|\b[A-Z]:\\\\/
    // Tests hold paths like these on purpose, as names that must not reach a disk.
    const read = texts.filter(path => !/(^|\/)test\//.test(path))
    expect(read.filter(path => pattern.test(readText(path)))).toEqual([])
  })

  it('names no document that readers do not have', () => {
    expect(texts.filter(path => /\bshare[d]\/\w/.test(readText(path)))).toEqual([])
  })

  it('sends nobody to an unknown host', () => {
    const named = texts.flatMap(path =>
      Array.from(readText(path).matchAll(/\bhttps?:\/\/([\w.-]+)/g), ([, host]) => ({ path, host }))
    )
    expect(named.filter(({ host }) => !HOSTS.includes(host!) && !LEADS_NOWHERE.test(host!))).toEqual([])
  })

  it('names no registry in a setting of npm', () => {
    const settings = files.filter(path => /(^|\/)\.npmrc$/.test(path))
    expect(settings).toContain('.npmrc')
    expect(settings.filter(path => /\bregistry\s*=/.test(readText(path)))).toEqual([])
  })
})
