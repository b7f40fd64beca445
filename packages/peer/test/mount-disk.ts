/** Disks for tests, that only root can have: one that is small, and one whose power can be cut. */
import { execFileSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryDirectory } from './temporary-directory.ts'

export interface TestDisk extends AsyncDisposable {
  readonly path: string
}

export interface CutDisk extends TestDisk {
  /** Ends all writing at once: what no sync has covered, and what the journal does not hold, is lost. */
  cutPower(): void
  /** Mounts what is left. */
  restorePower(): void
}

const run = (command: string, ...parameters: string[]) => execFileSync(command, parameters, { stdio: 'pipe' })

/** `EXT4_IOC_SHUTDOWN` with the flag that not even the log is flushed; no tool of the system does that. */
const SHUTDOWN = `import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))`

/** @returns a disk in memory, or why this machine gives nobody one */
export async function mountSmallDisk(sizeMib: number): Promise<TestDisk | string> {
  return mountDisk(path => run('mount', '-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', path))
}

/** @returns an ext4 file system in a file, or why this machine gives nobody one */
export async function mountCutDisk(sizeMib: number): Promise<CutDisk | string> {
  const directory = await temporaryDirectory()
  const image = join(directory.path, 'image')
  const mount = (path: string) => run('mount', '-o', 'loop', image, path)
  const disk = await mountDisk(path => {
    run('python3', '--version')
    run('truncate', '-s', `${sizeMib}M`, image)
    run('mkfs.ext4', '-q', '-F', image)
    mount(path)
  })
  if (typeof disk === 'string') {
    await directory[Symbol.asyncDispose]()
    return disk
  }
  const { path } = disk
  return {
    path,
    cutPower: () => void run('python3', '-c', SHUTDOWN, path),
    restorePower() {
      run('umount', path)
      mount(path)
    },
    async [Symbol.asyncDispose]() {
      await disk[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    }
  }
}

async function mountDisk(mount: (path: string) => void): Promise<TestDisk | string> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root can mount a disk'
  const directory = await temporaryDirectory()
  const path = join(directory.path, 'disk')
  await mkdir(path)
  try {
    mount(path)
  } catch (error) {
    await directory[Symbol.asyncDispose]()
    return `this machine mounts nothing: ${error}`
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      run('umount', '-l', path)
      await directory[Symbol.asyncDispose]()
    }
  }
}
