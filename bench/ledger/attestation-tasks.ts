/** Attestations of a round with many deals, as a host takes them: decoded, their signature checked, applied. */
import { ledgerSubmit, roundOpensMs } from '@holdfast/core'
import { chooseNodeHasher, wasmSignatureVerifier } from '@holdfast/peer'
import { decodeRequest } from '../../packages/core/src/protocols/envelope.ts'
import type { Task } from '../data/measured-process.ts'
import { createBenchNetwork, type NetworkOptions } from './bench-network.ts'
import { encodeSubmit } from './drive-commands.ts'
import { appendTo, attestationsOf, createManyDeals, type ManyDeals, openingOf } from './many-deals.ts'

export const attestations: Task = async () => {
  let many: ManyDeals | undefined
  let options: NetworkOptions | undefined
  return {
    async prepare({ network, deals }: { readonly network: NetworkOptions; readonly deals: number }) {
      options = network
      const tools = { signatures: wasmSignatureVerifier, nodeHasher: await chooseNodeHasher() }
      many = await createManyDeals(createBenchNetwork(network), deals, tools)
    },
    /** All of a round; the next one is opened first. Working out who checks whom is part of the first. */
    async run(): Promise<{ readonly verdicts: number; readonly seconds: number; readonly cpuSeconds: number }> {
      const network = createBenchNetwork(options!)
      const { machine } = many!
      const { state } = machine
      appendTo(machine, await openingOf(network, state.round + 1), roundOpensMs(network.parameters, state.round + 1))
      const signed = attestationsOf(network, state)
      const requests = signed.map(({ command }) => encodeSubmit(network, command))
      const cpuBefore = process.cpuUsage()
      const before = performance.now()
      for (const request of requests) {
        const message = decodeRequest(ledgerSubmit, { networkId: network.networkId }, request)
        if (!message.ok) throw new Error(message.message)
        appendTo(machine, { kind: 'command', command: message.value.command }, state.timeMs)
      }
      const seconds = (performance.now() - before) / 1000
      const { user, system } = process.cpuUsage(cpuBefore)
      const verdicts = signed.reduce((sum, { count }) => sum + count, 0)
      return { verdicts, seconds, cpuSeconds: (user + system) / 1e6 }
    }
  }
}
