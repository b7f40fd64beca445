import { spawnSync } from 'node:child_process'
import { lstat, readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { dataDirectoryPaths } from '../../src/data-directory.ts'
import { PeerError } from '../../src/error.ts'
import { createApi } from '../../src/http/api.ts'
import { connectToDaemon } from '../../src/http/api-client.ts'
import { loadOrCreateToken, writeApiFile } from '../../src/http/api-file.ts'
import { listenForApi } from '../../src/http/listen.ts'
import { parseListen } from '../../src/http/listen-address.ts'
import { defineRoute, type Route } from '../../src/http/route.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const getDeal = defineRoute({
  method: 'GET',
  path: '/v1/deals/{id}',
  summary: 'One deal.',
  input: z.object({ id: z.coerce.number().int(), rounds: z.coerce.number().int().optional() }),
  answer: z.object({ id: z.number(), escrow: z.string(), rounds: z.number().optional() }),
  handle({ id, rounds }) {
    if (id === 404) throw new PeerError('NO_DEAL', 'there is no deal 404', { id })
    if (id === 500) throw new Error('secret of the inside')
    return { id, escrow: '12', ...(rounds !== undefined && { rounds }) }
  }
})
const send = defineRoute({
  method: 'POST',
  path: '/v1/credits',
  summary: 'Send credits.',
  input: z.strictObject({ to: z.string(), amount: z.string() }),
  answer: z.object({ sequence: z.number() }),
  handle: ({ to }) => {
    if (to === 'nobody') throw new PeerError('BALANCE_TOO_SMALL', 'not enough')
    return { sequence: 7 }
  }
})
const forget = defineRoute({
  method: 'DELETE',
  path: '/v1/deals/{id}',
  summary: 'Forget a deal.',
  input: z.object({ id: z.coerce.number().int() }),
  answer: z.object({ forgotten: z.number() }),
  handle: ({ id }) => ({ forgotten: id })
})
const routes = [getDeal, send, forget] as unknown as Route[]

async function openDaemon(listen = '127.0.0.1:0') {
  const directory = await temporaryDirectory()
  onTestFinished(() => directory[Symbol.asyncDispose]())
  const paths = dataDirectoryPaths(directory.path)
  const errors: unknown[] = []
  const app = createApi({
    routes,
    token: await loadOrCreateToken(paths.apiTokenFile),
    version: '0.1.0',
    metrics: async () => ({ text: 'up 1\n', contentType: 'text/plain; version=0.0.4' }),
    onError: error => errors.push(error)
  })
  const server = await listenForApi(app, listen === 'unix' ? `unix:${join(directory.path, 'api.sock')}` : listen)
  onTestFinished(() => server[Symbol.asyncDispose]())
  await writeApiFile(paths.apiFile, server.address)
  return { directory: directory.path, server, errors, token: await loadOrCreateToken(paths.apiTokenFile) }
}

describe.each(['127.0.0.1:0', 'unix'])('the local API on %s', listen => {
  it('answers what the command line asks', async () => {
    const { directory } = await openDaemon(listen)
    const daemon = await connectToDaemon(directory)
    expect(await daemon.call(getDeal, { id: 3, rounds: 9 })).toEqual({ id: 3, escrow: '12', rounds: 9 })
    expect(await daemon.call(send, { to: '0x1', amount: '5' })).toEqual({ sequence: 7 })
    expect(await daemon.call(forget, { id: 4 })).toEqual({ forgotten: 4 })
  })

  it('hands on refusals with their code, and keeps what is inside to itself', async () => {
    const { directory, errors } = await openDaemon(listen)
    const daemon = await connectToDaemon(directory)
    await expect(daemon.call(getDeal, { id: 404 })).rejects.toMatchObject({ code: 'NO_DEAL', details: { id: 404 } })
    await expect(daemon.call(send, { to: 'nobody', amount: '1' })).rejects.toMatchObject({ code: 'BALANCE_TOO_SMALL' })
    const failure = await daemon.call(getDeal, { id: 500 }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'INTERNAL' })
    expect(String(failure)).not.toContain('secret')
    expect(errors).toHaveLength(1)
  })

  it('says what is wrong with a request', async () => {
    const { directory } = await openDaemon(listen)
    const daemon = await connectToDaemon(directory)
    await expect(daemon.call(getDeal, { id: 'x' })).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  })
})

