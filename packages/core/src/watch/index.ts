/** Nobody's word need be trusted: who looks at verifiers' verdicts, at which, and when that pays. */
export {
  badProofsAgainst,
  type ChooseVerdicts,
  type ChosenVerdict,
  contradictionsTo,
  drawVerdicts
} from './choose-verdicts.ts'
export { type DemandPolicy, judgeDemand } from './judge-demand.ts'
export {
  createWatcher,
  DEMANDS_PER_ROUND_MAX,
  WATCHED_PER_ROUND_MAX,
  type WatchEvent,
  type Watcher,
  type WatcherOptions
} from './watcher.ts'
