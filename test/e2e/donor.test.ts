/** A donor's first day, with real processes: a network, a peer set up from nothing, a deal, and every byte and credit of it. */
import { randomBytes } from 'node:crypto'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ledgerCommand } from '../../packages/peer/dist/cli/ledger-command.js'
import { captureOutput } from '../../packages/peer/test/cli/captured-output.ts'
import { temporaryDirectory } from '../../packages/peer/test/temporary-directory.ts'
import { type HoldfastRun, runHoldfast } from './holdfast-run.ts'

const LISTEN = '/ip4/127.0.0.1/tcp/0'

const life = new AsyncDisposableStack()
let root: string
let host: HoldfastRun
let donor: HoldfastRun
let clientAddress: string
const at = (...names: string[]) => join(root, ...names)
const run = (...args: string[]) => runHoldfast(args, { temporaryDirectory: root })

/** What a command prints under `--json`, one value. */
async function ask<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(...args, '--json').ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as T
}

interface DealResults {
  readonly kind: string
  readonly results: readonly { readonly provider: string; readonly outcome: { readonly kind: string } }[]
}

/** Resolves when so many rounds have paid for a deal. */
async function awaitPaidRounds(count: number): Promise<void> {
  const paid = Promise.withResolvers<void>()
  let rounds = 0
  const onEvent = ({ events }: Readonly<Record<string, unknown>>) => {
    for (const { kind, results } of events as DealResults[]) {
      if (kind === 'roundClosed' && results.some(({ outcome }) => outcome.kind === 'proved')) rounds += 1
      if (rounds >= count) paid.resolve()
    }
  }
  const following = ['ledger', 'log', '--follow', '--network', at('host', 'network.json'), '--json']
  await using log = runHoldfast(following, { temporaryDirectory: root, onEvent })
  await Promise.race([paid.promise, log.ended.then(end => Promise.reject(new Error(JSON.stringify(end))))])
}

beforeAll(async () => {
  root = life.use(await temporaryDirectory()).path
  const { address } = await ask<{ address: string }>('key', 'create', '--key', at('client.key'))
  clientAddress = address
  host = life.use(
    run(
      'network',
      'create',
      'trial',
      '--directory',
      at('host'),
      '--beacon',
      'host',
      '--round',
      '3s',
      '--listen',
      LISTEN,
      '--account',
      `${address}=1000`,
      '--json'
    )
  )
  const { addresses } = await host.event('ready')
  const [member] = addresses as string[]
  donor = life.use(
    run(
      'start',
      '--directory',
      at('donor'),
      '--network',
      member!,
      '--allocate',
      '64MiB',
      '--listen',
      LISTEN,
      '--region',
      'eu',
      '--json'
    )
  )
  await donor.event('ready')
  // An ask that comes when round 1 is open counts from the next one on: until then nobody offers anything.
  const isInForce = async () => (await ask<{ inForce: boolean }>('ask', '--directory', at('donor'))).inForce
  await vi.waitUntil(isInForce, { timeout: 30_000, interval: 500 })
  await writeFile(at('file.bin'), randomBytes(300_000))
  const put = await run(
    'put',
    at('file.bin'),
    '--network',
    at('host', 'network.json'),
    '--key',
    at('client.key'),
    '--replicas',
    '1',
    '--public',
    '--json'
  ).ended
  expect(put, `${put.stdout}\n${put.stderr}`).toMatchObject({ code: 0 })
  await awaitPaidRounds(2)
}, 120_000)

afterAll(() => life.disposeAsync())

