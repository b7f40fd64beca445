/**
 * The operator's wishes: `config.toml` in the data directory.
 *
 * Strict: a key that nobody reads is refused with its line, because a misspelt limit would otherwise be no limit.
 * Knows shapes and ranges only; whether an address can be bound or a disk has the room, the peer finds out.
 */
import { isAbsolute } from 'node:path'
import { ADDRESSES_PER_PEER_MAX, AMOUNT_MAX, type DemandPolicy, QUICKNET_RELAYS } from '@holdfast/core'
import { isMultiaddr, multiaddr } from '@multiformats/multiaddr'
import { parse, TomlError } from 'smol-toml'
import { z } from 'zod'
import { PeerError, systemCodeOf } from './error.ts'
import { parseListen } from './http/listen-address.ts'
import { type FileSystem, machineFileSystem, replaceFile } from './storage/file-system.ts'

export const ROLES = ['provider', 'verifier', 'ledger-host', 'gateway'] as const
export type Role = (typeof ROLES)[number]

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** A piece must fit; anything less than this donates nothing. */
const ALLOCATE_BYTES_MIN = 2 ** 20

/** One transfer must fit. */
const TRANSFER_BYTES_MIN = 4 * 2 ** 20

export interface PeerConfig {
  readonly roles: readonly Role[]
  /** Multiaddrs to listen on; none for a peer that only dials out. */
  readonly listen: readonly string[]
  /** Multiaddrs to tell others instead of those it listens on; undefined for those. */
  readonly announce?: readonly string[]
  readonly logLevel: LogLevel
  readonly api: ApiConfig
  readonly gateway: GatewayConfig
  readonly provider: ProviderConfig
  readonly verifier: VerifierConfig
  readonly ledgerHost: LedgerHostConfig
}

export interface ApiConfig {
  /** `127.0.0.1:PORT`, `[::1]:PORT` or `unix:/path`; port 0 takes a free one. */
  readonly listen: string
}

export interface GatewayConfig {
  /** Multiaddr that ends with `/tcp/PORT/http`; port 0 takes a free one. */
  readonly listen: string
}

export interface VerifierConfig {
  /** Credits that it stakes, in atto: 0 for none, undefined for one place. */
  readonly stake?: bigint
  /** Share of other verifiers' verdicts that it looks at in a round, 0 to 1; undefined for the built-in one. */
  readonly watchShare?: number
  /** Whether it makes who shows no transcript answer on the ledger, against a bond; undefined for when that pays. */
  readonly demandTranscripts?: DemandPolicy
  /** Reads of public objects by which it measures providers, on average; 0 for none, undefined for the built-in rate. */
  readonly readsPerHour?: number
  /** Checks that a public object stands in the pieces that are paid for; likewise. */
  readonly bindingChecksPerHour?: number
  /** What both may take together; likewise. */
  readonly readBytesPerHour?: number
}

export interface LedgerHostConfig {
  /** Where a host asks for the rounds of drand, when the network's beacon is drand. */
  readonly beaconRelays: readonly string[]
}

export interface ProviderConfig {
  /** Disk space given to the network. */
  readonly allocateBytes: number
  /** Price of one leaf (32 bytes of a piece as it is proved) for one round, in attoFIL. */
  readonly pricePerLeafRound: bigint
  /** Where the disk stands, as the operator names it; undefined when nobody said. */
  readonly region?: string
  /** Where new pieces go, absolute paths; without any, the data directory. */
  readonly directories?: readonly ProviderDirectory[]
  /** Of the space, what is kept for clients who have not ordered yet; half of it when nobody said. */
  readonly leaseBytes?: number
  /** Memory for transfers of strangers; undefined for the built-in bound. */
  readonly transferBytes?: number
  /** In which it reads every piece once and compares it with its commitment; 0 for never, undefined for the built-in time. */
  readonly auditDays?: number
}

/** A disk of 1 TB is read at 0.5 MB a second then: what a scrub of a RAID usually takes its time for. */
export const AUDIT_DAYS_DEFAULT = 30

export interface ProviderDirectory {
  readonly path: string
  /** Of the whole space; undefined for as much as its disk has. */
  readonly allocateBytes?: number
}

