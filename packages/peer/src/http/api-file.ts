/**
 * How programs on this machine find the daemon of a data directory: `api.json` says where it listens while it runs,
 * `api-token` holds what opens it. Both are 0600: whoever reads the token spends this peer's credits.
 */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { PeerError, systemCodeOf } from '../error.ts'
import { type FileSystem, machineFileSystem, replaceFile } from '../storage/file-system.ts'

const TOKEN_SIZE_BYTES = 32
const OTHERS_MODE_BITS = 0o077

const apiFileSchema = z.strictObject({
  version: z.literal(1),
  pid: z.int().min(1),
  address: z.union([
    z.strictObject({ host: z.string(), port: z.int().min(1).max(65_535) }),
    z.strictObject({ socketPath: z.string() })
  ])
})

/** Where a daemon listens: a port of loopback, or a Unix socket. */
export type ApiAddress = z.output<typeof apiFileSchema>['address']

/** Written when the daemon listens; one that a killed daemon left behind leads nowhere. */
export async function writeApiFile(path: string, address: ApiAddress, files = machineFileSystem): Promise<void> {
  await replaceFile(files, path, Buffer.from(`${JSON.stringify({ version: 1, pid: process.pid, address })}\n`))
}

/** @throws {PeerError} `DAEMON_MISSING` when no daemon has written one */
export async function readApiFile(path: string, files: FileSystem = machineFileSystem): Promise<ApiAddress> {
  const parsed = apiFileSchema.safeParse(parseJson(await readText(path, files)))
  if (parsed.success) return parsed.data.address
  throw new PeerError(
    'DAEMON_MISSING',
    `No daemon of this version runs on the directory of ${path}: start it with \`holdfast start\`.`,
    { path }
  )
}

/**
 * The token of a data directory, made where there is none. It stays, so that a metrics scraper can be told once.
 *
 * @throws {PeerError} `TOKEN_EXPOSED` when others can read it, `TOKEN_INVALID`
 */
export async function loadOrCreateToken(path: string, files: FileSystem = machineFileSystem): Promise<string> {
  const text = await readText(path, files)
  if (text === '') {
    const token = randomBytes(TOKEN_SIZE_BYTES).toString('hex')
    await replaceFile(files, path, Buffer.from(`${token}\n`))
    return token
  }
  await expectPrivate(path, files)
  const token = new RegExp(`^([0-9a-f]{${TOKEN_SIZE_BYTES * 2}})\\n?$`).exec(text)?.[1]
  if (token !== undefined) return token
  throw new PeerError('TOKEN_INVALID', `${path} holds no token: delete it, the daemon makes another when it starts.`, {
    path
  })
}

async function expectPrivate(path: string, files: FileSystem): Promise<void> {
  const { mode } = await files.stat(path)
  if (process.platform === 'win32' || (mode & OTHERS_MODE_BITS) === 0) return
  throw new PeerError(
    'TOKEN_EXPOSED',
    `${path} can be read by other users of this machine: delete it, the daemon makes another when it starts.`,
    { path, mode: (mode & 0o777).toString(8) }
  )
}

async function readText(path: string, files: FileSystem): Promise<string> {
  try {
    const handle = await files.open(path, 'r')
    return await handle.readFile('utf8').finally(() => handle.close())
  } catch (cause) {
    if (systemCodeOf(cause) === 'ENOENT') return ''
    throw cause
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
