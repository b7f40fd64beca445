/** What a provider does about its own disk: the audit that finds what was lost, and the healing of it. */
import type { AuditCursor, Ledger, ProverEvent } from '@holdfast/core'
import { z } from 'zod'
import { AUDIT_DAYS_DEFAULT } from '../config.ts'
import type { LostPieces } from '../provider/components.ts'
import { createHealer, type HealEvent, PRIVATE_OBSTACLE } from '../provider/heal-pieces.ts'
import { createStorePieceReader } from '../provider/piece-reader.ts'
import { type AuditEvent, type AuditProgress, createSelfAudit } from '../provider/self-audit.ts'
import { createWounds, type Wound } from '../provider/wounds.ts'
import { createVerifiedReader, type PieceStore } from '../storage/index.ts'
import { type PeerComponents, random } from './components.ts'

export type SelfAuditEvent = AuditEvent | HealEvent

/** What screens ask of it. */
export interface AuditHandle {
  progress(): AuditProgress
  wounds(): readonly Wound[]
  readonly healed: number
  /** What nobody but the client can make good. */
  readonly lost: LostPieces
  /** Takes note of what verifiers said of our proofs. */
  note(event: ProverEvent): void
}

const DAY_MS = 24 * 60 * 60_000
const CURSOR_KEY = 'cursor'

const cursorSchema = z.strictObject({
  piece: z.string(),
  offset: z.int().min(0),
  passStartedMs: z.int().min(0),
  passes: z.int().min(0)
})

/** @returns undefined where the operator has switched it off */
export function startSelfAudit(
  life: AsyncDisposableStack,
  components: PeerComponents,
  ledger: Ledger,
  store: PieceStore
): AuditHandle | undefined {
  const { directory, config, signer, tools, clock, node, announced, serveOptions, emit } = components
  const { auditDays = AUDIT_DAYS_DEFAULT } = config.provider
  if (auditDays === 0) return undefined
  const { nodeHasher } = tools
  const onError = (error: unknown) => emit({ kind: 'error', error })
  const onEvent = (event: SelfAuditEvent) => emit({ kind: 'audit', event })
  const state = directory.state.sublevel('audit')
  const wounds = createWounds(clock)
  const audit = life.use(
    createSelfAudit({
      ledger,
      signer,
      store,
      reader: createVerifiedReader(store, nodeHasher),
      pieces: createStorePieceReader(store),
      nodeHasher,
      clock,
      random,
      wounds,
      periodMs: auditDays * DAY_MS,
      cursor: {
        // Lost or garbled, the pass begins again.
        read: async () => parseCursor(await state.get(CURSOR_KEY)),
        write: cursor => state.put(CURSOR_KEY, JSON.stringify(cursor))
      },
      onEvent,
      onError
    })
  )
  const healer = life.use(
    createHealer({
      components: {
        node: node.libp2p,
        ledger,
        store,
        signer,
        clock,
        announced
      },
      options: serveOptions,
      wounds,
      onEvent,
      onError
    })
  )
  audit.start()
  healer.start()
  return {
    progress: () => audit.progress(),
    wounds: () => wounds.list(),
    get healed() {
      return wounds.healed
    },
    lost: {
      list: () => wounds.list().flatMap(({ piece, obstacle }) => (obstacle === PRIVATE_OBSTACLE ? [piece] : [])),
      mended: piece => wounds.hurry(piece)
    },
    note(event) {
      for (const dealId of doubtedDeals(event)) audit.suspect(dealId)
    }
  }
}

/** Deals whose proof was bad, or could not be made. */
function doubtedDeals(event: ProverEvent): number[] {
  if (event.kind === 'cannotProve') return [event.dealId]
  if (event.kind !== 'pushed' || event.answer.kind !== 'answer') return []
  return event.answer.value.results.flatMap(({ dealId, verdict }) => (verdict === 'bad proof' ? [dealId] : []))
}

function parseCursor(text: string | undefined): AuditCursor | undefined {
  if (text === undefined) return undefined
  try {
    return cursorSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