/** About 2.5 credits for a TiB and month at rounds of an hour: what storage with proofs costs elsewhere. */
const PRICE_PER_LEAF_ROUND_DEFAULT = 100_000n

/** Enough for a p99 within a week or two; of the bytes of all providers together, 1.5 GB a day at most. */
export const OBSERVER_RATES_DEFAULT = {
  readsPerHour: 12,
  bindingChecksPerHour: 6,
  readBytesPerHour: 64 * 2 ** 20
}

export const DEFAULT_CONFIG: PeerConfig = {
  roles: ['provider'],
  listen: ['/ip4/0.0.0.0/tcp/4740'],
  logLevel: 'info',
  api: { listen: '127.0.0.1:0' },
  gateway: { listen: '/ip4/0.0.0.0/tcp/4742/http' },
  verifier: {},
  ledgerHost: { beaconRelays: QUICKNET_RELAYS },
  provider: { allocateBytes: 100e9, pricePerLeafRound: PRICE_PER_LEAF_ROUND_DEFAULT }
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40
}

/**
 * "500GB", "1.5 TiB" or "1048576" → bytes. Decimal and binary units are different things.
 *
 * @returns undefined for text that is no size, or one above 2^53
 */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = 'B'] = /^(\d+(?:\.\d+)?)\s*([KMGT]?i?B)?$/i.exec(text.trim()) ?? []
  const bytes = Math.floor(Number(digits) * (SIZE_UNITS[unit.toUpperCase()] ?? Number.NaN))
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

const sizeSchema = z
  .union([z.number(), z.string().transform(text => parseSize(text) ?? Number.NaN)], {
    error: 'expected a size such as "500GB", "20GiB" or a number of bytes'
  })
  .refine(Number.isSafeInteger, { error: 'expected a size such as "500GB", "20GiB" or a number of bytes', abort: true })
  .refine(bytes => bytes >= ALLOCATE_BYTES_MIN, { error: 'expected at least 1MiB' })

const amountSchema = z
  .string({ error: 'expected a decimal string, such as "100000": attoFIL do not fit into a TOML number' })
  .regex(/^(0|[1-9]\d*)$/, { error: 'expected digits only, such as "100000"', abort: true })
  .transform(BigInt)
  .refine(amount => amount <= AMOUNT_MAX, { error: 'expected less than 2^128' })

const listenSchema = z
  .string()
  .refine(isListenAddress, { error: 'expected a multiaddr such as "/ip4/0.0.0.0/tcp/4740"' })

const announceSchema = z.string().refine(isDialledAddress, {
  error:
    'expected an address that others can dial, such as "/ip4/203.0.113.7/tcp/4740" or "/dns4/example.org/tcp/443/wss"'
})

const regionSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, {
  error: 'expected up to 32 lower-case letters, digits and hyphens, such as "eu-west"'
})

const directorySchema = z.strictObject({
  path: z.string().refine(isAbsolute, { error: 'expected an absolute path, such as "/mnt/disk2/holdfast"' }),
  allocateBytes: sizeSchema.optional()
})

const apiListenSchema = z.string().refine(text => parseListen(text) !== undefined, {
  error: 'expected an address of this machine only, such as "127.0.0.1:4741" or "unix:/run/holdfast.sock"'
})

const gatewayListenSchema = z
  .string()
  .refine(text => isListenAddress(text) && /^\/ip[46]\/[^/]+\/tcp\/\d+\/http$/.test(text), {
    error: 'expected an address such as "/ip4/0.0.0.0/tcp/4742/http"'
  })

const relaySchema = z.url({
  protocol: /^https?$/,
  error: 'expected the address of a relay, such as "https://api.drand.sh"'
})

const DEMAND_POLICIES = ['when it pays', 'always', 'never'] as const satisfies readonly DemandPolicy[]

/** Looks at strangers: one a second is a measurement, more is an attack. */
const LOOKS_PER_HOUR_MAX = 3_600
const LOOKS_ERROR = `expected looks an hour from 0 to ${LOOKS_PER_HOUR_MAX}, such as 12`
const rateSchema = z
  .number({ error: LOOKS_ERROR })
  .min(0, { error: LOOKS_ERROR })
  .max(LOOKS_PER_HOUR_MAX, { error: LOOKS_ERROR })

