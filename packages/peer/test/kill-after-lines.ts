import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

const STANDBY = new URL('standby.ts', import.meta.url).pathname

/** Speaks on `stdout`; whoever starts it kills it. */
export type StandingChild = ChildProcessByStdio<Writable, Readable, Readable>

/** The next child of a file, which has loaded and waits: loading takes longer than what most children are killed in. */
const standing = new Map<string, StandingChild>()

/** Says `loaded` as its one message. A standby ends by itself when nobody is left who could ask it. */
function standBy(file: URL): StandingChild {
  const child = spawn(process.execPath, ['--conditions=source', STANDBY, file.pathname], {
    stdio: ['pipe', 'pipe', 'pipe', 'ipc']
  }) as StandingChild
  child.unref()
  child.channel?.unref()
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as unknown as { unref(): void }).unref()
  return child
}

/** Runs the `run` of a TypeScript file in a process of its own, which has loaded it already but for the first time. */
export function startStanding(file: URL, parameters: readonly string[]): StandingChild {
  const child = standing.get(file.pathname) ?? standBy(file)
  child.ref()
  for (const stream of [child.stdout, child.stderr]) (stream as unknown as { ref(): void }).ref()
  child.stdin.write(`${JSON.stringify(parameters)}\n`)
  standing.set(file.pathname, standBy(file))
  return child
}

/**
 * Runs the `run` of a TypeScript file in a process of its own and kills it with SIGKILL in the middle of its work.
 *
 * @param lineCount - the kill comes with this line
 * @param beforeKill - is done with the process just before
 * @returns every line that the child managed to print
 */
export async function killAfterLines(
  file: URL,
  parameters: readonly string[],
  lineCount: number,
  beforeKill?: (pid: number) => void
): Promise<string[]> {
  const child = startStanding(file, parameters)
  const exited = once(child, 'exit')
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length !== lineCount) continue
    beforeKill?.(child.pid!)
    child.kill('SIGKILL')
  }
  await exited
  if (child.signalCode !== 'SIGKILL') throw new Error(`the child ended by itself:\n${errors}`)
  return lines
}

/**
 * Runs the `run` of a TypeScript file under strace, which kills it with SIGKILL at a system call.
 *
 * @param nth - of these calls of one thread; the first is the first after everything is loaded
 * @param lineCount - the kill comes with this line where the call never comes so often
 * @returns every line that the child managed to print
 */
export async function killAtCall(
  file: URL,
  parameters: readonly string[],
  { call, nth, lineCount }: { readonly call: string; readonly nth: number; readonly lineCount: number }
): Promise<string[]> {
  const child = standBy(file)
  const exited = once(child, 'exit')
  await once(child, 'message')
  const injected = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${nth}`]
  const tracer = spawn('strace', ['-f', '-o', '/dev/null', ...injected, '-p', String(child.pid)], {
    stdio: ['ignore', 'ignore', 'pipe']
  })
  const released = once(tracer, 'exit')
  // It says that it is attached.
  await once(tracer.stderr, 'data')
  child.stdin.write(`${JSON.stringify(parameters)}\n`)
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length === lineCount) child.kill('SIGKILL')
  }
  await Promise.all([exited, released])
  return lines
}

export const IS_LONG = process.env.HOLDFAST_LONG === '1'
/** Kills per crash test: a few in a normal run, many with HOLDFAST_LONG=1. */
export const KILL_COUNT = IS_LONG ? 200 : 5
