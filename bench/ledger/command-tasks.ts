/** A host that takes transfers from many accounts, and the signatures of the same transfers alone. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { createStatementDigest } from '@holdfast/core'
import type { Task } from '../data/measured-process.ts'
import { type BenchNetwork, createBenchNetwork, type NetworkOptions, transferAt } from './bench-network.ts'
import { answererOf, type Driven, driveInFlight, encodeSubmit } from './drive-commands.ts'
import { openBenchHost } from './open-host.ts'
import { signatureAt, signTransfers } from './sign-transfers.ts'

interface Preparation {
  readonly network: NetworkOptions
  readonly folder: string
  readonly count: number
}

/** `run` begins a new ledger each time. */
export const durableCommands: Task = async () => {
  let network: BenchNetwork | undefined
  let requests: Uint8Array[] = []
  let folder = ''
  let runs = 0
  return {
    async prepare(preparation: Preparation) {
      network = createBenchNetwork(preparation.network)
      folder = preparation.folder
      const signatures = await signTransfers(preparation.network, 0, preparation.count)
      requests = Array.from({ length: preparation.count }, (_, index) =>
        encodeSubmit(network!, transferAt(network!, index, signatureAt(signatures, index)))
      )
    },
    async run({ inFlight, warmUp }: { readonly inFlight: number; readonly warmUp: number }): Promise<Driven> {
      runs += 1
      await using opened = await openBenchHost(network!, join(folder, `host-${runs}`))
      const answer = answererOf(network!, opened.host)
      await driveInFlight(requests.slice(0, warmUp), inFlight, answer)
      return await driveInFlight(requests.slice(warmUp), inFlight, answer)
    }
  }
}

/** One signature after another on every core, and nothing else. */
export const signatureLimit: Task = async () => {
  const threads: Worker[] = []
  return {
    async prepare({ network: options, count }: Preparation) {
      const network = createBenchNetwork(options)
      const digestOf = createStatementDigest(network.networkId)
      const signatures = await signTransfers(options, 0, count)
      const signed = Array.from({ length: count }, (_, index) => {
        const { statement, signature } = transferAt(network, index, signatureAt(signatures, index))
        return { digest: Uint8Array.from(digestOf('Transfer', statement)), signature, signer: statement.from }
      })
      const cores = availableParallelism()
      for (let core = 0; core < cores; core += 1) {
        const workerData = signed.filter((_, index) => index % cores === core)
        threads.push(new Worker(new URL('recovering-thread.ts', import.meta.url), { workerData }))
      }
    },
    async run(): Promise<Pick<Driven, 'seconds' | 'cpuSeconds'>> {
      const cpuBefore = process.cpuUsage()
      const before = performance.now()
      await Promise.all(
        threads.map(async thread => {
          const done = new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject))
          thread.postMessage('run')
          await done
        })
      )
      const { user, system } = process.cpuUsage(cpuBefore)
      return { seconds: (performance.now() - before) / 1000, cpuSeconds: (user + system) / 1e6 }
    }
  }
}
