import { readFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createDrandBeacon, QUICKNET } from '../../src/beacon/drand-beacon.ts'

const [quicknet] = JSON.parse(await readFile(new URL('../vectors/drand-quicknet.json', import.meta.url), 'utf8')).chains
const [{ round, signature, randomness }] = quicknet.rounds

async function openRelay(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(
    () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const honest: RequestListener = (request, answer) => {
  const known = [round, 'latest'].some(one => request.url === `/${QUICKNET.chainHash}/public/${one}`)
  answer.writeHead(known ? 200 : 404).end(known ? JSON.stringify({ round, randomness, signature }) : '')
}

function beaconOf(...relays: string[]) {
  return createDrandBeacon({ relays, chainHash: QUICKNET.chainHash, publicKey: hexToBytes(QUICKNET.publicKey), fetch })
}

describe('the beacon of drand', () => {
  it('knows the chain that the vectors are of', () => {
    expect(QUICKNET).toMatchObject({ chainHash: quicknet.hash, publicKey: quicknet.publicKey })
    expect(QUICKNET.genesisMs).toBe(quicknet.genesisTime * 1000)
    expect(QUICKNET.periodMs).toBe(quicknet.periodSeconds * 1000)
  })

  it('hands on a signature that verifies', async () => {
    expect(await beaconOf(await openRelay(honest)).signatureOf(round)).toEqual(hexToBytes(signature))
  })

  it('leaves relays that are down, lie, or answer without end, and asks the good one first from then on', async () => {
    let asked = 0
    const liar = await openRelay((_, answer) => {
      asked += 1
      answer.end(JSON.stringify({ round, signature: signature.replace(/^../, 'a0') }))
    })
    const endless = await openRelay((_, answer) => {
      const more = () => {
        while (answer.write('x'.repeat(1024)));
      }
      answer.on('drain', more)
      more()
    })
    const other = await openRelay((_, answer) => {
      answer.end('<html>')
    })
    const beacon = beaconOf('http://127.0.0.1:9', liar, endless, other, await openRelay(honest))
    expect(await beacon.signatureOf(round)).toEqual(hexToBytes(signature))
    expect(asked).toBe(1)
    expect(await beacon.signatureOf(round)).toEqual(hexToBytes(signature))
    expect(asked).toBe(1)
  })

  it('knows the newest round, which is verified too', async () => {
    expect(await beaconOf(await openRelay(honest)).newestRound?.()).toBe(round)
    const liar = await openRelay((_, answer) => {
      answer.end(JSON.stringify({ round: round + 1, signature }))
    })
    await expect(beaconOf(liar).newestRound?.()).rejects.toMatchObject({ code: 'BEACON_UNAVAILABLE' })
  })

  it('says why, when no relay has the round', async () => {
    const relay = await openRelay(honest)
    await expect(beaconOf(relay).signatureOf(round + 1)).rejects.toMatchObject({
      code: 'BEACON_UNAVAILABLE',
      details: { round: round + 1 },
      message: expect.stringContaining('404')
    })
  })

  it('takes no answer for another round', async () => {
    const relay = await openRelay((_, answer) => {
      answer.end(JSON.stringify({ round, signature }))
    })
    await expect(beaconOf(relay).signatureOf(round + 1)).rejects.toMatchObject({ code: 'BEACON_UNAVAILABLE' })
  })

  it('ends when it is told to: before, and while a relay is silent', async () => {
    const asked = Promise.withResolvers<void>()
    const silent = await openRelay(() => asked.resolve())
    const reason = new Error('enough')
    await expect(beaconOf(silent).signatureOf(round, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const controller = new AbortController()
    const waiting = beaconOf(silent).signatureOf(round, { signal: controller.signal })
    await asked.promise
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
  })
})
