/** The network description on disk. */
import { access, readFile } from 'node:fs/promises'
import {
  CoreError,
  describeNetwork,
  formatNetworkDescription,
  type NetworkDescription,
  parseNetworkDescription,
  type Signer
} from '@holdfast/core'
import { PeerError, systemCodeOf } from './error.ts'
import { machineFileSystem, replaceFile } from './storage/file-system.ts'

/** @throws {PeerError} `NETWORK_MISSING`, `NETWORK_INVALID` */
export async function readNetworkFile(path: string): Promise<NetworkDescription> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw missing(path, cause)
  })
  try {
    return parseNetworkDescription(text)
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause
    throw new PeerError(cause.code, `${path}: ${cause.message}`, { path }, { cause })
  }
}

/** @throws {PeerError} `NETWORK_MISSING` */
export async function expectNetworkFile(path: string): Promise<void> {
  try {
    await access(path)
  } catch (cause) {
    throw missing(path, cause)
  }
}

function missing(path: string, cause: unknown): PeerError {
  return new PeerError(
    'NETWORK_MISSING',
    `There is no network description at ${path} (${systemCodeOf(cause)}): ask a member of the network for its network.json.`,
    { path },
    { cause }
  )
}

/** Whole or not at all, and durable. */
export async function writeNetworkFile(path: string, description: NetworkDescription): Promise<void> {
  await replaceFile(machineFileSystem, path, Buffer.from(formatNetworkDescription(description)))
}

/** Signs the description anew when the host is reached elsewhere than it says. */
export async function updateHostAddresses(
  path: string,
  description: NetworkDescription,
  addresses: readonly string[],
  signer: Signer
): Promise<void> {
  const { host, bootstrap, sequence } = description.addresses
  if (host.length === addresses.length && host.every((address, index) => address === addresses[index])) return
  await writeNetworkFile(
    path,
    describeNetwork(description.parameters, { sequence: sequence + 1, host: [...addresses], bootstrap }, signer)
  )
}
