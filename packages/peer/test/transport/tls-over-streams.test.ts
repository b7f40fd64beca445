import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { createLibp2p } from 'libp2p'
import { expect, it } from 'vitest'
import { nativeTls, type TlsComponents } from '../../src/transport/tls-encrypter.ts'

const { logger } = await createLibp2p({ start: false })

async function createEncrypter() {
  const privateKey = await generateKeyPair('secp256k1')
  const upgrader = { getStreamMuxers: () => new Map() } as Partial<
    TlsComponents['upgrader']
  > as TlsComponents['upgrader']
  return { peerId: peerIdFromPrivateKey(privateKey), encrypter: nativeTls()({ privateKey, logger, upgrader }) }
}

it('a connection without a socket is encrypted too', async () => {
  const [dialler, listener] = [await createEncrypter(), await createEncrypter()]
  const [outbound, inbound] = multiaddrConnectionPair()
  const [ours, theirs] = await Promise.all([
    dialler.encrypter.secureOutbound(outbound, { remotePeer: listener.peerId }),
    listener.encrypter.secureInbound(inbound)
  ])
  expect(ours.remotePeer.equals(listener.peerId)).toBe(true)
  expect(theirs.remotePeer.equals(dialler.peerId)).toBe(true)
  const received = new Promise<string>(resolve =>
    theirs.connection.addEventListener('message', ({ data }) => resolve(Buffer.from(data.subarray()).toString()))
  )
  ours.connection.send(new TextEncoder().encode('hello'))
  expect(await received).toBe('hello')
  ours.connection.abort(new Error('enough'))
  theirs.connection.abort(new Error('enough'))
})
