import { describe, expect, it } from 'vitest'
import { PROVIDER, STRANGER, TestNetwork } from '../../../core/test/ledger/network-fixture.ts'
import { quietLine } from '../../src/views/round-lines.ts'

describe('a round that brought nothing', () => {
  it('is said with what a provider keeps and offers, and not to others', async () => {
    const network = new TestNetwork()
    await network.take(network.ask(PROVIDER))
    expect(quietLine(network.state, STRANGER.address)).toBeUndefined()
    expect(quietLine(network.state, PROVIDER.address)).toMatch(/^round 0: no deals yet; \S+ \S+ offered$/)
    await network.take(network.dealOrder(PROVIDER))
    expect(quietLine(network.state, PROVIDER.address)).toMatch(/^round 0: 1 deal, nothing to prove; /)
  })
})
