/**
 * Every route of a peer that plays every role, as its own OpenAPI description lists them, asked as web pages and other
 * users of the machine would ask: none is served.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataDirectoryPaths } from '../../src/data-directory.ts'
import { readApiFile } from '../../src/http/api-file.ts'
import { startPeer } from '../../src/peer.ts'
import { setUpNetwork } from '../../src/set-up.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

interface Route {
  readonly method: string
  readonly path: string
}

const life = new AsyncDisposableStack()
let port: number
let token: string
const routes: Route[] = []

beforeAll(async () => {
  const { path } = life.use(await temporaryDirectory())
  const directory = join(path, 'peer')
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const genesisMs = Date.now() + 600_000
  await setUpNetwork({
    directory,
    name: 'api',
    roundMs: 600_000,
    beacon: 'host',
    accounts: [],
    supply: 10n ** 24n,
    genesisMs,
    listen
  })
  const { configFile, apiFile, apiTokenFile } = dataDirectoryPaths(directory)
  await writeFile(
    configFile,
    'roles = ["ledger-host", "provider", "verifier"]\nlisten = ["/ip4/127.0.0.1/tcp/0"]\n[provider]\nallocateBytes = "64MiB"\n'
  )
  life.use(
    await startPeer({
      directory,
      onFailure(error) {
        throw error
      }
    })
  )
  const address = await readApiFile(apiFile)
  if (!('port' in address)) throw new TypeError('expected a port')
  port = address.port
  token = (await readFile(apiTokenFile, 'utf8')).trim()
  const { text } = await ask({ method: 'GET', path: '/openapi.json' }, good())
  const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, unknown>> }
  for (const [described, operations] of Object.entries(paths)) {
    const path = described.replace(/\{\w+\}/g, '1')
    for (const method of Object.keys(operations)) routes.push({ method: method.toUpperCase(), path })
  }
  routes.push({ method: 'GET', path: '/metrics' }, { method: 'GET', path: '/openapi.json' })
  routes.push({ method: 'POST', path: '/no/such/route' }, { method: 'OPTIONS', path: '/v1/status' })
}, 60_000)
afterAll(() => life.disposeAsync())

const good = (): Record<string, string> => ({ Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' })

function ask({ method, path }: Route, headers: Record<string, string>, body?: string) {
  return new Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers }, answer => {
      let text = ''
      answer.on('data', (chunk: Buffer) => {
        text += chunk
      })
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers }))
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

const ATTACKS: Readonly<Record<string, { headers: () => Record<string, string>; status: number }>> = {
  'without a token': { headers: () => ({ 'Content-Type': 'application/json' }), status: 401 },
  'with a wrong token': { headers: () => ({ ...good(), Authorization: `Bearer ${'0'.repeat(64)}` }), status: 401 },
  'with the token as a password': {
    headers: () => ({ ...good(), Authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` }),
    status: 401
  },
  'as a form': { headers: () => ({ 'Content-Type': 'application/x-www-form-urlencoded' }), status: 401 },
  'under a name that was rebound': { headers: () => ({ ...good(), Host: `evil.example:${port}` }), status: 403 },
  'from another page': { headers: () => ({ ...good(), Origin: 'http://evil.example' }), status: 403 },
  'from a sandboxed page': { headers: () => ({ ...good(), Origin: 'null' }), status: 403 },
  'from another site, as the browser says': {
    headers: () => ({ ...good(), 'Sec-Fetch-Site': 'cross-site' }),
    status: 403
  }
}

describe('no route is served', () => {
  it.each(Object.entries(ATTACKS))('%s', async (_, { headers, status }) => {
    expect(routes.length).toBeGreaterThan(15)
    for (const route of routes) {
      const isBodyless = route.method !== 'POST' && route.method !== 'PUT'
      const answer = await ask(route, headers(), isBodyless ? undefined : '{}')
      expect(answer.status, `${route.method} ${route.path}`).toBe(status)
      expect(Object.keys(answer.headers).filter(name => name.startsWith('access-control'))).toEqual([])
    }
  })

  it('that changes anything with a body that a form could send', async () => {
    const changing = routes.filter(({ method }) => method !== 'GET' && method !== 'DELETE' && method !== 'OPTIONS')
    expect(changing.length).toBeGreaterThan(1)
    for (const route of changing)
      expect((await ask(route, { ...good(), 'Content-Type': 'text/plain' }, '{}')).status, route.path).toBe(415)
  })

  it('but to whoever holds the token and asks by name', async () => {
    for (const route of routes.filter(({ method, path }) => method === 'GET' && !/\/1(\/|$)/.test(path))) {
      const { status } = await ask(route, good())
      expect([200, 400, 404], `${route.path} ${status}`).toContain(status)
    }
  })
})
