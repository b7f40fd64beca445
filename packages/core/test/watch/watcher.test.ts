import { portableNodeHasher } from '@holdfast/proofs'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { beforeEach, describe, expect, it } from 'vitest'
import { CoreError } from '../../src/error.ts'
import { portableSignatureVerifier, type Signer } from '../../src/identity.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { TranscriptAnswer } from '../../src/protocols/definitions.ts'
import { noAnswer } from '../../src/protocols/envelope.ts'
import type { Answer } from '../../src/protocols/protocol.ts'
import type { VerdictTarget } from '../../src/verifier/check-transcript.ts'
import { badProofsAgainst, drawVerdicts } from '../../src/watch/choose-verdicts.ts'
import { createWatcher, type WatchEvent, type Watcher, type WatcherOptions } from '../../src/watch/watcher.ts'
import { AttestedRounds, type Conduct } from '../ledger/attested-round.ts'
import { CLIENT, PROVIDER, TestNetwork, VERIFIERS } from '../ledger/network-fixture.ts'
import { settled } from '../virtual-clock.ts'

let network: TestNetwork
let rounds: AttestedRounds
/** Of the deal in round 2. */
let verifier: Signer
let events: WatchEvent[]
let asked: string[]
/** Verifiers whose transcripts nobody gets to see. */
let hidden: Set<string>

beforeEach(async () => {
  network = new TestNetwork()
  await network.stakeAll()
  rounds = new AttestedRounds(network, [await network.openDealWithPieces()])
  await network.openRounds(2)
  verifier = rounds.verifiersOf(1)[0]!
  events = []
  asked = []
  hidden = new Set()
})

const all: WatcherOptions['choose'] = (state, round, draw) =>
  drawVerdicts(state, round, { self: CLIENT.address, rate: 1, countMax: 99, draw })

async function shownBy(addresses: readonly string[], { round, dealId }: { round: number; dealId: number }) {
  const one = VERIFIERS.find(({ address }) => addresses[0] === `/memory/${address}`)!
  asked.push(`${one.address}/${round}/${dealId}`)
  if (hidden.has(one.address)) return noAnswer('UNREACHABLE', 'a firewall')
  const { transcript, path, proofs } = rounds.shown(one, round, dealId)
  const value = { transcript, path, proofs: proofs === undefined ? null : [...proofs] }
  return { kind: 'answer', value } as Answer<TranscriptAnswer>
}

function watch(changes: Partial<WatcherOptions> = {}): Watcher {
  let drawn = 0
  const watcher = createWatcher({
    ledger: network.ledger,
    signer: CLIENT,
    signatures: portableSignatureVerifier,
    nodeHasher: portableNodeHasher,
    clock: network.clock,
    random: size => sha256(utf8ToBytes(`watch ${drawn++}`)).subarray(0, size),
    ask: shownBy,
    choose: all,
    demands: 'when it pays',
    onEvent: event => events.push(event),
    onError: error => {
      throw error
    },
    ...changes
  })
  watcher.start()
  return watcher
}

const attest = (conduct: Conduct) => rounds.attestAll(one => (one === verifier ? conduct : 'honest'))
const ofKind = <Kind extends WatchEvent['kind']>(kind: Kind) =>
  events.filter((event): event is Extract<WatchEvent, { kind: Kind }> => event.kind === kind)
const target = (): VerdictTarget => ({ verifier: verifier.address, round: 2, dealId: 1 })
const stakeOf = (one: Signer) => network.state.verifiers.get(one.address)!.stake

