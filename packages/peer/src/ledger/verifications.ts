/** How each deal was last verified, for as long as a daemon runs: read from its own log when somebody asks, then kept. */
import {
  type AppliedEntry,
  createVerificationHistory,
  type Ledger,
  type LedgerState,
  type VerificationHistory
} from '@holdfast/core'

export interface Verifications extends Disposable {
  /** As of the newest entry that the ledger has. The first call reads the past; until then nothing is kept. */
  history(signal?: AbortSignal): Promise<Pick<VerificationHistory, 'of'>>
}

/** @param readPast - reads the log from genesis to its end, telling of every entry in order */
export function readVerifications(
  ledger: Pick<Ledger, 'state' | 'subscribe'>,
  readPast: (onEntry: (applied: AppliedEntry, state: LedgerState) => void, signal?: AbortSignal) => Promise<void>
): Verifications {
  let kept: Promise<Pick<VerificationHistory, 'of'>> | undefined
  let end = () => {}

  async function read(signal: AbortSignal | undefined): Promise<Pick<VerificationHistory, 'of'>> {
    const history = createVerificationHistory()
    /** Entries that come while the past is read: some of them are in it. */
    const waiting: AppliedEntry[] = []
    let isRead = false
    let nextSequence = 0
    end = ledger.subscribe(applied => {
      if (isRead) history.note(applied, ledger.state)
      else waiting.push(applied)
    })
    try {
      await readPast((applied, state) => {
        nextSequence = applied.entry.sequence + 1
        history.note(applied, state)
      }, signal)
    } catch (error) {
      end()
      throw error
    }
    for (const applied of waiting) if (applied.entry.sequence >= nextSequence) history.note(applied, ledger.state)
    isRead = true
    return history
  }

  return {
    history(signal) {
      kept ??= read(signal).catch(error => {
        kept = undefined // whoever asks next tries again
        throw error
      })
      return kept
    },
    [Symbol.dispose]: () => end()
  }
}
