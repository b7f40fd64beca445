/** The other end of measured-process.ts: runs one task, named by the first argument, and answers calls. */
import type { Call, CallResult } from './measured-process.ts'
import { tasks } from './tasks.ts'

const name = process.argv[2] ?? ''
const load = tasks[name]
if (load === undefined) throw new Error(`no task ${name}`)
const starting = load()

function answer(result: CallResult): void {
  process.send?.(result)
}

process.on('message', ({ id, method, argument }: Call) => {
  starting
    .then(methods => (method === 'ready' ? undefined : methods[method]!(argument as never)))
    .then(result => answer({ id, result }))
    .catch((error: Error) => answer({ id, error: error.stack ?? String(error) }))
})
process.on('disconnect', () => process.exit())
