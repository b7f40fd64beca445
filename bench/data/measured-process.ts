/** A child process whose CPU time and peak memory are one contender's alone. */
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** Since the process started. */
export interface Usage {
  /** All threads, user and system. */
  readonly cpuSeconds: number
  /** The highest that it was. */
  readonly rssMiB: number
}

/** A module of tasks.ts: starts what it needs and returns what can be asked of it. */
export type Task = () => Promise<Record<string, (argument: never) => Promise<unknown>>>

export interface MeasuredProcess extends AsyncDisposable {
  /** Runs one of the task's methods there. Arguments and results are what JSON can say. */
  call<T>(method: string, argument?: unknown): Promise<T>
  usage(): Promise<Usage>
}

export interface Call {
  readonly id: number
  readonly method: string
  readonly argument: unknown
}

export interface CallResult {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

/** A contender that has not answered by then never will; the slowest row takes a tenth of it. */
const CALL_MS_MAX = 10 * 60_000

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url))

/**
 * Starts a task in a process of its own; disposing of it ends the process.
 *
 * @param flags - of Node
 */
export async function startProcess(task: string, flags: readonly string[] = []): Promise<MeasuredProcess> {
  const child = fork(CHILD, [task], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [...flags] })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  let lastId = 0
  child.on('message', ({ id, result, error }: CallResult) => {
    const call = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) call?.resolve(result)
    else call?.reject(new Error(`${task}: ${error}`))
  })
  child.once('exit', code => {
    for (const { reject } of waiting.values()) reject(new Error(`${task} ended with ${code}`))
  })
  const call = <T>(method: string, argument: unknown = {}): Promise<T> => {
    lastId += 1
    const answer = Promise.withResolvers<unknown>()
    waiting.set(lastId, answer)
    if (!child.connected) answer.reject(new Error(`${task} has ended`))
    else child.send({ id: lastId, method, argument } satisfies Call)
    const stuck = setTimeout(() => answer.reject(new Error(`${task} did not answer ${method}`)), CALL_MS_MAX)
    return answer.promise.finally(() => clearTimeout(stuck)) as Promise<T>
  }
  await call('ready')
  return {
    call,
    usage: () => usageOf(child.pid ?? 0),
    async [Symbol.asyncDispose]() {
      // The child ends when its channel does.
      if (child.connected) child.disconnect()
      await exited
    }
  }
}

const HOLDFAST = fileURLToPath(new URL('../../packages/peer/bin/holdfast.js', import.meta.url))

/** Runs `holdfast` to its end. @returns what it had used when it was last looked at, some milliseconds before */
export async function measureCommand(commandArguments: readonly string[]): Promise<Usage> {
  const child = spawn(process.execPath, [HOLDFAST, ...commandArguments], { stdio: ['ignore', 'ignore', 'inherit'] })
  let usage: Usage = { cpuSeconds: 0, rssMiB: 0 }
  const looking = setInterval(async () => {
    const now = await usageOf(child.pid ?? 0)
    if (now.rssMiB > 0) usage = now
  }, 20)
  const [code] = await once(child, 'exit')
  clearInterval(looking)
  if (code !== 0) throw new Error(`holdfast ${commandArguments.join(' ')} ended with ${code}`)
  return usage
}

/** Clock ticks a second in /proc, the same on every Linux. */
const TICKS_PER_SECOND = 100

/** @returns what the kernel says of a process; zeros where there is no /proc */
export async function usageOf(pid: number): Promise<Usage> {
  const [stat, status] = await Promise.all(
    ['stat', 'status'].map(name => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => ''))
  )
  // The name, in parentheses, may hold spaces; user and system time are the 12th and 13th field after it.
  const fields = stat!.slice(stat!.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  const peakKib = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status!)?.[1] ?? 0)
  return { cpuSeconds: ticks / TICKS_PER_SECOND, rssMiB: peakKib / 1024 }
}