const configSchema = z.strictObject({
  roles: z
    .array(z.enum(ROLES))
    .min(1, { error: 'expected at least one role' })
    .refine(roles => !roles.includes('gateway') || roles.includes('provider'), {
      error: 'a gateway gives what a provider keeps: add "provider"'
    })
    .default([...DEFAULT_CONFIG.roles]),
  listen: z.array(listenSchema).default([...DEFAULT_CONFIG.listen]),
  announce: z
    .array(announceSchema)
    .min(1, { error: 'expected at least one address; take the line out to announce those it listens on' })
    .max(ADDRESSES_PER_PEER_MAX, { error: `expected at most ${ADDRESSES_PER_PEER_MAX} addresses` })
    .optional(),
  logLevel: z.enum(LOG_LEVELS).default(DEFAULT_CONFIG.logLevel),
  api: z.strictObject({ listen: apiListenSchema.default(DEFAULT_CONFIG.api.listen) }).default(DEFAULT_CONFIG.api),
  gateway: z
    .strictObject({ listen: gatewayListenSchema.default(DEFAULT_CONFIG.gateway.listen) })
    .default(DEFAULT_CONFIG.gateway),
  verifier: z
    .strictObject({
      stake: amountSchema.optional(),
      watchShare: z
        .number({ error: 'expected a share from 0 to 1, such as 0.05' })
        .min(0, { error: 'expected a share from 0 to 1, such as 0.05' })
        .max(1, { error: 'expected a share from 0 to 1, such as 0.05' })
        .optional(),
      demandTranscripts: z
        .enum(DEMAND_POLICIES, { error: `expected ${DEMAND_POLICIES.map(quote).join(', ')}` })
        .optional(),
      readsPerHour: rateSchema.optional(),
      bindingChecksPerHour: rateSchema.optional(),
      readBytesPerHour: sizeSchema.optional()
    })
    .default(DEFAULT_CONFIG.verifier),
  ledgerHost: z
    .strictObject({
      beaconRelays: z
        .array(relaySchema)
        .min(1, { error: 'expected at least one relay' })
        .default([...DEFAULT_CONFIG.ledgerHost.beaconRelays])
    })
    .default({ beaconRelays: [...DEFAULT_CONFIG.ledgerHost.beaconRelays] }),
  provider: z
    .strictObject({
      allocateBytes: sizeSchema.default(DEFAULT_CONFIG.provider.allocateBytes),
      pricePerLeafRound: amountSchema.default(DEFAULT_CONFIG.provider.pricePerLeafRound),
      region: regionSchema.optional(),
      directories: z.array(directorySchema).readonly().optional(),
      leaseBytes: sizeSchema.optional(),
      transferBytes: sizeSchema
        .refine(bytes => bytes >= TRANSFER_BYTES_MIN, { error: 'expected at least 4MiB' })
        .optional(),
      auditDays: z.number().min(0, { error: 'expected a number of days, or 0 for never' }).max(3650).optional()
    })
    .default(DEFAULT_CONFIG.provider)
})

/**
 * Reads the config; a missing file is the default config.
 *
 * @throws {PeerError} `CONFIG_INVALID` whose message and details name file, key and line
 */
export async function loadConfig(path: string, files: FileSystem = machineFileSystem): Promise<PeerConfig> {
  try {
    const handle = await files.open(path, 'r')
    const text = await handle.readFile('utf8').finally(() => handle.close())
    return parseConfig(text, path)
  } catch (cause) {
    if (cause instanceof PeerError) throw cause
    if (systemCodeOf(cause) === 'ENOENT') return DEFAULT_CONFIG
    throw new PeerError('CONFIG_UNREADABLE', `${path} cannot be read (${systemCodeOf(cause)}).`, { path }, { cause })
  }
}

/**
 * @param path - named in errors; nothing is read from it
 * @throws {PeerError} `CONFIG_INVALID`
 */
export function parseConfig(text: string, path: string): PeerConfig {
  let document: unknown
  try {
    document = parse(text)
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    throw invalid(path, cause.message.split('\n', 1)[0] ?? '', undefined, cause.line, cause)
  }
  const parsed = configSchema.safeParse(document)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  if (issue.code === 'unrecognized_keys') {
    const key = [...issue.path, issue.keys[0]!].map(String)
    throw invalid(path, 'there is no such key', key.join('.'), lineOf(text, key), parsed.error)
  }
  const key = issue.path.filter(part => typeof part === 'string')
  throw invalid(path, issue.message, key.join('.'), lineOf(text, key), parsed.error)
}