describe('a watcher', () => {
  it('finds that honest verdicts stand, and says nothing to the ledger', async () => {
    await using _ = watch()
    await attest('honest')
    const before = network.applied.length
    await network.openRound()
    expect(events).toHaveLength(3)
    for (const event of events) expect(event).toMatchObject({ kind: 'watched', round: 2, dealId: 1, found: 'supports' })
    expect(network.applied.length - before).toBe(1)
  })

  it.each<Conduct>(['blind pass', 'false alarm'])('refutes a %s with proof, and earns its part', async conduct => {
    await using _ = watch()
    await attest(conduct)
    const [stake, free] = [stakeOf(verifier), network.freeOf(CLIENT)]
    await network.openRound()
    await settled()
    expect(ofKind('refuting')).toMatchObject([{ ...target(), receipt: { ok: true } }])
    const { stakeUnit } = network.parameters.money
    expect(ofKind('won')).toMatchObject([{ ...target(), reward: stakeUnit / 4n }])
    expect(stakeOf(verifier)).toBe(stake - stakeUnit)
    expect(network.freeOf(CLIENT)).toBe(free + stakeUnit / 4n)
    await network.openRound()
    expect(ofKind('refuting')).toHaveLength(1)
  })

  it('never holds “no answer” against anybody', async () => {
    await using _ = watch({ demands: 'always' })
    await rounds.attestAll(() => 'no answer')
    await network.openRounds(4)
    expect([events, asked, network.state.disputes.size]).toEqual([[], [], 0])
  })

  it('asks who shows nothing once more, then makes it answer on the ledger: a liar loses, and its watcher earns', async () => {
    await using _ = watch()
    hidden.add(verifier.address)
    await attest('blind pass')
    await network.openRound()
    expect(ofKind('demanded')).toEqual([])
    await network.openRound()
    await settled()
    expect(ofKind('demanded')).toMatchObject([{ ...target(), receipt: { ok: true } }])
    await network.openRounds(network.parameters.proving.answerRounds + 1)
    expect(ofKind('won')).toMatchObject([{ ...target(), reason: 'no answer' }])
    expect(stakeOf(verifier)).toBe(0n)
    expect(ofKind('demanded')).toHaveLength(1)
  })

  it('burns its bond for an honest one that nobody reaches, which wins nothing by that', async () => {
    await using _ = watch()
    hidden.add(verifier.address)
    await attest('honest')
    await network.openRounds(2)
    await settled()
    expect(ofKind('demanded')).toHaveLength(1)
    const free = network.freeOf(verifier)
    await network.take(rounds.answer(verifier, 2, 1))
    const { transcriptBond: bond } = network.parameters.money
    expect(ofKind('answeredToAll')).toMatchObject([{ ...target(), bond }])
    expect(network.freeOf(verifier)).toBe(free)
  })

  it('raises nothing twice, however often it is restarted, also when it was cut off before the ledger answered', async () => {
    hidden.add(verifier.address)
    await attest('blind pass')
    let answers = 0
    /** Takes what is submitted and loses the answer, once. */
    const lossy: Ledger = {
      state: network.ledger.state,
      subscribe: listener => network.ledger.subscribe(listener),
      async submit(command) {
        const receipt = await network.ledger.submit(command)
        answers += 1
        if (answers === 1) throw new CoreError('LEDGER_UNREACHABLE', 'the line was cut')
        return receipt
      }
    }
    let watcher = watch({ ledger: lossy })
    await network.openRounds(2)
    await settled()
    await watcher.stop()
    for (let restart = 0; restart < 3; restart += 1) {
      watcher = watch({ ledger: lossy })
      await network.openRound()
      await settled()
      await watcher.stop()
    }
    const demands = network.applied.filter(
      ({ entry: { body } }) => body.kind === 'command' && body.command.kind === 'DemandTranscript'
    )
    expect(demands).toHaveLength(1)
    expect(network.clock.sleeping).toBe(0)
  })

  it('has one id for one dispute, whatever became of the first try', async () => {
    hidden.add(verifier.address)
    await attest('blind pass')
    const ids = new Set<string>()
    const away: Ledger = {
      state: network.ledger.state,
      subscribe: listener => network.ledger.subscribe(listener),
      async submit({ statement }) {
        if ('id' in statement) ids.add(statement.id)
        throw new CoreError('LEDGER_UNREACHABLE', 'nobody knows whether it has come')
      }
    }
    for (let life = 0; life < 2; life += 1) {
      const watcher = watch({
        ledger: away,
        choose: (state, round, draw) => all(state, state.closed.get(2) ?? round, draw)
      })
      await network.openRounds(2)
      await settled()
      await watcher.stop()
    }
    expect(ids.size).toBe(1)
  })

  it('leaves alone what would cost more than it can win, or what the config forbids', async () => {
    hidden.add(verifier.address)
    await attest('blind pass')
    await using _ = watch({ demands: 'never' })
    await network.openRounds(2)
    expect(ofKind('leftAlone')).toMatchObject([{ ...target(), reason: 'the config says so' }])
    expect(ofKind('demanded')).toEqual([])
  })

  it('is not held up by one that stalls, and makes it answer on the ledger too', async () => {
    await attest('honest')
    const assigned = rounds.verifiersOf(1).map(({ address }) => address)
    for (const { address } of VERIFIERS) if (address !== verifier.address) hidden.add(address)
    const choose: WatcherOptions['choose'] = (state, round, draw) =>
      Array.from({ length: 40 }, () => all(state, round, draw)).flat()
    const stalled: WatcherOptions['ask'] = async (addresses, message, signal) => {
      if (addresses[0] !== `/memory/${verifier.address}`) return await shownBy(addresses, message)
      return await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const watcher = watch({ choose, ask: stalled, demands: 'always' })
    await network.openRound()
    expect(new Set(ofKind('watched').map(event => event.verifier)).size).toBe(2)
    await network.openRound()
    await settled()
    expect(ofKind('demanded').length).toBe(2)
    await network.openRound()
    await settled()
    expect(new Set(ofKind('demanded').map(event => event.verifier))).toEqual(new Set(assigned))
    await watcher.stop()
  })
})

describe('a provider', () => {
  it('holds who calls its good proof bad to its word, and finds out when its disk is bad', async () => {
    const choose: WatcherOptions['choose'] = (state, round) => badProofsAgainst(state, round, PROVIDER.address)
    await using _ = watch({ choose, signer: PROVIDER, demands: 'always' })
    await attest('false alarm')
    await network.openRound()
    await settled()
    expect(asked).toEqual([`${verifier.address}/2/1`])
    expect(ofKind('won')).toMatchObject([target()])
  })
})
