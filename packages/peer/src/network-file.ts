/** The network description on disk. */
import { readFile } from 'node:fs/promises'
import {
  describeNetwork,
  formatNetworkDescription,
  type NetworkDescription,
  parseNetworkDescription,
  type Signer
} from '@holdfast/core'
import { PeerError, systemCodeOf } from './error.ts'
import { machineFileSystem, replaceFile } from './storage/file-system.ts'

/** @throws {PeerError} `NETWORK_MISSING` @throws {CoreError} `NETWORK_INVALID` */
export async function readNetworkFile(path: string): Promise<NetworkDescription> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const code = systemCodeOf(cause)
    throw new PeerError(
      'NETWORK_MISSING',
      `There is no network description at ${path} (${code}): ask a member of the network for its network.json.`,
      { path },
      { cause }
    )
  }
  return parseNetworkDescription(text)
}

/** Whole or not at all, and durable. */
export async function writeNetworkFile(path: string, description: NetworkDescription): Promise<void> {
  await replaceFile(machineFileSystem, path, Buffer.from(formatNetworkDescription(description)))
}

/** Signs the description anew when the host listens elsewhere than it says. */
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