/** Writes a config with a comment on every key, as a whole or not at all; an existing file is replaced. */
export async function writeDefaultConfig(
  path: string,
  config: PeerConfig = DEFAULT_CONFIG,
  files: FileSystem = machineFileSystem
): Promise<void> {
  await replaceFile(files, path, Buffer.from(formatConfig(config)), 0o644)
}

/** @returns commented TOML that {@link parseConfig} reads back to an equal config */
export function formatConfig({
  roles,
  listen,
  announce,
  logLevel,
  api,
  gateway,
  provider,
  verifier,
  ledgerHost
}: PeerConfig): string {
  const region = provider.region === undefined ? '# region = "eu-west"' : `region = ${quote(provider.region)}`
  const stake = verifier.stake === undefined ? `# stake = "100${'0'.repeat(18)}"` : `stake = "${verifier.stake}"`
  return `# Holdfast: what this peer does. Restart it after a change.

# What it does for the network, one or more of ${ROLES.map(quote).join(', ')}.
roles = [${roles.map(quote).join(', ')}]

# Addresses to listen on. [] for a peer that only dials out. Browsers come by WebSockets: add "/ip4/0.0.0.0/tcp/4741/ws".
listen = [${listen.map(quote).join(', ')}]

# Addresses that others are told, when they are not those above: behind a router that forwards a port, or a web server.
${announce === undefined ? '# announce = ["/ip4/203.0.113.7/tcp/4740"]' : `announce = [${announce.map(quote).join(', ')}]`}

# How much it says: ${LOG_LEVELS.map(quote).join(', ')}.
logLevel = ${quote(logLevel)}

[api]
# Where programs on this machine ask the daemon: "127.0.0.1:4741", "unix:/path", or port 0 for a free one.
listen = ${quote(api.listen)}

[gateway]
# Where a provider that is a gateway too gives its public blocks over HTTP, to everybody and unencrypted.
listen = ${quote(gateway.listen)}

[provider]
# Disk space for other people's data: "500GB", "20GiB" or a number of bytes.
allocateBytes = ${provider.allocateBytes}

# Price of one leaf (32 bytes) for one round, in attoFIL (1 credit = 10^18), as a string.
pricePerLeafRound = "${provider.pricePerLeafRound}"

# Where the disk stands, so that clients can spread their replicas.
${region}

# Other disks for new pieces, each with its part of the space or with as much as it has.
${formatDirectories(provider)}

# How much of the space is kept for clients who have sent bytes and not ordered yet; half of it without this.
${formatSizeKey('leaseBytes', provider.leaseBytes, '20GB')}

# Memory for transfers; a client who comes when it is used up is told to come back later.
${formatSizeKey('transferBytes', provider.transferBytes, '192MiB')}

# Every piece is read once in so many days and compared with what it should be, so that rot is found here before it costs
# pay; each round every deal is also asked for leaves like a verifier would. Costs reads: with 30 days 0.5 MB a second for
# 1 TB, and as many small reads again as proving takes. 0 switches both off.
${provider.auditDays === undefined ? `# auditDays = ${AUDIT_DAYS_DEFAULT}` : `auditDays = ${provider.auditDays}`}

[verifier]
# Credits that it stakes, in attoFIL, as a string: one place for each whole unit of the network; "0" for none. Without it, one place.
${stake}

# Share of other verifiers' verdicts that it looks at in a round, and wins a part of their stake when one is a lie; 0 for none.
${verifier.watchShare === undefined ? '# watchShare = 0.05' : `watchShare = ${verifier.watchShare}`}

# Whether it makes a verifier that shows no transcript answer on the ledger: ${DEMAND_POLICIES.map(quote).join(', ')}.
${verifier.demandTranscripts === undefined ? '# demandTranscripts = "when it pays"' : `demandTranscripts = ${quote(verifier.demandTranscripts)}`}

# How often it reads a part of a public object, as any reader does and unannounced, to measure its provider: on average
# so many times an hour, 0 for never. A provider sees the address that the read comes from, and nothing else of it.
${formatRate('readsPerHour', verifier.readsPerHour, OBSERVER_RATES_DEFAULT.readsPerHour)}

# How often it checks that a public object stands in the pieces that are paid for.
${formatRate('bindingChecksPerHour', verifier.bindingChecksPerHour, OBSERVER_RATES_DEFAULT.bindingChecksPerHour)}

# What reads and checks may take together.
${formatSizeKey('readBytesPerHour', verifier.readBytesPerHour, '64MiB')}

[ledgerHost]
# Where a host asks for the rounds of the public beacon; every answer is verified.
beaconRelays = [${ledgerHost.beaconRelays.map(quote).join(', ')}]
`
}

function formatDirectories({ directories = [] }: ProviderConfig): string {
  if (directories.length === 0) return '# directories = [{ path = "/mnt/disk2/holdfast", allocateBytes = "2TB" }]'
  const tables = directories.map(({ path, allocateBytes }) => {
    const limit = allocateBytes === undefined ? '' : `, allocateBytes = ${allocateBytes}`
    return `{ path = ${quote(path)}${limit} }`
  })
  return `directories = [${tables.join(', ')}]`
}

function formatRate(key: string, perHour: number | undefined, usual: number): string {
  return perHour === undefined ? `# ${key} = ${usual}` : `${key} = ${perHour}`
}

