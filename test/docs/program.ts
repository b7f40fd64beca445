/** A program that a document names, run in a process group of its own so that nothing of it outlives the test. */
import { spawn } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import { REPOSITORY } from './checkout.ts'

export interface Program extends AsyncDisposable {
  /** What it has printed on standard output so far. */
  output(): string
  /** Resolves when what it printed passes; rejects when it ends before. */
  until(passes: (output: string) => boolean): Promise<void>
  /** @returns its exit code, and everything that it printed */
  readonly ended: Promise<{ readonly code: number | null; readonly output: string; readonly errors: string }>
  interrupt(): void
}

/** The `node` and the commands that a block means are this process's own and the repository's. */
const PATH = [dirname(process.execPath), join(REPOSITORY, 'node_modules', '.bin'), process.env.PATH].join(delimiter)

export function runProgram(command: string, commandArguments: readonly string[], directory: string): Program {
  const child = spawn(command, commandArguments, {
    cwd: directory,
    // npx must find the program here, and never ask a registry for one of that name.
    env: { ...process.env, PATH, npm_config_offline: 'true', npm_config_loglevel: 'error', INIT_CWD: undefined },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true
  })
  let output = ''
  let errors = ''
  let isOver = false
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const check of [...waiting]) check()
  }
  child.stdout.on('data', (text: Buffer) => {
    output += text
    wake()
  })
  child.stderr.on('data', (text: Buffer) => {
    errors += text
  })
  const ended = new Promise<{ code: number | null; output: string; errors: string }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => {
      isOver = true
      resolve({ code, output, errors })
      wake()
    })
  })

  function signalGroup(signal: NodeJS.Signals): void {
    if (!isOver && child.pid !== undefined) process.kill(-child.pid, signal)
  }

  return {
    output: () => output,
    ended,
    interrupt: () => signalGroup('SIGINT'),
    until(passes) {
      return new Promise((resolve, reject) => {
        const check = () => {
          if (passes(output)) resolve()
          else if (isOver) reject(new Error(`it ended before: ${output}${errors}`))
          else return
          waiting.delete(check)
        }
        waiting.add(check)
        check()
      })
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      signalGroup('SIGTERM')
      await ended
    }
  }
}
