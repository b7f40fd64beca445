import { createMemoryLedger } from '../../src/ledger/memory-ledger.ts'
import { describeLedger } from './ledger-suite.ts'
import { TOOLS } from './network-fixture.ts'

describeLedger('the ledger in memory', async ({ parameters, clock }) => {
  const ledger = createMemoryLedger(parameters, TOOLS, () => clock.now())
  return {
    ledger,
    async reached({ body, timeMs }) {
      ledger.append(body, timeMs)
    },
    async [Symbol.asyncDispose]() {}
  }
})
