/** Starts the provider that lies beside the peers of a devnet. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Address } from '@holdfast/core'
import type { Behaviour } from './hostile-provider.ts'
import type { TestDevnet } from './test-devnet.ts'

export interface Liar extends AsyncDisposable {
  readonly address: Address
  behave(behaviour: Behaviour): Promise<void>
}

/** Resolves when its ask is on the ledger. Disposing of it kills it. */
export async function startLiar(net: TestDevnet): Promise<Liar> {
  const program = fileURLToPath(new URL('hostile-provider.ts', import.meta.url))
  const child = fork(program, [net.devnet.networkFile, join(net.directory, 'liar.key')], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  const exited = once(child, 'exit')
  const ready = await Promise.race([once(child, 'message'), exited.then(() => [undefined])])
  const said = ready[0] as { kind?: string; address?: Address } | undefined
  if (said?.kind !== 'ready') throw new Error(`the hostile provider did not start: ${JSON.stringify(said)}`)
  return {
    address: said.address!,
    async behave(behaviour) {
      const heard = once(child, 'message')
      child.send(behaviour)
      await heard
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
    }
  }
}
