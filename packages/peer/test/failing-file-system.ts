import { type FileSystem, machineFileSystem } from '../src/storage/file-system.ts'

/** What is about to be asked of the disk; `operation` is the name of the call, on the file system or on a handle. */
export interface DiskCall {
  readonly operation: string
  readonly path: string
}

/** The machine's disk, where `fail` decides before each call whether it fails, and with what. */
export function failingFileSystem(fail: (call: DiskCall) => Error | undefined): FileSystem {
  const intercept = <Target extends object>(target: Target, pathOf: (parameters: unknown[]) => string): Target =>
    new Proxy(target, {
      get(_, operation) {
        const value: unknown = Reflect.get(target, operation, target)
        if (typeof value !== 'function') return value
        return async (...parameters: unknown[]) => {
          const path = pathOf(parameters)
          const error = fail({ operation: String(operation), path })
          // A close that fails has closed all the same: that is how the kernel does it.
          if (error !== undefined && operation !== 'close') throw error
          const result: unknown = await value.apply(target, parameters)
          if (error !== undefined) throw error
          return operation === 'open' ? intercept(result as object, () => path) : result
        }
      }
    })
  return intercept({ ...machineFileSystem } as FileSystem, ([path]) => String(path))
}

/** An error as Node's file system throws it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}
