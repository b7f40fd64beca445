/** One bar for each provider while a store runs; lines or JSON events where there is no terminal. */
import type { StoreEvent } from '@holdfast/core'
import cliProgress from 'cli-progress'
import { formatSize } from '../units.ts'
import { escapeForTerminal, printJsonEvent } from './output.ts'

/** JSON progress at most so often for a provider: a script wants to see life, not every chunk. */
const JSON_STEP_BYTES = 16 * 1024 * 1024

export interface ProgressBars extends Disposable {
  readonly report: (event: StoreEvent) => void
}

/** @param nameOf - how a provider is called on the screen */
export function openProgressBars(
  json: boolean,
  nameOf: (provider: string) => string = provider => provider
): ProgressBars {
  if (json) return openJsonProgress()
  return process.stdout.isTTY ? openTextBars(nameOf) : openLines(nameOf)
}

function openJsonProgress(): ProgressBars {
  const printed = new Map<string, number>()
  return {
    report(event) {
      if (event.kind === 'progress') {
        const step = Math.floor(event.storedBytes / JSON_STEP_BYTES)
        if (step === printed.get(event.provider) && event.storedBytes < event.sizeBytes) return
        printed.set(event.provider, step)
      }
      printJsonEvent(
        event.kind === 'stored' ? 'replicaStored' : event.kind === 'failed' ? 'replicaFailed' : event.kind,
        { ...event, kind: undefined }
      )
    },
    [Symbol.dispose]: () => undefined
  }
}

/** Where nothing can be drawn over, in a log or a pipe, a line for each quarter of a replica. */
function openLines(nameOf: (provider: string) => string): ProgressBars {
  const quarters = new Map<string, number>()
  const say = (provider: string, text: string) => process.stdout.write(`  ${nameOf(provider)}  ${text}\n`)
  return {
    report(event) {
      if (event.kind === 'stored') say(event.provider, `on disk, countersigned, deal ${event.dealId}`)
      if (event.kind === 'failed') say(event.provider, `failed: ${escapeForTerminal(event.reason)}`)
      if (event.kind === 'pullFailed') say(event.provider, pullFailed(event.from, event.reason, nameOf))
      if (event.kind !== 'progress') return
      const quarter = Math.floor((event.storedBytes * 4) / event.sizeBytes)
      if (quarter === (quarters.get(event.provider) ?? 0)) return
      quarters.set(event.provider, quarter)
      say(event.provider, `${quarter * 25}% of ${formatSize(event.sizeBytes)}`)
    },
    [Symbol.dispose]: () => undefined
  }
}

function openTextBars(nameOf: (provider: string) => string): ProgressBars {
  const format = '  {name} [{bar}] {percentage}% {stored} of {size}  {state}'
  const bars = new cliProgress.MultiBar(
    { format, hideCursor: true, clearOnComplete: false },
    cliProgress.Presets.shades_classic
  )
  const barOf = new Map<string, cliProgress.SingleBar>()
  return {
    report(event) {
      if (event.kind === 'storing') {
        const payload = {
          name: nameOf(event.provider),
          stored: formatSize(0),
          size: formatSize(event.sizeBytes),
          state: ''
        }
        barOf.set(event.provider, bars.create(event.sizeBytes, 0, payload))
        return
      }
      const bar = barOf.get(event.provider)
      if (event.kind === 'progress') bar?.update(event.storedBytes, { stored: formatSize(event.storedBytes) })
      if (event.kind === 'stored') bar?.update({ state: `on disk, countersigned, deal ${event.dealId}` })
      if (event.kind === 'failed') bar?.update({ state: `failed: ${escapeForTerminal(event.reason)}` })
      if (event.kind === 'pullFailed') bar?.update({ state: pullFailed(event.from, event.reason, nameOf) })
    },
    [Symbol.dispose]: () => bars.stop()
  }
}

function pullFailed(from: string, reason: string, nameOf: (provider: string) => string): string {
  return `could not fetch it from ${nameOf(from)} (${escapeForTerminal(reason)}): sent from here`
}
