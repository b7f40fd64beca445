/** A network description from wherever somebody was told that it is: a file, a web address, or a member of the network. */
import { randomBytes } from 'node:crypto'
import { ANY_NETWORK, type NetworkDescription, networkInfo, parseNetworkDescription, request } from '@holdfast/core'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { PeerError } from './error.ts'
import { readNetworkFile } from './network-file.ts'
import { createNode } from './node.ts'

/** A description is a few kilobytes; more is not read. */
const DESCRIPTION_SIZE_BYTES_MAX = 512 * 1024
const FETCH_TIMEOUT_MS = 15_000

/**
 * @param source - `https://…`, a multiaddr, or the path of a file
 * @throws {PeerError} `NETWORK_MISSING`, `NETWORK_INVALID`, `NETWORK_UNREACHABLE`, each with what to do
 */
export async function fetchNetwork(source: string, signal?: AbortSignal): Promise<NetworkDescription> {
  if (/^https?:\/\//.test(source)) return parseFrom(source, await fetchText(source, signal))
  const address = asMultiaddr(source)
  return address === undefined ? await readNetworkFile(source) : await askMember(address, source, signal)
}

function parseFrom(source: string, text: string): NetworkDescription {
  try {
    return parseNetworkDescription(text)
  } catch (cause) {
    throw new PeerError(
      'NETWORK_INVALID',
      `${source}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { source },
      { cause }
    )
  }
}

async function fetchText(url: string, signal: AbortSignal | undefined): Promise<string> {
  const deadline = AbortSignal.timeout(FETCH_TIMEOUT_MS)
  const cut = new AbortController()
  const stop = () => cut.abort(signal?.reason ?? new Error('no answer in time'))
  for (const one of signal === undefined ? [deadline] : [deadline, signal])
    one.addEventListener('abort', stop, { once: true })
  try {
    const answer = await fetch(url, { signal: cut.signal })
    if (!answer.ok) throw new Error(`it answers ${answer.status}`)
    const chunks: Uint8Array[] = []
    let sizeBytes = 0
    for await (const chunk of answer.body ?? []) {
      sizeBytes += chunk.length
      if (sizeBytes > DESCRIPTION_SIZE_BYTES_MAX) throw new Error('it is too long for a network description')
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString()
  } catch (cause) {
    signal?.throwIfAborted()
    throw unreachable(url, cause instanceof Error ? cause.message : String(cause))
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

async function askMember(
  address: Multiaddr,
  source: string,
  signal: AbortSignal | undefined
): Promise<NetworkDescription> {
  await using node = await createNode({ privateKey: new Uint8Array(randomBytes(32)), listen: [] })
  await node.start()
  const options = { networkId: ANY_NETWORK, ...(signal !== undefined && { signal }) }
  const answer = await request(node.libp2p, [address], networkInfo, {}, options)
  if (answer.kind === 'answer') return parseFrom(source, answer.value.description)
  throw unreachable(source, answer.kind === 'refused' ? answer.message : answer.reason)
}

function asMultiaddr(text: string): Multiaddr | undefined {
  try {
    return /^\/(ip4|ip6|dns|dns4|dns6|dnsaddr)\//.test(text) ? multiaddr(text) : undefined
  } catch {
    return undefined
  }
}

function unreachable(source: string, reason: string): PeerError {
  return new PeerError(
    'NETWORK_UNREACHABLE',
    `No network description comes from ${source} (${reason}): see that it is spelt right and online, or ask a member for the file network.json.`,
    { source }
  )
}
