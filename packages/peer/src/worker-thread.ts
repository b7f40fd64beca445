/** Threads of this package's own files, run from the source and from the build alike. */
import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * Their work leaves little behind on the heap; V8's own measure would take 13 MiB more for each, most of it for what dies
 * while its modules are loaded.
 */
const YOUNG_GENERATION_SIZE_MIB = 4

/**
 * Starts a file of this package as a thread. It does not keep the process alive.
 *
 * @param name - the file's name beside the caller, without its ending
 * @param caller - the caller's `import.meta.url`
 */
export function startThread(
  name: string,
  caller: string,
  options: Pick<WorkerOptions, 'workerData' | 'transferList' | 'resourceLimits'> = {}
): Worker {
  const isSource = caller.endsWith('.ts')
  const file = new URL(`./${name}.${isSource ? 'ts' : 'js'}`, caller)
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_GENERATION_SIZE_MIB }
  const worker = new Worker(file, {
    resourceLimits,
    ...options,
    ...(isSource && { execArgv: ['--conditions=source'] })
  })
  worker.unref()
  return worker
}