describe('a directory that was set up from nothing', () => {
  it('holds a key that nobody else reads, a commented config and the network', async () => {
    expect((await stat(at('donor', 'key'))).mode & 0o777).toBe(0o600)
    expect((await stat(at('donor', 'api-token'))).mode & 0o777).toBe(0o600)
    const config = await readFile(at('donor', 'config.toml'), 'utf8')
    expect(config).toContain(`allocateBytes = ${64 * 2 ** 20}`)
    expect(config).toContain('region = "eu"')
    expect(await readFile(at('donor', 'network.json'), 'utf8')).toContain('"trial"')
  })

  it('takes one daemon and no second', async () => {
    const second = await run('start', '--directory', at('donor')).ended
    expect(second.code).not.toBe(0)
    expect(second.stderr).toContain('DIRECTORY_LOCKED')
  })

  it('is not moved to another network, and not set up twice', async () => {
    const again = await run('start', '--directory', at('donor'), '--allocate', '1GiB').ended
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('ALREADY_SET_UP') })
    const other = await run('network', 'create', 'other', '--directory', at('donor'), '--beacon', 'host').ended
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('ALREADY_SET_UP') })
  })
})

describe('a donor sees', () => {
  it('every byte: the states add up to what the disk holds', async () => {
    const status = await ask<{ bytes: Record<string, number>; problems: string[] }>(
      'status',
      '--directory',
      at('donor')
    )
    const files = (await readdir(at('donor', 'pieces'), { recursive: true, withFileTypes: true })).filter(file =>
      file.isFile()
    )
    const sizes = await Promise.all(
      files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size)
    )
    const { paid, leased, unpaid, layers, incoming, damaged, other, disk, free, reserved, capacity } =
      status.bytes as Record<string, number>
    expect(disk).toBe(sizes.reduce((sum, size) => sum + size, 0))
    expect(paid! + leased! + unpaid! + layers! + incoming! + damaged! + other!).toBe(disk)
    expect(capacity! - free! - reserved!).toBeLessThanOrEqual(disk!)
    expect(paid).toBeGreaterThan(300_000)
    expect(status.problems).toEqual([])
  })

  it('every credit: the sums are the balance on the ledger, to the atto', async () => {
    const { account, free, sums, withheld } = await ask<{
      account: string
      free: string
      sums: Record<string, string>
      withheld: string
    }>('earnings', '--directory', at('donor'))
    const total = Object.values(sums).reduce((sum, amount) => sum + BigInt(amount), 0n)
    expect(total).toBe(BigInt(free))
    expect(BigInt(free)).toBeGreaterThan(0n)
    // At the same entry: the host's log, read and checked by another process.
    const view = await ask<{
      account: { free: string; collateral: string }
      history: { amount: string; withheld: string }[]
    }>('credits', '--account', account, '--directory', at('host'), '--all')
    const history = view.history.reduce((sum, { amount }) => sum + BigInt(amount), 0n)
    expect(history).toBe(BigInt(view.account.free))
    expect(view.history.reduce((sum, line) => sum + BigInt(line.withheld), 0n)).toBe(BigInt(view.account.collateral))
    expect(BigInt(view.account.collateral)).toBeGreaterThanOrEqual(BigInt(withheld))
  })

  it('its deals, as the ledger has them', async () => {
    const { deals } = await ask<{ deals: { id: number; status: string; docketLeaves: number }[] }>(
      'deals',
      '--directory',
      at('donor')
    )
    expect(deals).toMatchObject([{ id: 1, status: 'active', docketLeaves: 0 }])
    const deal = await ask<{ status: string; pieceList: unknown[] }>('ledger', 'deal', '1', '--directory', at('donor'))
    expect(deal).toMatchObject({ status: 'active' })
    expect(deal.pieceList.length).toBeGreaterThan(0)
  })

  it('that nothing is wrong, as the doctor says beside the daemon', async () => {
    const { findings } = await ask<{ findings: { check: string; status: string }[] }>(
      'doctor',
      '--directory',
      at('donor')
    )
    expect(findings.filter(({ status }) => status === 'problem')).toEqual([])
    expect(findings.find(({ check }) => check === 'reachability')).toMatchObject({ status: 'ok' })
  })
})

