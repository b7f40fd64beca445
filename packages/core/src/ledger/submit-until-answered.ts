/** Submits what must reach the ledger before a round closes, also over a host that restarts meanwhile. */
import type { Clock } from '../clock.ts'
import { CoreError } from '../error.ts'
import type { Command } from './commands.ts'
import type { Ledger, Receipt } from './ledger.ts'

/** Pause between two tries; a host's restart takes longer, a proof has a quarter of a round for it. */
const RETRY_MS = 500

/**
 * Tries again for as long as nobody answers: the same command twice is applied once.
 *
 * @param signal - when to give up
 * @throws the signal's reason, and whatever is not `LEDGER_UNREACHABLE`
 */
export async function submitUntilAnswered(
  ledger: Pick<Ledger, 'submit'>,
  command: Command,
  clock: Clock,
  signal: AbortSignal
): Promise<Receipt> {
  for (;;) {
    try {
      return await ledger.submit(command, { signal })
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof CoreError && error.code === 'LEDGER_UNREACHABLE')) throw error
    }
    await clock.sleep(RETRY_MS, signal)
  }
}
