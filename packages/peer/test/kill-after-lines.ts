import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/**
 * Runs a TypeScript file as a process of its own and kills it with SIGKILL in the middle of its work.
 *
 * @param lineCount - the kill comes with this line
 * @param beforeKill - does worse to it just before, from which it may end by itself
 * @returns every line that the child managed to print
 */
export async function killAfterLines(
  file: URL,
  parameters: readonly string[],
  lineCount: number,
  beforeKill?: () => void
): Promise<string[]> {
  const child = spawn(process.execPath, ['--conditions=source', file.pathname, ...parameters], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const exited = once(child, 'exit')
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length !== lineCount) continue
    beforeKill?.()
    child.kill('SIGKILL')
  }
  await exited
  if (child.signalCode !== 'SIGKILL' && beforeKill === undefined)
    throw new Error(`the child ended by itself:\n${errors}`)
  return lines
}

/** Kills per crash test: a few in a normal run, many with HOLDFAST_LONG=1. */
export const KILL_COUNT = process.env.HOLDFAST_LONG === '1' ? 200 : 5
