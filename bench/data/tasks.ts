import type { Task } from './measured-process.ts'

const from =
  (load: () => Promise<Task>): Task =>
  async () =>
    (await load())()

/** Everything that can run in a process of its own; each loads only what it needs. */
export const tasks: Record<string, Task> = {
  import: from(async () => (await import('./import-tasks.ts')).importPublic),
  'import-private': from(async () => (await import('./import-tasks.ts')).importPrivate),
  'import-private-3': from(async () => (await import('./import-tasks.ts')).importPrivate3),
  'import-helia': from(async () => (await import('./import-tasks.ts')).importHelia),
  'import-ipfs-car': from(async () => (await import('./import-tasks.ts')).importIpfsCar),
  'import-ipfs-car-commitment': from(async () => (await import('./import-tasks.ts')).importIpfsCarWithCommitment),
  'raw-ours': from(async () => (await import('./raw-stream-tasks.ts')).rawOurs),
  'raw-noise': from(async () => (await import('./raw-stream-tasks.ts')).rawNoise),
  'raw-tls': from(async () => (await import('./raw-stream-tasks.ts')).rawTls),
  'bitswap-provider': from(async () => (await import('./bitswap-tasks.ts')).bitswapProvider),
  'bitswap-reader': from(async () => (await import('./bitswap-tasks.ts')).bitswapReader),
  'cat-from-disk': from(async () => (await import('./bitswap-tasks.ts')).catFromDisk),
  'hypercore-provider': from(async () => (await import('./hypercore-tasks.ts')).hypercoreProvider),
  'hypercore-reader': from(async () => (await import('./hypercore-tasks.ts')).hypercoreReader),
  'http-client': from(async () => (await import('./http-range.ts')).httpClient),
  'http-server': from(async () => (await import('./http-tasks.ts')).httpServer),
  'holdfast-client': from(async () => (await import('./holdfast-tasks.ts')).holdfastClient),
  'ledger-host': from(async () => (await import('../ledger/command-tasks.ts')).durableCommands),
  'signature-limit': from(async () => (await import('../ledger/command-tasks.ts')).signatureLimit),
  anvil: from(async () => (await import('../ledger/anvil-tasks.ts')).anvilTransfers),
  attestations: from(async () => (await import('../ledger/attestation-tasks.ts')).attestations),
  replay: from(async () => (await import('../ledger/replay-tasks.ts')).replay),
  'round-close': from(async () => (await import('../ledger/round-close-tasks.ts')).roundClose),
  'verify-provider': from(async () => (await import('../verify/provider-tasks.ts')).verifyProvider),
  'verify-verifier': from(async () => (await import('../verify/verifier-tasks.ts')).verifyVerifier)
}
