/** What the command line asks a running daemon: the routes of the local API, over loopback or a Unix socket. */
import { request } from 'node:http'
import type { z } from 'zod'
import { type DataDirectoryPaths, dataDirectoryPaths } from '../data-directory.ts'
import { PeerError, systemCodeOf } from '../error.ts'
import { loadOrCreateToken, readApiFile } from './api-file.ts'
import { failureSchema } from './open-api.ts'
import { parametersOf, type Route } from './route.ts'

/** An answer is a page of facts; what is longer than this is none of ours. */
const ANSWER_SIZE_BYTES_MAX = 64 * 1024 * 1024

/** The parts of a route that its asker needs. */
export type RouteShape<Input extends z.ZodType, Answer extends z.ZodType> = Pick<
  Route<Input, Answer>,
  'method' | 'path' | 'input' | 'answer'
>

export interface ApiClient {
  /** @throws {PeerError} what the daemon refused with, `DAEMON_MISSING` when it does not run */
  call<Input extends z.ZodType, Answer extends z.ZodType>(
    route: RouteShape<Input, Answer>,
    input: z.input<Input>,
    options?: { readonly signal?: AbortSignal }
  ): Promise<z.output<Answer>>
}

/** @throws {PeerError} `DAEMON_MISSING`, `TOKEN_EXPOSED` */
export async function connectToDaemon(directory: string): Promise<ApiClient> {
  const paths: DataDirectoryPaths = dataDirectoryPaths(directory)
  const address = await readApiFile(paths.apiFile)
  const token = await loadOrCreateToken(paths.apiTokenFile)
  return {
    async call(route, input, { signal } = {}) {
      const { path, body } = place(route, input as Record<string, unknown>)
      const { status, text } = await ask({ ...address, method: route.method, path, body, token, signal }, directory)
      const value: unknown = parseJson(text)
      if (status === 200) return route.answer.parse(value)
      const failure = failureSchema.safeParse(value)
      if (!failure.success) throw new PeerError('API_FAILED', `The daemon answered ${status}: ${text.slice(0, 200)}`)
      throw new PeerError(failure.data.code, failure.data.message, failure.data.details ?? {})
    }
  }
}

function place({ method, path }: Pick<Route, 'method' | 'path'>, input: Record<string, unknown>) {
  const inPath = parametersOf(path)
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(input[name])))
  const rest = Object.entries(input).filter(([name, value]) => !inPath.includes(name) && value !== undefined)
  if (method !== 'GET' && method !== 'DELETE') return { path: filled, body: JSON.stringify(Object.fromEntries(rest)) }
  const query = new URLSearchParams(rest.map(([name, value]) => [name, String(value)])).toString()
  return { path: query === '' ? filled : `${filled}?${query}`, body: undefined }
}

interface Asked {
  readonly host?: string
  readonly port?: number
  readonly socketPath?: string
  readonly method: string
  readonly path: string
  readonly body: string | undefined
  readonly token: string
  readonly signal: AbortSignal | undefined
}

function ask({ body, token, signal, ...where }: Asked, directory: string): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const outgoing = request(
    {
      ...where,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(where.socketPath !== undefined && { Host: 'localhost' }),
        ...(body !== undefined && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
      },
      ...(signal !== undefined && { signal })
    },
    answer => {
      const chunks: Buffer[] = []
      let sizeBytes = 0
      answer.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length
        if (sizeBytes > ANSWER_SIZE_BYTES_MAX) answer.destroy(new PeerError('API_FAILED', 'The answer is too long.'))
        else chunks.push(chunk)
      })
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
      answer.once('error', reject)
    }
  )
  outgoing.once('error', cause => {
    const isGone = ['ECONNREFUSED', 'ENOENT', 'ECONNRESET'].includes(systemCodeOf(cause) ?? '')
    reject(
      isGone
        ? new PeerError(
            'DAEMON_MISSING',
            `No daemon answers for ${directory}: start it with \`holdfast start --directory ${directory}\`.`,
            { directory },
            { cause }
          )
        : cause
    )
  })
  outgoing.end(body)
  return promise
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