describe('a donor changes', () => {
  it('its price, on the ledger and in its config', async () => {
    const ask1 = await ask<{ pricePerLeafRound: string }>('ask', '--directory', at('donor'), '--price', '250000')
    expect(ask1.pricePerLeafRound).toBe('250000')
    expect(await readFile(at('donor', 'config.toml'), 'utf8')).toContain('pricePerLeafRound = "250000"')
  })

  it('what it refuses', async () => {
    const cid = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi'
    expect(await ask('deny', cid, '--directory', at('donor'))).toEqual({ denied: [cid] })
    expect(await ask('deny', cid, '--remove', '--directory', at('donor'))).toEqual({ denied: [] })
    expect((await run('deny', 'no-cid', '--directory', at('donor')).ended).stderr).toContain('CID_INVALID')
  })
})

describe('the ledger, asked in this process', () => {
  /** What `holdfast ledger …` prints about the running host's log. */
  async function ledger(...args: string[]): Promise<string> {
    using printed = captureOutput(process.stdout)
    const command = ledgerCommand(new AbortController().signal).exitOverride()
    for (const sub of command.commands) sub.exitOverride().configureOutput({ writeErr: () => undefined })
    await command.parseAsync([...args], { from: 'user' })
    return printed.text
  }
  const here = () => ['--directory', at('host')]
  async function both(...args: string[]): Promise<{ json: unknown; text: string }> {
    const json = await ledger(...args, ...here(), '--json')
    const lines = json.trim().split('\n')
    return {
      json: lines.length === 1 ? JSON.parse(json) : lines.map(line => JSON.parse(line)),
      text: await ledger(...args, ...here())
    }
  }

  it('says what stands on it', async () => {
    const { json, text } = await both('status')
    expect(json).toMatchObject({ network: 'trial', roundIs: 'open', deals: { active: 1, failed: 0 }, providers: 1 })
    const { supply, inBalances } = json as { supply: string; inBalances: string }
    expect(inBalances).toBe(supply)
    expect(text).toContain('1 active, 0 ending, 0 ended, 0 failed')
  })

  it('lists deals, of a party and of a status, and shows one', async () => {
    const { json, text } = await both('deals')
    expect(json).toMatchObject([{ id: 1, status: 'active', docketLeaves: 0 }])
    expect(text.split('\n').filter(line => line.includes('active'))).toHaveLength(1)
    const account = clientAddress
    expect((await both('deals', '--account', account, '--status', 'active')).json).toMatchObject([{ client: account }])
    expect((await both('deals', '--status', 'failed')).json).toEqual([])
    expect((await both('deals', '--account', `0x${'00'.repeat(20)}`)).json).toEqual([])
    const deal = await both('deal', '1')
    expect(deal.json).toMatchObject({
      id: 1,
      client: account,
      pieceList: expect.arrayContaining([expect.objectContaining({ rawSize: expect.any(Number), removed: false })])
    })
    expect(deal.text).toContain(account)
  })

  it('shows an account, the rounds and the log', async () => {
    const account = clientAddress
    const shown = await both('account', account)
    expect(shown.json).toMatchObject({ address: account, asClient: 1, asProvider: 0, stake: '0' })
    expect(shown.text).toContain(account)
    // An account that nothing has happened to has nothing.
    expect((await both('account', `0x${'00'.repeat(20)}`)).json).toMatchObject({ free: '0', nonce: 0, asClient: 0 })
    const rounds = await both('rounds', '--last', '2')
    expect(rounds.json).toHaveLength(2)
    expect(rounds.json).toMatchObject([{ late: false }, { late: false }])
    const log = await both('log')
    const entries = log.json as { entry: { sequence: number; body: { kind: string } }; events: unknown[] }[]
    expect(entries.map(({ entry }) => entry.sequence)).toEqual(entries.map((_, index) => index))
    expect(entries[0]!.entry.body.kind).toBe('genesis')
    expect(log.text).toContain('openRound')
    expect((await ledger('log', '--from', '3', ...here(), '--json')).split('\n')[0]).toContain('"sequence":3')
  })

  it('is replayed beside its host: nothing breaks a rule, and no credit is missing', async () => {
    const { json, text } = await both('verify')
    expect(json).toMatchObject({ event: 'verified', conserved: true, violations: [] })
    expect(text).toContain('conserved to the atto')
  })

  it('refuses what is not there, and what is no number, account or status', async () => {
    await expect(ledger('deal', '99', ...here())).rejects.toMatchObject({ code: 'NO_DEAL', details: { id: 99 } })
    for (const wrong of [
      ['deal', 'one'],
      ['deal', '-1'],
      ['account', '0x12'],
      ['deals', '--status', 'lost'],
      ['deals', '--account', 'client'],
      ['rounds', '--last', 'two'],
      ['log', '--from', 'genesis']
    ])
      await expect(ledger(...wrong, ...here())).rejects.toMatchObject({ code: 'commander.invalidArgument' })
    await expect(ledger('log', '--follow', ...here())).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(ledger('status')).rejects.toMatchObject({ code: 'OPTION_INVALID' })
    await expect(ledger('status', '--directory', at('nowhere'))).rejects.toMatchObject({ code: 'NETWORK_MISSING' })
    await expect(ledger('recalc', ...here())).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' })
  })

  it('is computed again where no daemon runs, and every figure beside the log agrees', async () => {
    donor.kill('SIGTERM')
    expect(await donor.ended).toMatchObject({ code: 0, signal: null })
    const [json, text] = [
      await ledger('recalc', '--directory', at('donor'), '--json'),
      await ledger('recalc', '--directory', at('donor'))
    ]
    const { entries, stateHash } = JSON.parse(json) as { entries: number; stateHash: string }
    expect(JSON.parse(json)).toMatchObject({ event: 'recalculated', differences: [] })
    expect(text).toContain(`${entries} entries, state ${stateHash}`)
  })
})

