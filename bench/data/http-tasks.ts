/**
 * A plain web server of Node that answers ranges of one file: nothing is checked, encrypted or paid for. `/leaf` gives the
 * MiB around a range, hashed before it is sent, as who checks the leaves of a UnixFS file must. Beside it the same under TLS,
 * and a socket under TLS alone that gives a MiB of memory for each byte that it is sent.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { MIB } from '../harness.ts'
import type { Task } from './measured-process.ts'

export const httpServer: Task = async () => ({
  /** @param identity - a certificate and its key, PEM */
  async serve({ path, identity }: { path: string; identity: { cert: string; key: string } }) {
    const leaf = Buffer.allocUnsafeSlow(MIB)
    const file = await open(path)
    async function readLeaf(offset: number): Promise<Uint8Array> {
      const { bytesRead } = await file.read(leaf, 0, MIB, offset - (offset % MIB))
      const bytes = leaf.subarray(0, bytesRead)
      createHash('sha256').update(bytes).digest()
      return bytes
    }
    const answer: RequestListener = ({ headers, url }, response) => {
      const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
      response.writeHead(206)
      if (url === '/leaf')
        readLeaf(Number(start)).then(
          bytes => response.end(bytes),
          error => response.destroy(error)
        )
      else createReadStream(path, { start: Number(start), end: Number(end) }).pipe(response)
    }
    const security = { ...identity, minVersion: 'TLSv1.3' } as const
    const mutual = { requestCert: true, rejectUnauthorized: false, noDelay: true }
    const barely = createTlsServer({ ...security, ...mutual }, socket => {
      socket.on('data', () => socket.write(leaf))
      // Whoever asks hangs up as he likes.
      socket.on('error', () => socket.destroy())
    })
    const [port, securePort, tlsPort] = await Promise.all([
      listen(createServer(answer)),
      listen(createSecureServer(security, answer)),
      listen(barely)
    ])
    return { port, securePort, tlsPort }
  }
})

async function listen(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
