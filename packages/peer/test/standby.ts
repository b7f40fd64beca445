/** A child process of kill-after-lines.ts: loads the file in argv[2], waits for its parameters, and calls its `run`. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

// Whoever started it is gone, also when it was killed.
process.stdin.on('end', () => process.exit())
const { run } = (await import(pathToFileURL(process.argv[2]!).href)) as {
  run(parameters: readonly string[]): Promise<void>
}
// For whoever wants to do something to it first.
process.send?.('loaded')
const [line] = (await once(createInterface({ input: process.stdin }), 'line')) as [string]
// A child that has done its work ends; one that works ends with whoever started it.
;(process.stdin as unknown as { unref(): void }).unref()
await run(JSON.parse(line) as string[])
