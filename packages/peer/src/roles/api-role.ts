/** The local API of a running peer: what its command line, its dashboard and its metrics ask. */
import { rm } from 'node:fs/promises'
import { askOf, type Ledger, newestAskOf } from '@holdfast/core'
import { setConfigValue } from '../config.ts'
import { examine } from '../doctor/examine.ts'
import { PeerError } from '../error.ts'
import { createApi } from '../http/api.ts'
import { loadOrCreateToken, writeApiFile } from '../http/api-file.ts'
import { listenForApi } from '../http/listen.ts'
import { createPeerMetrics } from '../http/metrics.ts'
import type { DaemonFacts, OwnAsk, VerifierFacts } from '../http/routes/daemon-facts.ts'
import { donorRoutes } from '../http/routes/donor-routes.ts'
import { reportRoutes } from '../http/routes/report-routes.ts'
import { statusRoutes } from '../http/routes/status-routes.ts'
import { verifierRoutes } from '../http/routes/verifier-routes.ts'
import { createCreditBook } from '../ledger/credit-book.ts'
import { findForkProofs } from '../ledger/fork-proofs.ts'
import { readOwnLog } from '../ledger/read-ledger.ts'
import { readVerifications } from '../ledger/verifications.ts'
import { explainBytes } from '../provider/explain-bytes.ts'
import { addDenied, readDenied, removeDenied } from '../storage/edit-deny-file.ts'
import type { PeerStore } from '../storage/index.ts'
import { FLOOR_DEFAULT } from '../storage/piece-store.ts'
import { viewAudit } from '../views/audit-view.ts'
import { addUpBytes, viewPeer } from '../views/donor-views.ts'
import { announceAsk } from './announce.ts'
import type { AuditHandle } from './audit-role.ts'
import { type PeerComponents, random } from './components.ts'

/** Of the API's description; the program's own. */
const API_VERSION = '1'

export interface ApiParts {
  readonly ledger: Ledger
  /** Undefined for a peer that is no provider. */
  readonly store: PeerStore | undefined
  /** Undefined where nothing is audited. */
  readonly audit: AuditHandle | undefined
  /** Undefined for a peer that is no verifier. */
  readonly verifier: VerifierFacts | undefined
  readonly hasher: { readonly name: string; readonly reason?: string }
}

export async function startApi(life: AsyncDisposableStack, components: PeerComponents, parts: ApiParts): Promise<void> {
  const { directory, config, emit } = components
  const facts = daemonFacts(life, components, parts)
  const metrics = createPeerMetrics(facts)
  const app = createApi({
    routes: [...statusRoutes(facts), ...donorRoutes(facts), ...verifierRoutes(facts), ...reportRoutes(facts)],
    token: await loadOrCreateToken(directory.apiTokenFile),
    version: API_VERSION,
    metrics,
    onError: error => emit({ kind: 'error', error })
  })
  const { address } = life.use(await listenForApi(app, config.api.listen))
  await writeApiFile(directory.apiFile, address)
  life.defer(() => rm(directory.apiFile, { force: true }))
}

function daemonFacts(life: AsyncDisposableStack, components: PeerComponents, parts: ApiParts): DaemonFacts {
  const { directory, config, signer, clock, node, announced, signal } = components
  const { ledger, store, audit, verifier, hasher } = parts
  const { address } = signer
  const startedMs = clock.now()
  const readPast: Parameters<typeof createCreditBook>[0]['readPast'] = (onEntry, during) =>
    readOwnLog(directory.path, { onEntry, ...(during && { signal: during }) })
  const credits = life.use(createCreditBook({ ledger, account: address, readPast }))
  const verifications = life.use(readVerifications(ledger, readPast))

  async function bytes() {
    if (store === undefined) throw new PeerError('NO_STORE', 'This peer is no provider: it keeps no pieces.')
    const explained = await explainBytes(store.store, ledger.state, address)
    return { explained, bytes: addUpBytes(explained) }
  }

  function ask(): OwnAsk {
    const newest = newestAskOf(ledger.state, address)
    if (newest === undefined) throw new PeerError('NO_ASK', 'This peer offers nothing on the ledger.')
    const { pricePerLeafRound, capacityBytes, region, addresses } = newest
    const inForce = askOf(ledger.state, address)?.id === newest.id
    return { pricePerLeafRound, capacityBytes, region, addresses: [...addresses], inForce }
  }

  async function denied(): Promise<string[]> {
    await store?.denied.refresh()
    return await readDenied(directory.denyFile)
  }

  return {
    address,
    ledger,
    credits,
    nowMs: () => clock.now(),
    verifications: during => verifications.history(during),
    verifier,
    bytes,
    ask,
    denied,
    async peer() {
      return viewPeer(ledger.state, {
        address,
        roles: config.roles,
        listening: node.addresses(),
        startedMs,
        nowMs: clock.now(),
        bytes: store === undefined ? undefined : (await bytes()).bytes,
        audit: audit === undefined ? undefined : viewAudit(audit),
        forkProofs: await findForkProofs(directory.forksDirectory, components.network)
      })
    },
    examine: during =>
      examine({
        directory: directory.path,
        clock,
        hasher,
        usedBytes: store?.store.usage().usedBytes ?? 0,
        reserveBytes: FLOOR_DEFAULT.bytes,
        audit: audit === undefined ? undefined : viewAudit(audit),
        // The daemon's own node, which lives on.
        openNode: async () => ({ ...node, [Symbol.asyncDispose]: async () => undefined }),
        signal: during
      }),
    async setAsk({ pricePerLeafRound, region }, during) {
      const before = ask()
      // First the config: what stands on the ledger must survive a restart.
      if (pricePerLeafRound !== undefined)
        await setConfigValue(directory.configFile, ['provider', 'pricePerLeafRound'], `"${pricePerLeafRound}"`)
      if (region !== undefined)
        await setConfigValue(directory.configFile, ['provider', 'region'], JSON.stringify(region))
      await announceAsk(
        { ledger, signer, random, signal: during ?? signal },
        {
          addresses: announced(),
          capacityBytes: before.capacityBytes,
          pricePerLeafRound: pricePerLeafRound ?? before.pricePerLeafRound,
          region: region ?? before.region
        }
      )
      return ask()
    },
    async deny(cid) {
      await addDenied(directory.denyFile, cid)
      return await denied()
    },
    async allow(cid) {
      await removeDenied(directory.denyFile, cid)
      return await denied()
    }
  }
}
