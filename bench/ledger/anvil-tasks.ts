/**
 * Transfers to anvil, a block for each as it comes (automine), all of it in its memory. A transfer is answered when it is
 * mined, as ours is when it is durable; sent without waiting for that, its miner forgets some of a few thousand for good.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { createInterface } from 'node:readline'
import type { Signer } from '@holdfast/core'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { findAnvil } from '../data/bench-peers.ts'
import { type Task, usageOf } from '../data/measured-process.ts'
import { createBenchNetwork, type NetworkOptions } from './bench-network.ts'
import { driveInFlight } from './drive-commands.ts'

const CHAIN_ID = 31_337n
const GAS_OF_TRANSFER = 21_000n
const GAS_PRICE = 2_000_000_000n

export const anvilTransfers: Task = async () => {
  const program = findAnvil()
  if (program === undefined) throw new Error('anvil is not installed')
  const anvil = spawn(program, ['--port', '0', '--accounts', '1'], { stdio: ['ignore', 'pipe', 'inherit'] })
  process.once('exit', () => anvil.kill('SIGKILL'))
  const port = await portOf(anvil.stdout)
  let transactions: Buffer[] = []
  return {
    async prepare({ network, count, inFlight }: { network: NetworkOptions; count: number; inFlight: number }) {
      const agent = new Agent({ keepAlive: true, maxSockets: inFlight })
      call = (method, parameters) => callRpc(agent, port, method, parameters)
      const { accounts } = createBenchNetwork(network)
      for (const { address } of accounts) await call('anvil_setBalance', [address, `0x${(10n ** 24n).toString(16)}`])
      transactions = Array.from({ length: count }, (_, index) => Buffer.from(transactionAt(accounts, index)))
    },
    /** Once only: the chain goes on where it stands. */
    async run({ inFlight, warmUp }: { readonly inFlight: number; readonly warmUp: number }) {
      const send = (raw: Uint8Array) => call('eth_sendRawTransactionSync', [`0x${Buffer.from(raw).toString('hex')}`])
      await driveInFlight(transactions.slice(0, warmUp), inFlight, send)
      return await driveInFlight(transactions.splice(warmUp), inFlight, send)
    },
    chainUsage: () => usageOf(anvil.pid ?? 0)
  }
}

type Call = (method: string, parameters: readonly unknown[]) => Promise<string>
let call: Call

async function portOf(output: NodeJS.ReadableStream): Promise<number> {
  for await (const line of createInterface(output)) {
    const port = /Listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1]
    if (port === undefined) continue
    output.resume()
    return Number(port)
  }
  throw new Error('anvil ended before it listened')
}

async function callRpc(agent: Agent, port: number, method: string, parameters: readonly unknown[]): Promise<string> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: parameters })
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const asking = request({ host: '127.0.0.1', port, method: 'POST', agent, headers })
  asking.end(body)
  const [response] = (await once(asking, 'response')) as [NodeJS.ReadableStream]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const { result, error } = JSON.parse(Buffer.concat(chunks).toString()) as {
    result: string
    error?: { message: string }
  }
  if (error !== undefined) throw new Error(`${method}: ${error.message}`)
  return result
}

/** The same transfers as `transferAt`, in Ethereum's form: RLP, with the chain's id under the signature (EIP-155). */
function transactionAt(accounts: readonly Signer[], index: number): Uint8Array {
  const from = accounts[index % accounts.length]!
  const to = Buffer.from(accounts[(index + 1) % accounts.length]!.address.slice(2), 'hex')
  const fields = [
    ...[BigInt(Math.floor(index / accounts.length)), GAS_PRICE, GAS_OF_TRANSFER].map(minimalBytes),
    to,
    minimalBytes(1n),
    Buffer.alloc(0)
  ]
  const signature = Buffer.from(
    from.sign(keccak_256(rlpList([...fields, minimalBytes(CHAIN_ID), Buffer.alloc(0), Buffer.alloc(0)])))
  )
  const v = CHAIN_ID * 2n + 35n + BigInt(signature[64]! - 27)
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32, 64)].map(one => minimalBytes(toNumber(one)))
  return rlpList([...fields, minimalBytes(v), r!, s!])
}

function toNumber(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

/** Big-endian without leading zeros; nothing for 0. */
function minimalBytes(number: bigint): Buffer {
  const text = number === 0n ? '' : number.toString(16)
  return Buffer.from(text.length % 2 === 0 ? text : `0${text}`, 'hex')
}

function rlpList(items: readonly Buffer[]): Buffer {
  const body = Buffer.concat(items.map(rlpBytes))
  return Buffer.concat([rlpPrefix(body.length, 0xc0), body])
}

function rlpBytes(bytes: Buffer): Buffer {
  return bytes.length === 1 && bytes[0]! < 0x80 ? bytes : Buffer.concat([rlpPrefix(bytes.length, 0x80), bytes])
}

function rlpPrefix(length: number, base: number): Buffer {
  if (length < 56) return Buffer.of(base + length)
  const bytes = minimalBytes(BigInt(length))
  return Buffer.concat([Buffer.of(base + 55 + bytes.length), bytes])
}
