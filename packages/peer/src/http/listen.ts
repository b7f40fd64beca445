/** Listens for the local API: on loopback or on a Unix socket, and nowhere else. */
import { lstat, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'
import { PeerError, systemCodeOf } from '../error.ts'
import type { ApiAddress } from './api-file.ts'
import { parseListen } from './listen-address.ts'

/** A request comes whole within this, or its socket is closed: a silent one holds no place for long. */
const REQUEST_TIMEOUT_MS = 10_000
const CONNECTIONS_MAX = 64

export interface Listening extends AsyncDisposable {
  readonly address: ApiAddress
}

/**
 * Resolves when requests are taken.
 *
 * @param listen - `127.0.0.1:PORT`, `[::1]:PORT` (port 0 takes a free one), or `unix:/path`
 * @throws {PeerError} `API_ADDRESS_INVALID`, `API_PORT_IN_USE`
 */
export async function listenForApi(app: Hono, listen: string): Promise<Listening> {
  const wanted = parseListen(listen)
  if (wanted === undefined) {
    throw new PeerError(
      'API_ADDRESS_INVALID',
      `The API listens on 127.0.0.1:PORT, [::1]:PORT or unix:/path, not on "${listen}".`,
      { listen }
    )
  }
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server
  server.requestTimeout = REQUEST_TIMEOUT_MS
  server.headersTimeout = REQUEST_TIMEOUT_MS
  server.maxConnections = CONNECTIONS_MAX
  if ('path' in wanted) await clearSocket(wanted.path)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(wanted, resolve)
  }).catch((cause: unknown) => {
    throw new PeerError(
      'API_PORT_IN_USE',
      `The API cannot listen on ${listen} (${systemCodeOf(cause)}): give it another address in the config, [api] listen; port 0 takes a free one.`,
      { listen },
      { cause }
    )
  })
  const address: ApiAddress =
    'path' in wanted ? { socketPath: wanted.path } : { host: wanted.host, port: (server.address() as AddressInfo).port }
  return {
    address,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    }
  }
}

/**
 * Removes a socket that a killed daemon left behind: nothing else may stand there, and nobody may answer on it.
 *
 * @throws {PeerError} `API_ADDRESS_INVALID` for another file, `API_PORT_IN_USE`
 */
async function clearSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined)
  if (stats === undefined) return
  if (!stats.isSocket()) {
    throw new PeerError(
      'API_ADDRESS_INVALID',
      `The API cannot listen on ${path}: there is a file that is no socket. Give it another path in the config, [api] listen.`,
      { path }
    )
  }
  const probe = connect(path)
  const isAnswered = await new Promise<boolean>(resolve => {
    probe.once('connect', () => resolve(true))
    probe.once('error', () => resolve(false))
  })
  probe.destroy()
  if (!isAnswered) return await rm(path, { force: true })
  throw new PeerError(
    'API_PORT_IN_USE',
    `Another program listens on ${path}: give the API another path in the config, [api] listen.`,
    { path }
  )
}
