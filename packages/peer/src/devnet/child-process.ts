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

/**
 * V8 lets its young generation grow to 16 MiB a space and more; chunks of a transfer live short, and a quarter of that
 * collects them as well. Took 40 MiB off the peak of a provider that stores 1 GiB.
 */
const NODE_FLAGS = ['--max-semi-space-size=8']

const MAIN = fileURLToPath(new URL('../cli/main.js', import.meta.url))

/** Starts `holdfast` with the given arguments and `--json`. It ends when this process does, whatever happens to this one. */
export function spawnHoldfast(
  commandArguments: readonly string[],
  onEvent: (event: ChildEvent) => void = () => undefined
): HoldfastProcess {
  const child = spawn(process.execPath, [...NODE_FLAGS, MAIN, ...commandArguments, '--json'], {
    stdio: ['pipe', 'pipe', 'pipe']
  })
  const events: ChildEvent[] = []
  const waiting = new Set<() => void>()
  let standardError = ''
  let isOver = false
  child.stderr.on('data', (text: Buffer) => {
    standardError = `${standardError}${text}`.slice(-4096)
  })
  createInterface({ input: child.stdout }).on('line', line => {
    const event = JSON.parse(line) as ChildEvent
    events.push(event)
    onEvent(event)
    wake()
  })
  const exited = ended(child).finally(() => {
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
          const found = events.find(({ event }) => event === name)
          if (found === undefined && !isOver) return
          waiting.delete(check)
          if (found !== undefined) resolve(found)
          else reject(failureOf(commandArguments, events, standardError))
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

/** After both the exit and the last line of output. */
async function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve(code))
  })
}

function failureOf(
  commandArguments: readonly string[],
  events: readonly ChildEvent[],
  standardError: string
): PeerError {
  const failed = events.find(({ event }) => event === 'failed')
  const reason = typeof failed?.message === 'string' ? failed.message : standardError.trim()
  return new PeerError(
    'PROCESS_FAILED',
    `holdfast ${commandArguments.join(' ')} ended: ${reason === '' ? 'it said nothing' : reason}`,
    {
      command: [...commandArguments],
      code: failed?.code
    }
  )
}
