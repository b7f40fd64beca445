/** Who looks at other verifiers' verdicts: a verifier at some of all, a provider at the bad proofs it is said to have sent. */
import {
  badProofsAgainst,
  type ChooseVerdicts,
  contradictionsTo,
  createWatcher,
  drawVerdicts,
  type Ledger,
  readTranscript,
  WATCHED_PER_ROUND_MAX
} from '@holdfast/core'
import { createRequester, type PeerComponents, random } from './components.ts'

/** Of all verdicts in a round: a lie that is told in twenty rounds is looked at once, by this watcher alone. */
export const WATCH_SHARE_DEFAULT = 0.05

/**
 * Looks at what verifiers say: at once at what is suspicious, and at a share of all the rest.
 *
 * A bad proof costs a provider an opening; it signs none, unless its disk is bad, and then it finds that out. A verifier
 * looks at none when its config says so.
 */
export function startWatching(
  life: AsyncDisposableStack,
  components: Pick<PeerComponents, 'config' | 'signer' | 'tools' | 'clock' | 'emit' | 'node' | 'serveOptions'>,
  ledger: Ledger
): void {
  const { config, signer, tools, clock, emit } = components
  const { watchShare: rate = WATCH_SHARE_DEFAULT, demandTranscripts = 'when it pays' } = config.verifier
  const { address: self } = signer
  const chooses: ChooseVerdicts[] = []
  if (config.roles.includes('provider')) chooses.push((state, round) => badProofsAgainst(state, round, self))
  if (config.roles.includes('verifier') && rate > 0)
    chooses.push((state, round, draw) => [
      ...contradictionsTo(state, round, self).slice(0, WATCHED_PER_ROUND_MAX / 2),
      ...drawVerdicts(state, round, { self, rate, countMax: WATCHED_PER_ROUND_MAX, draw })
    ])
  if (chooses.length === 0) return
  const watcher = life.use(
    createWatcher({
      ledger,
      signer,
      signatures: tools.signatures,
      nodeHasher: tools.nodeHasher,
      clock,
      random,
      ask: createRequester(components, readTranscript),
      choose: (state, round, draw) => chooses.flatMap(choose => choose(state, round, draw)),
      demands: demandTranscripts,
      onEvent: event => emit({ kind: 'watch', event }),
      onError: error => emit({ kind: 'error', error })
    })
  )
  watcher.start()
}
