/** How far a long pass over bytes is: a line that is drawn over on a terminal, JSON events, or nothing in a pipe. */
import { formatSize } from '../units.ts'
import { printJsonEvent } from './output.ts'

/** A script wants to see life, not every slab. */
const JSON_STEP_BYTES = 256 * 1024 * 1024
/** Redraws of a terminal. */
const REDRAW_MS = 100

export interface ByteProgress extends Disposable {
  readonly report: (progress: { readonly doneBytes: number; readonly totalBytes?: number }) => void
  /** Prints a line of its own above what is drawn; nothing for an empty text. */
  say(text: string): void
  /** Takes away what is drawn. */
  end(): void
}

/** @param verb - what is done to the bytes, such as "checked" */
export function openByteProgress(verb: string, json: boolean): ByteProgress {
  const isDrawn = !json && process.stdout.isTTY === true
  let printedSteps = 0
  let drawnMs = 0
  const clear = () => {
    if (isDrawn) process.stdout.write('\r\u001b[K')
  }
  return {
    report({ doneBytes, totalBytes }) {
      if (json) {
        const steps = Math.floor(doneBytes / JSON_STEP_BYTES)
        if (steps === printedSteps) return
        printedSteps = steps
        printJsonEvent('progress', { doneBytes, totalBytes })
      }
      if (!isDrawn || performance.now() - drawnMs < REDRAW_MS) return
      drawnMs = performance.now()
      const whole = totalBytes === undefined ? '' : ` of ${formatSize(totalBytes)}`
      process.stdout.write(`\r\u001b[K${formatSize(doneBytes)}${whole} ${verb}`)
    },
    say(text) {
      if (text === '') return
      clear()
      process.stdout.write(`${text}\n`)
    },
    end: clear,
    [Symbol.dispose]: clear
  }
}
