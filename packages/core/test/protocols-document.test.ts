import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import * as beacon from '../src/beacon/beacon.ts'
import * as receipt from '../src/evidence/receipt.ts'
import * as transcript from '../src/evidence/transcript.ts'
import * as identity from '../src/identity.ts'
import * as commands from '../src/ledger/commands.ts'
import * as statements from '../src/ledger/statements.ts'
import * as verifierRules from '../src/ledger/verifier-rules.ts'
import * as network from '../src/network.ts'
import * as definitions from '../src/protocols/definitions.ts'
import * as limits from '../src/protocols/limits.ts'
import type { ProtocolTerms } from '../src/protocols/protocol.ts'
import * as schema from '../src/schema.ts'
import { PARAMETERS } from './ledger/network-fixture.ts'
import { STATEMENT_TYPES } from './ledger/statement-types.ts'

const DOCUMENT = await readFile(new URL('../PROTOCOLS.md', import.meta.url), 'utf8')
const SOURCE = new URL('../src/', import.meta.url)
const MODULES = [
  beacon,
  identity,
  commands,
  statements,
  network,
  definitions,
  limits,
  schema,
  receipt,
  transcript,
  verifierRules
]

const isProtocol = (value: unknown): value is ProtocolTerms & { idleTimeoutMs?: number } =>
  typeof value === 'object' && value !== null && 'id' in value && 'timeoutMs' in value

describe('PROTOCOLS.md names', () => {
  it.each((Object.values(definitions) as unknown[]).filter(isProtocol))('$id with its limits', protocol => {
    const { id, requestSizeBytesMax, responseSizeBytesMax, timeoutMs, idleTimeoutMs, streamsInboundMax } = protocol
    const time = idleTimeoutMs === undefined ? `${timeoutMs} ms` : `${timeoutMs} ms, idle ${idleTimeoutMs} ms`
    expect(DOCUMENT).toContain(
      `| \`${id}\` | ${requestSizeBytesMax} | ${responseSizeBytesMax} | ${time} | ${streamsInboundMax} |`
    )
    expect(DOCUMENT).toContain(`**\`${id}\`**`)
  })

  it.each(Object.entries(STATEMENT_TYPES))('%s with its fields and its signer', (kind, type) => {
    const signer = /address (\w+)/.exec(type)![1]
    expect(DOCUMENT).toContain(`| ${kind} | \`${signer}\` | \`${type}\` |`)
  })

  it('every refusal that the code can give', async () => {
    const files = (await readdir(SOURCE, { recursive: true })).filter(name => name.endsWith('.ts'))
    const texts = await Promise.all(files.map(name => readFile(new URL(name, SOURCE), 'utf8')))
    const codes = new Set(
      texts.flatMap(text =>
        [...text.matchAll(/(?:refuse\(\s*|noAnswer\(\s*|^ {2}\| )'([A-Z][A-Z_]+)'/gm)].map(match => match[1]!)
      )
    )
    expect(codes.size).toBeGreaterThan(45)
    for (const code of codes) expect(DOCUMENT, code).toContain(`\`${code}\``)
  })

  it('every limit with its value', () => {
    const constants = MODULES.flatMap(module => Object.entries(module)).filter(([, value]) => typeof value === 'number')
    expect(constants.length).toBeGreaterThan(20)
    for (const [name, value] of constants) {
      const at = DOCUMENT.indexOf(`\`${name}\``)
      expect(at, name).toBeGreaterThan(0)
      expect(DOCUMENT.slice(Math.max(0, at - 130), at), name).toMatch(new RegExp(`\\b${value}\\b`))
    }
  })

  it('every parameter of a network', () => {
    const { proving, money, ...rest } = PARAMETERS
    const names = [
      ...Object.keys(rest),
      ...Object.keys(proving).map(name => `proving.${name}`),
      ...Object.keys(money).map(name => `money.${name}`)
    ]
    for (const name of names) expect(DOCUMENT, name).toContain(`\`${name}\``)
  })
})
