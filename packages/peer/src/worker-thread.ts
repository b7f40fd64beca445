/** Threads of this package's own files, run from the source and from the build alike. */
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * Starts a file of this package as a thread. It does not keep the process alive.
 *
 * @param name - the file's name beside the caller, without its ending
 * @param caller - the caller's `import.meta.url`
 */
export function startThread(
  name: string,
  caller: string,
  options: Pick<WorkerOptions, 'workerData' | 'transferList'> = {}
): Worker {
  const isSource = caller.endsWith('.ts')
  const file = new URL(`./${name}.${isSource ? 'ts' : 'js'}`, caller)
  const worker = new Worker(file, { ...options, ...(isSource && { execArgv: ['--conditions=source'] }) })
  worker.unref()
  return worker
}
