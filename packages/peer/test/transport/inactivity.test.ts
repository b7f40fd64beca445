import type { Connection } from '@libp2p/interface'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { expect, it } from 'vitest'
import { tcp } from '../../src/transport/tcp.ts'
import { nativeTls } from '../../src/transport/tls-encrypter.ts'

const INACTIVITY_MS = 1_500
const TICK_MS = 100
/** Together twice as long as a silent connection lives. */
const TICKS = (2 * INACTIVITY_MS) / TICK_MS

async function createPair() {
  const create = () =>
    createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [
        tcp({
          socketsMax: 10,
          backlog: 10,
          inactivityTimeoutMs: INACTIVITY_MS,
          greeting: { msMax: 3_000, silentMax: 10 }
        })
      ],
      connectionEncrypters: [nativeTls()],
      streamMuxers: [yamux({ enableKeepAlive: false })],
      connectionMonitor: { enabled: false }
    })
  const [server, client] = await Promise.all([create(), create()])
  return { server, client, stop: () => Promise.all([server.stop(), client.stop()]) }
}

const closed = (connection: Connection) =>
  new Promise<void>(resolve => connection.addEventListener('close', () => resolve(), { once: true }))

it('a connection that is silent under TLS is closed, one that carries anything is not', async () => {
  const { server, client, stop } = await createPair()
  try {
    const kept = Promise.withResolvers<void>()
    let ticks = 0
    await server.handle('/test/tick/1', stream => {
      stream.addEventListener('message', () => {
        ticks += 1
        if (ticks === TICKS) kept.resolve()
      })
    })
    const connection = await client.dial(server.getMultiaddrs())
    expect(connection.encryption).toBe('/tls/1.0.0')
    const stream = await connection.newStream('/test/tick/1')
    const ticking = setInterval(() => stream.send(Uint8Array.of(1)), TICK_MS)
    await kept.promise.finally(() => clearInterval(ticking))
    expect(connection.status).toBe('open')
    await closed(connection)
    expect(connection.status).toBe('aborted')
  } finally {
    await stop()
  }
})
