/** Disks for tests, that only root can have: one that is small, and one whose power can be cut. */
import { execFileSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryDirectory } from './temporary-directory.ts'

export interface TestDisk extends AsyncDisposable {
  readonly path: string
}

export interface CutDisk extends TestDisk {
  /**
   * Stops a process and keeps what is on the platter at that moment: what no sync has covered, and what the journal does
   * not hold, is lost. Whoever calls kills the process then.
   */
  cutPower(pid: number): void
  /** Mounts what was kept; nobody may have a file of the disk open any more. */
  restorePower(): void
}

const run = (command: string, ...parameters: string[]) => execFileSync(command, parameters, { stdio: 'pipe' })

/** @returns a disk in memory, or why this machine gives nobody one */
export async function mountSmallDisk(sizeMib: number): Promise<TestDisk | string> {
  return mountDisk(path => run('mount', '-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', path))
}

/**
 * Its power is cut by a copy of the image. `EXT4_IOC_SHUTDOWN` would be shorter, but is no power cut: the process runs on
 * over a disk that fails, and of plain writes followed by `fdatasync` 2 of 60 were lost.
 *
 * @returns an ext4 file system in a file, or why this machine gives nobody one
 */
export async function mountCutDisk(sizeMib: number): Promise<CutDisk | string> {
  const directory = await temporaryDirectory()
  const [image, kept] = [join(directory.path, 'image'), join(directory.path, 'kept')]
  const mount = (path: string) => run('mount', '-o', 'loop', image, path)
  const disk = await mountDisk(path => {
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
    cutPower(pid) {
      process.kill(pid, 'SIGSTOP')
      run('cp', '--sparse=always', image, kept)
    },
    restorePower() {
      run('umount', path)
      run('mv', kept, image)
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
