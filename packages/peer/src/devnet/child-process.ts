/** One process of a devnet, spoken to by what it prints: one JSON event a line. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PeerError } from '../error.ts'

export type ChildEvent = Readonly<Record<string, unknown>> & { readonly event: string }

export interface HoldfastProcess {
  readonly pid: number
  /** Resolves with the first event of that name, also one that is past; rejects when the process ends without it. */
  event(name: string): Promise<ChildEvent>
  /** Resolves with the exit code when the process has ended, null after a signal. */
  readonly exited: Promise<number | null>
  kill(signal: NodeJS.Signals): void
  /** Highest resident memory so far in MiB; undefined where the system does not say. */
  peakRssMiB(): Promise<number | undefined>
}

const MAIN = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url))

/** Starts `holdfast` with the given arguments and `--json`. It ends when this process does, whatever happens to this one. */
export function spawnHoldfast(
  commandArguments: readonly string[],
  onEvent: (event: ChildEvent) => void = () => undefined
): HoldfastProcess {
  const child = spawn(process.execPath, [MAIN, ...commandArguments, '--json'], {
    stdio: ['pipe', 'pipe', 'pipe']
  })
  /** The first of each name: a peer that runs for days says a lot. */
  const events = new Map<string, ChildEvent>()
  const waiting = new Set<() => void>()
  let lastWords = ''
  let isOver = false
  const note = (text: string) => {
    lastWords = `${lastWords}${text}`.slice(-4096)
  }
  child.stderr.on('data', (text: Buffer) => note(`${text}`))
  createInterface({ input: child.stdout }).on('line', line => {
    const event = parseEvent(line)
    if (event === undefined) return note(`${line}\n`)
    if (!events.has(event.event)) events.set(event.event, event)
    onEvent(event)
    wake()
  })
  const exited = ended(child, note).finally(() => {
    isOver = true
    wake()
  })

  function wake(): void {
    for (const check of [...waiting]) check()
  }

  return {
    pid: child.pid ?? -1,
    exited,
    kill: signal => child.kill(signal),
    event(name) {
      return new Promise((resolve, reject) => {
        const check = () => {
          const found = events.get(name)
          if (found === undefined && !isOver) return
          waiting.delete(check)
          if (found !== undefined) resolve(found)
          else reject(failureOf(commandArguments, events.get('failed'), lastWords))
        }
        waiting.add(check)
        check()
      })
    },
    async peakRssMiB() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
      const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
      return kibibytes === undefined ? undefined : Math.round(Number(kibibytes) / 1024)
    }
  }
}

/** @returns undefined for a line that is no event: a warning that some library prints, say */
function parseEvent(line: string): ChildEvent | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && 'event' in value ? (value as ChildEvent) : undefined
  } catch {
    return undefined
  }
}

/** After both the exit and the last line of output; also when there never was a process. */
function ended(child: ChildProcess, note: (text: string) => void): Promise<number | null> {
  return new Promise(resolve => {
    child.once('error', error => {
      note(error.message)
      if (child.pid === undefined) resolve(null)
    })
    child.once('close', code => resolve(code))
  })
}

function failureOf(commandArguments: readonly string[], failed: ChildEvent | undefined, lastWords: string): PeerError {
  const reason = typeof failed?.message === 'string' ? failed.message : lastWords.trim()
  return new PeerError(
    'PROCESS_FAILED',
    `holdfast ${commandArguments.join(' ')} ended: ${reason === '' ? 'it said nothing' : reason}`,
    {
      command: [...commandArguments],
      code: failed?.code
    }
  )
}