function formatSizeKey(key: string, bytes: number | undefined, example: string): string {
  return bytes === undefined ? `# ${key} = "${example}"` : `${key} = ${bytes}`
}

function quote(text: string): string {
  return JSON.stringify(text)
}

function isListenAddress(text: string): boolean {
  try {
    return isMultiaddr(multiaddr(text)) && text.startsWith('/')
  } catch {
    return false
  }
}

/** An address with a port that a stranger could dial: not of a wildcard, and not a port that is still to be chosen. */
function isDialledAddress(text: string): boolean {
  if (!isListenAddress(text)) return false
  return (
    /^\/(ip[46]|dns[46]?)\//.test(text) &&
    !/^\/ip(4\/0\.0\.0\.0|6\/::)\//.test(text) &&
    /\/tcp\/[1-9]\d*(\/|$)/.test(text)
  )
}

/**
 * Changes one value of a config and leaves every other character as it is, remarks included.
 *
 * @param value - as TOML writes it, with its quotes
 * @throws {PeerError} `CONFIG_INVALID` when the config would not be valid with it; nothing is written then
 */
export async function setConfigValue(
  path: string,
  key: readonly [table: string, name: string],
  value: string,
  files: FileSystem = machineFileSystem
): Promise<void> {
  const handle = await files.open(path, 'r')
  const text = await handle.readFile('utf8').finally(() => handle.close())
  const changed = withValue(text, key, value)
  parseConfig(changed, path)
  await replaceFile(files, path, Buffer.from(changed), 0o644)
}

function withValue(text: string, [table, name]: readonly [string, string], value: string): string {
  const lines = text.split('\n')
  const line = `${name} = ${value}`
  const at = lineOf(text, [table, name])
  if (at !== undefined) return lines.with(at - 1, line).join('\n')
  const header = lines.findIndex(one => one.trim() === `[${table}]`)
  return header === -1 ? `${text.trimEnd()}\n\n[${table}]\n${line}\n` : lines.toSpliced(header + 1, 0, line).join('\n')
}

/** The 1-based line that sets a key, found by reading the text as an editor would; undefined when it stands nowhere. */
function lineOf(text: string, key: readonly string[]): number | undefined {
  const wanted = key.join('.')
  let table = ''
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[([^[\]]+)\]/.exec(line)?.[1]
    if (header !== undefined) table = `${header.trim()}.`
    const name = /^\s*([\w.-]+)\s*=/.exec(line)?.[1]
    if ((name !== undefined && `${table}${name}` === wanted) || (header !== undefined && table === `${wanted}.`)) {
      return index + 1
    }
  }
  return undefined
}

function invalid(path: string, reason: string, key: string | undefined, line: number | undefined, cause: unknown) {
  const place = `${path}${line === undefined ? '' : `:${line}`}`
  const message = key === undefined || key === '' ? `${place}: ${reason}` : `${place}: ${key}: ${reason}`
  return new PeerError('CONFIG_INVALID', message, { path, key, line, reason }, { cause })
}
