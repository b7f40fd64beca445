/** `holdfast` as a user runs it: a process of its own, known by what it prints and how it ends. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const HOLDFAST_MAIN = fileURLToPath(new URL('../../packages/peer/bin/holdfast.js', import.meta.url))

export type HoldfastEvent = Readonly<Record<string, unknown>> & { readonly event: string }

export interface HoldfastEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface HoldfastRun extends AsyncDisposable {
  readonly pid: number
  /** What it printed so far under `--json`. */
  readonly events: readonly HoldfastEvent[]
  /** Resolves with the first event of that name, also one that is past; rejects when the process ends without it. */
  event(name: string): Promise<HoldfastEvent>
  readonly ended: Promise<HoldfastEnd>
  kill(signal: NodeJS.Signals): void
}

export interface RunOptions {
  /** Where it makes its temporary directories: nothing may be left there. */
  readonly temporaryDirectory: string
  readonly onEvent?: (event: HoldfastEvent) => void
  /** User and group; only root can choose. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

/** Starts `holdfast` with these arguments. Disposing of the run kills what still runs. */
export function runHoldfast(commandArguments: readonly string[], options: RunOptions): HoldfastRun {
  const { temporaryDirectory, onEvent = () => undefined, user } = options
  const child = spawn(process.execPath, [HOLDFAST_MAIN, ...commandArguments], {
    env: { ...process.env, TMPDIR: temporaryDirectory },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...user
  })
  const json = commandArguments.includes('--json')
  const events: HoldfastEvent[] = []
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const check of [...waiting]) check()
  }
  const lines: string[] = []
  let stderr = ''
  child.stderr.on('data', (text: Buffer) => {
    stderr += text
  })
  createInterface({ input: child.stdout }).on('line', line => {
    lines.push(line)
    if (!json) return
    const event = JSON.parse(line) as HoldfastEvent
    events.push(event)
    onEvent(event)
    wake()
  })
  let end: HoldfastEnd | undefined
  const ended = new Promise<HoldfastEnd>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      end = { code, signal, stdout: lines.join('\n'), stderr }
      resolve(end)
      wake()
    })
  })
  return {
    pid: child.pid ?? -1,
    events,
    ended,
    kill: signal => child.kill(signal),
    event(name) {
      const { promise, resolve, reject } = Promise.withResolvers<HoldfastEvent>()
      const check = () => {
        const found = events.find(({ event }) => event === name)
        if (found !== undefined) resolve(found)
        else if (end !== undefined) reject(new Error(`no event "${name}" came: ${JSON.stringify(end)}`))
      }
      waiting.add(check)
      check()
      return promise.finally(() => waiting.delete(check))
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    }
  }
}

/** Whether a process runs, also one that is not a child of this one. A zombie has ended. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && process.platform !== 'linux'
  }
}
