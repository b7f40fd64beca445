import type { Statement } from '../ledger/statements.ts'

/** Who of the providers of identical replicas has one, so that the others can fetch it from there. */
export interface PullSources {
  /** A provider that has a replica, as soon as one does; undefined when nobody will. */
  next(): Promise<Statement<'Ask'> | undefined>
  add(source: Statement<'Ask'>): void
  /** Nobody uploads any more: those that wait must be served from here. */
  giveUp(): void
}

/** A replica that stands already is a source at once. Several are taken in turns. */
export function openPullSources(standing: readonly Statement<'Ask'>[]): PullSources {
  const sources = [...standing]
  const decided = Promise.withResolvers<void>()
  if (sources.length > 0) decided.resolve()
  let turn = 0
  return {
    async next() {
      await decided.promise
      return sources.length === 0 ? undefined : sources[turn++ % sources.length]
    },
    add(source) {
      sources.push(source)
      decided.resolve()
    },
    giveUp: () => decided.resolve()
  }
}
