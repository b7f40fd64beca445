/** A plain web server of Node that answers ranges of one file: nothing is checked, encrypted or paid for. */
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Task } from './measured-process.ts'

export const httpServer: Task = async () => ({
  async serve({ path }: { path: string }) {
    const server = createServer(({ headers }, response) => {
      const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
      response.writeHead(206)
      createReadStream(path, { start: Number(start), end: Number(end) }).pipe(response)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }
})