describe('the local API', () => {
  function ask(port: number, path: string, headers: Record<string, string>, method = 'GET', body?: string) {
    return new Promise<{ status: number; text: string }>((resolve, reject) => {
      const outgoing = request({ host: '127.0.0.1', port, path, method, headers }, answer => {
        let text = ''
        answer.on('data', (chunk: Buffer) => {
          text += chunk
        })
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      })
      outgoing.once('error', reject)
      outgoing.end(body)
    })
  }

  it('serves no request of a web page: form, rebound name, foreign origin, no token', async () => {
    const { server, token } = await openDaemon()
    const { port } = server.address as { port: number }
    const good = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    const body = JSON.stringify({ to: '0x1', amount: '5' })
    const attacks: [Record<string, string>, number][] = [
      [{ 'Content-Type': 'application/x-www-form-urlencoded' }, 401],
      [{ ...good, 'Content-Type': 'text/plain' }, 415],
      [{ ...good, Host: `rebound.example:${port}` }, 403],
      [{ ...good, Origin: 'http://evil.example' }, 403],
      [{ ...good, 'Sec-Fetch-Site': 'cross-site' }, 403],
      [{ ...good, Authorization: 'Bearer 00' }, 401]
    ]
    for (const [headers, status] of attacks)
      expect((await ask(port, '/v1/credits', headers, 'POST', body)).status).toBe(status)
    expect((await ask(port, '/v1/credits', good, 'POST', body)).status).toBe(200)
    expect((await ask(port, '/metrics', {})).status).toBe(401)
    expect((await ask(port, '/openapi.json', {})).status).toBe(401)
  })

  it('takes no body of a megabyte', async () => {
    const { server, token } = await openDaemon()
    const { port } = server.address as { port: number }
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    expect((await ask(port, '/v1/credits', headers, 'POST', `"${'x'.repeat(2 ** 20)}"`)).status).toBe(413)
    const endless = { ...headers, 'Transfer-Encoding': 'chunked' }
    expect((await ask(port, '/v1/credits', endless, 'POST', '{}')).status).toBe(413)
  })

  it('describes every route as OpenAPI', async () => {
    const { server, token } = await openDaemon()
    const { port } = server.address as { port: number }
    const document = JSON.parse((await ask(port, '/openapi.json', { Authorization: `Bearer ${token}` })).text)
    expect(document).toMatchObject({
      openapi: '3.1.0',
      paths: {
        '/v1/deals/{id}': {
          get: {
            summary: 'One deal.',
            parameters: [
              { name: 'id', in: 'path', required: true },
              { name: 'rounds', in: 'query', required: false }
            ]
          }
        },
        '/v1/credits': {
          post: { requestBody: { content: { 'application/json': { schema: { required: ['to', 'amount'] } } } } }
        }
      }
    })
  })

  it('says what to do when no daemon runs, also when a killed one left its file', async () => {
    const { directory, server } = await openDaemon()
    await server[Symbol.asyncDispose]()
    const daemon = await connectToDaemon(directory)
    await expect(daemon.call(getDeal, { id: 1 })).rejects.toMatchObject({ code: 'DAEMON_MISSING' })
    await using empty = await temporaryDirectory()
    await expect(connectToDaemon(empty.path)).rejects.toMatchObject({ code: 'DAEMON_MISSING' })
  })

  it.each(['0.0.0.0:4741', '192.168.1.1:80', 'localhost:80', '127.0.0.1:70000', 'unix:relative', '[::]:1', ''])(
    'listens not on "%s"',
    listen => expect(parseListen(listen)).toBeUndefined()
  )
})

describe('a Unix socket', () => {
  const open = async (path: string) => {
    const app = createApi({
      routes,
      token: 'ab',
      version: '1',
      metrics: async () => ({ text: '', contentType: '' }),
      onError() {}
    })
    return await listenForApi(app, `unix:${path}`)
  }

  it('that a killed daemon left behind is taken over, one that answers and other files are not', async () => {
    await using directory = await temporaryDirectory()
    const path = join(directory.path, 'api.sock')
    // A process that is killed does not remove its socket.
    const killed = spawnSync(process.execPath, [
      '-e',
      `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    ])
    expect(killed.signal).toBe('SIGKILL')
    expect((await lstat(path)).isSocket()).toBe(true)
    await using _ = await open(path)
    await expect(open(path)).rejects.toMatchObject({ code: 'API_PORT_IN_USE' })
    const precious = join(directory.path, 'precious')
    await writeFile(precious, 'mine')
    await expect(open(precious)).rejects.toMatchObject({ code: 'API_ADDRESS_INVALID' })
    expect(await readFile(precious, 'utf8')).toBe('mine')
  })
})