it('credits move to another account, and no more than there are', async () => {
  const { address } = await ask<{ address: string }>('key', 'create', '--key', at('other.key'))
  const options = ['--network', at('host', 'network.json'), '--key', at('client.key')]
  expect(await ask('credits', 'send', address, '1.5', ...options)).toMatchObject({
    to: address,
    amount: '1500000000000000000'
  })
  const { account } = await ask<{ account: { free: string } }>(
    'credits',
    '--key',
    at('other.key'),
    '--network',
    at('host', 'network.json')
  )
  expect(account.free).toBe('1500000000000000000')
  const tooMuch = await run('credits', 'send', address, '5000', ...options).ended
  expect(tooMuch).toMatchObject({ code: 1, stderr: expect.stringContaining('BALANCE_TOO_SMALL') })
})

it('a key that was lost comes back from its copy', async () => {
  await writeFile(at('passphrase'), 'correct horse\n')
  await writeFile(at('wrong'), 'wrong horse\n')
  const { address } = await ask<{ address: string }>('key', 'show', '--key', at('client.key'))
  await ask(
    'key',
    'export',
    '--key',
    at('client.key'),
    '--passphrase-file',
    at('passphrase'),
    '--output',
    at('copy.age')
  )
  const wrong = await run('key', 'import', at('copy.age'), '--key', at('new.key'), '--passphrase-file', at('wrong'))
    .ended
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('KEY_LOCKED') })
  expect(
    await ask('key', 'import', at('copy.age'), '--key', at('new.key'), '--passphrase-file', at('passphrase'))
  ).toMatchObject({ address })
  const over = await run('key', 'import', at('copy.age'), '--key', at('new.key'), '--passphrase-file', at('passphrase'))
    .ended
  expect(over).toMatchObject({ code: 2, stderr: expect.stringContaining('KEY_FILE_EXISTS') })
})

it('once it is stopped, its commands say what to do, and the doctor still examines', async () => {
  expect(await readdir(at('donor'))).not.toContain('api.json')
  const status = await run('status', '--directory', at('donor')).ended
  expect(status).toMatchObject({ code: 1, stderr: expect.stringContaining('holdfast start') })
  await chmod(at('donor', 'key'), 0o644)
  const doctor = await run('doctor', '--directory', at('donor'), '--json').ended
  expect(doctor.code).toBe(1)
  expect(doctor.stdout).toContain('chmod 600')
  const start = await run('start', '--directory', at('donor')).ended
  expect(start.stderr).toContain('KEY_FILE_EXPOSED')
})
