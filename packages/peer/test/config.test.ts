import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, it } from 'vitest'
import {
  DEFAULT_CONFIG,
  formatConfig,
  LOG_LEVELS,
  loadConfig,
  parseConfig,
  parseSize,
  ROLES,
  writeDefaultConfig
} from '../src/config.ts'
import { temporaryDirectory } from './temporary-directory.ts'

describe('reading', () => {
  it('takes the default for what is not said', () => {
    expect(parseConfig('', 'config.toml')).toEqual(DEFAULT_CONFIG)
    expect(parseConfig('[provider]\nallocateBytes = "500GB"', 'config.toml')).toEqual({
      ...DEFAULT_CONFIG,
      provider: { ...DEFAULT_CONFIG.provider, allocateBytes: 500e9 }
    })
  })

  it('is the default config when there is no file', async () => {
    await using directory = await temporaryDirectory()
    expect(await loadConfig(join(directory.path, 'config.toml'))).toEqual(DEFAULT_CONFIG)
  })

  it.each([
    ['roles = ["provider"]\nrolls = 1', 'rolls', 2],
    ['[provider]\n\nalocateBytes = 1', 'provider.alocateBytes', 3],
    ['[provider]\nallocateBytes = "5 parsecs"', 'provider.allocateBytes', 2],
    ['[provider]\nallocateBytes = -5', 'provider.allocateBytes', 2],
    ['[provider]\nallocateBytes = 1000', 'provider.allocateBytes', 2],
    ['[provider]\npricePerLeafRound = 100', 'provider.pricePerLeafRound', 2],
    ['[provider]\npricePerLeafRound = "1.5"', 'provider.pricePerLeafRound', 2],
    ['[provider]\npricePerLeafRound = "340282366920938463463374607431768211456"', 'provider.pricePerLeafRound', 2],
    ['[provider]\nregion = "EU West"', 'provider.region', 2],
    ['# one\nroles = []', 'roles', 2],
    ['roles = ["miner"]', 'roles', 1],
    ['roles = ["gateway"]', 'roles', 1],
    ['[gateway]\nlisten = "/ip4/0.0.0.0/tcp/4742"', 'gateway.listen', 2],
    ['[gateway]\nlisten = "/dns4/a.example/tcp/443/http"', 'gateway.listen', 2],
    ['listen = ["localhost:80"]', 'listen', 1],
    ['listen = "/ip4/0.0.0.0/tcp/1"', 'listen', 1],
    ['announce = []', 'announce', 1],
    ['listen = []\nannounce = ["example.org:4740"]', 'announce', 2],
    ['announce = ["/ip4/0.0.0.0/tcp/4740"]', 'announce', 1],
    ['announce = ["/ip4/203.0.113.7/tcp/0"]', 'announce', 1],
    ['announce = ["/ip4/203.0.113.7"]', 'announce', 1],
    [`announce = [${'"/ip4/203.0.113.7/tcp/1", '.repeat(9)}]`, 'announce', 1],
    ['logLevel = "loud"', 'logLevel', 1],
    ['[verifier]\nreadsPerHour = 5000', 'verifier.readsPerHour', 2],
    ['[verifier]\nbindingChecksPerHour = "often"', 'verifier.bindingChecksPerHour', 2],
    ['[verifier]\nreadBytesPerHour = "1KB"', 'verifier.readBytesPerHour', 2],
    ['provider = 3', 'provider', 1]
  ])('refuses %j and names %s in line %i', (text, key, line) => {
    const refusal = expect(() => parseConfig(text, '/a/config.toml'))
    refusal.toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', details: expect.objectContaining({ key, line }) })
    )
    refusal.toThrow(`/a/config.toml:${line}: ${key}: `)
  })

  it('names the line of text that is no TOML', () => {
    expect(() => parseConfig('roles = ["provider"]\n= 3', 'c.toml')).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', details: expect.objectContaining({ line: 2 }) })
    )
  })

  it('says so when the file cannot be read', async () => {
    await using directory = await temporaryDirectory()
    await expect(loadConfig(directory.path)).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE' })
  })
})

describe('writing', () => {
  it('writes a file with a comment on every key, that reads back to the default', async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'config.toml')
    await writeFile(path, 'old')
    await writeDefaultConfig(path)
    expect(await loadConfig(path)).toEqual(DEFAULT_CONFIG)
    const lines = formatConfig(DEFAULT_CONFIG).split('\n')
    for (const [i, line] of lines.entries()) if (/^\w+ = /.test(line)) expect(lines[i - 1]).toMatch(/^# /)
  })

  const configs = fc.record({
    roles: fc
      .uniqueArray(fc.constantFrom(...ROLES), { minLength: 1 })
      .filter(roles => !roles.includes('gateway') || roles.includes('provider')),
    listen: fc.array(fc.nat(65535).map(port => `/ip4/127.0.0.1/tcp/${port}`)),
    logLevel: fc.constantFrom(...LOG_LEVELS),
    api: fc.record({ listen: fc.constantFrom('127.0.0.1:0', '[::1]:4741', 'unix:/run/"holdfast".sock') }),
    gateway: fc.record({ listen: fc.constantFrom('/ip4/127.0.0.1/tcp/0/http', '/ip6/::/tcp/8080/http') }),
    verifier: fc.record(
      {
        stake: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }),
        watchShare: fc.nat(1000).map(permille => permille / 1000),
        demandTranscripts: fc.constantFrom('when it pays', 'always', 'never'),
        readsPerHour: fc.nat(3_600),
        bindingChecksPerHour: fc.nat(7_200).map(halves => halves / 2),
        readBytesPerHour: fc.integer({ min: 2 ** 20, max: Number.MAX_SAFE_INTEGER })
      },
      { requiredKeys: [] }
    ),
    ledgerHost: fc.record({ beaconRelays: fc.array(fc.webUrl({ validSchemes: ['https'] }), { minLength: 1 }) }),
    provider: fc.record(
      {
        allocateBytes: fc.integer({ min: 2 ** 20, max: Number.MAX_SAFE_INTEGER }),
        pricePerLeafRound: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }),
        region: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/)
      },
      { requiredKeys: ['allocateBytes', 'pricePerLeafRound'] }
    )
  })

  const announced = fc.option(
    fc.array(fc.constantFrom('/ip4/203.0.113.7/tcp/4740', '/dns4/a.example/tcp/443/tls/ws'), {
      minLength: 1,
      maxLength: 8
    }),
    { nil: undefined }
  )

  property.prop([configs, announced])('gives back any config', (rest, announce) => {
    const config = { ...rest, ...(announce !== undefined && { announce }) }
    expect(parseConfig(formatConfig(config), 'config.toml')).toEqual(config)
  })
})

it.each([
  ['500GB', 500e9],
  ['20GiB', 20 * 2 ** 30],
  ['1.5 TiB', 1.5 * 2 ** 40],
  ['7mb', 7e6],
  ['1048576', 1048576],
  ['12 B', 12],
  ['GB', undefined],
  ['-1GB', undefined],
  ['1e3', undefined],
  ['5 GBit', undefined],
  ['', undefined],
  ['99999999 TB', undefined]
])('reads the size %j as %s', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes)
})
