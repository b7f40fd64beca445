import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeNetwork, encodeHead, forkProofOf, headAfter, networkIdOf, signHead } from '@holdfast/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HOST, PARAMETERS, parametersWith } from '../../../core/test/ledger/network-fixture.ts'
import { checkForkCommand } from '../../src/cli/check-fork-command.ts'
import { writeNetworkFile } from '../../src/network-file.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { captureOutput } from './captured-output.ts'

const facts = {
  networkId: networkIdOf(PARAMETERS),
  size: 7,
  root: new Uint8Array(32).fill(1),
  timeMs: 1_800_000_000_000
}
const head = signHead(headAfter(undefined, facts), HOST)
const other = signHead(headAfter(undefined, { ...facts, timeMs: Number.MAX_SAFE_INTEGER }), HOST)
const proof = forkProofOf(head, other)!
const ADDRESSES = { sequence: 1, host: [], bootstrap: [] }

let life = new AsyncDisposableStack()
let file: string
let network: string
beforeEach(async () => {
  const { path } = life.use(await temporaryDirectory())
  file = join(path, 'proof')
  network = join(path, 'network.json')
  await writeNetworkFile(network, describeNetwork(PARAMETERS, ADDRESSES, HOST))
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

/** Runs the command. @returns what it printed */
async function checkFork(bytes: Uint8Array | string, ...options: string[]): Promise<string> {
  await writeFile(file, bytes)
  using output = captureOutput(process.stdout)
  await checkForkCommand().parseAsync([file, '--network', network, ...options], { from: 'user' })
  return output.text
}

describe('holdfast ledger check-fork', () => {
  it('says whose two histories a proof shows, and where', async () => {
    const text = await checkFork(proof)
    expect(text).toContain(`The host ${HOST.address} has signed two histories: two heads have one number.`)
    expect(text).toContain('head 0: 7 entries, root 0101')
    expect(text).toContain('2027-01-15T08:00:00.000Z')
    expect(text).toContain('9007199254740991 ms')
  })

  it('takes hex as well, and prints for scripts', async () => {
    const event = JSON.parse(await checkFork(`${Buffer.from(proof).toString('hex')}\n`, '--json'))
    expect(event).toMatchObject({
      event: 'forked',
      host: HOST.address,
      contradiction: 'same number',
      heads: [
        { number: 0, size: 7 },
        { number: 0, size: 7 }
      ]
    })
  })

  it.each<[string, Uint8Array | string]>([
    ['a changed proof', proof.with(200, proof[200]! ^ 1)],
    ['one head', encodeHead(head)],
    ['nothing', ''],
    ['text', 'a proof'],
    ['a large file', new Uint8Array(1_000_000)]
  ])('says that %s proves nothing', async (_, bytes) => {
    await expect(checkFork(bytes)).rejects.toMatchObject({ code: 'NOT_A_FORK' })
  })

  it('says that a proof is about another network’s host', async () => {
    const parameters = parametersWith({ name: 'another' })
    await writeNetworkFile(network, describeNetwork(parameters, ADDRESSES, HOST))
    await expect(checkFork(proof)).rejects.toMatchObject({ code: 'NOT_A_FORK' })
  })

  it('says that a file is not there', async () => {
    const command = checkForkCommand().parseAsync([join(file, 'x'), '--network', network], { from: 'user' })
    await expect(command).rejects.toMatchObject({ code: 'PATH_UNREADABLE' })
  })
})
