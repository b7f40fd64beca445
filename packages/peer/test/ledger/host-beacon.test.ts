import { type Beacon, beaconRoundOf, CoreError, roundOpensMs } from '@holdfast/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { BEACON, PARAMETERS } from '../../../core/test/ledger/network-fixture.ts'
import { settled } from '../../../core/test/virtual-clock.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { nextEntry, openTestHost } from './open-test-host.ts'

const opensMs = (round: number) => roundOpensMs(PARAMETERS, round)

let path: string
let life = new AsyncDisposableStack()
beforeEach(async () => {
  path = life.use(await temporaryDirectory()).path
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

/** A beacon that is silent until it is told to speak. */
function silentBeacon(): Beacon & { speaks: boolean } {
  return {
    speaks: false,
    async signatureOf(round) {
      if (!this.speaks) throw new CoreError('BEACON_UNAVAILABLE', 'no relay answers')
      return await BEACON.signatureOf(round)
    }
  }
}

it('asks a silent beacon again, and opens the round when it speaks in time', async () => {
  const beacon = silentBeacon()
  const { host, clock } = life.use(await openTestHost(path, { beacon }))
  await host.start()
  const opened = nextEntry(host, ({ entry }) => entry.body.kind === 'openRound')
  await clock.advanceTo(opensMs(1) + 2_500)
  expect(host.state.round).toBe(0)
  beacon.speaks = true
  await clock.advanceTo(opensMs(1) + 3_600)
  expect((await opened).entry.body).toMatchObject({ kind: 'openRound', round: 1 })
})

it('passes over the rounds that the beacon was silent in, says so, and faults nobody', async () => {
  const beacon = silentBeacon()
  const said: string[] = []
  const { host, clock, failures } = life.use(
    await openTestHost(path, { beacon, onBeaconSilent: ({ code }) => said.push(code) })
  )
  await host.start()
  const voided = nextEntry(host, ({ entry }) => entry.body.kind === 'voidRounds')
  await clock.advanceTo(opensMs(2) + 500)
  beacon.speaks = true
  await clock.advanceTo(opensMs(2) + 1_600)
  expect((await voided).entry.body).toEqual({ kind: 'voidRounds', from: 1, to: 1 })
  await settled()
  expect(failures).toEqual([])
})

it('opens no round when its clock is more than a minute from the beacon’s', async () => {
  const newest = { offRounds: 0 }
  const beacon: Beacon = {
    signatureOf: round => BEACON.signatureOf(round),
    newestRound: async () => beaconRoundOf(PARAMETERS, 1) + newest.offRounds
  }
  newest.offRounds = -7
  const { host, clock, failures } = life.use(await openTestHost(path, { beacon }))
  await host.start()
  await clock.advanceTo(opensMs(1) + 100)
  await settled()
  expect(host.state.round).toBe(0)
  expect(failures).toMatchObject([{ code: 'CLOCK_OFF', message: expect.stringContaining('70 s ahead of') }])
})
