import { generateKeyPairSync } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { generateCertificate, verifyPeerCertificate } from '@libp2p/tls/utils'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createIdentity,
  type Extension,
  encodeCertificate,
  verifyCertificate
} from '../../src/transport/certificate.ts'

const NOW_MS = Date.UTC(2026, 5, 1)
const DAY_MS = 24 * 60 * 60 * 1000

const derOf = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')

/** A certificate that is well signed, with whatever extensions and dates. */
function certificateWith(extensions: readonly Extension[], validUntil?: string): Uint8Array {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  })
  return encodeCertificate(privateKey, publicKey, NOW_MS, extensions, validUntil)
}

const LIBP2P_EXTENSION = Buffer.from('2b0601040183a25a0101', 'hex')
const extension = (value: Uint8Array, oid: Uint8Array = LIBP2P_EXTENSION, critical = true): Extension => ({
  oid,
  critical,
  value
})

/** What stands in the extension of somebody's certificate. */
async function signedKey(): Promise<Uint8Array> {
  const der = derOf((await createIdentity(await generateKeyPair('secp256k1'), NOW_MS)).cert)
  // After the OID: BOOLEAN of three bytes, then the OCTET STRING with a length of one byte.
  const at = der.indexOf(LIBP2P_EXTENSION) + LIBP2P_EXTENSION.length + 3
  expect(der[at + 1]).toBeLessThan(0x80)
  return der.subarray(at + 2, at + 2 + der[at + 1]!)
}

describe('a certificate of ours', () => {
  it.each(['secp256k1', 'Ed25519'] as const)('names the peer whose %s key signed it', async type => {
    const key = await generateKeyPair(type)
    const { cert } = await createIdentity(key, NOW_MS)
    const verdict = await verifyCertificate(derOf(cert), NOW_MS)
    expect(verdict).toMatchObject({ ok: true })
    expect(verdict.ok && verdict.peerId.equals(peerIdFromPrivateKey(key))).toBe(true)
  })

  it('passes the check of @libp2p/tls, as theirs passes ours', async () => {
    const key = await generateKeyPair('secp256k1')
    const peerId = peerIdFromPrivateKey(key)
    const { cert } = await createIdentity(key)
    expect((await verifyPeerCertificate(derOf(cert), peerId)).equals(peerId)).toBe(true)
    const theirs = await verifyCertificate(derOf((await generateCertificate(key)).cert))
    expect(theirs.ok && theirs.peerId.equals(peerId)).toBe(true)
  })

  it('holds for peers whose clock is a day behind, and for good', async () => {
    const { cert } = await createIdentity(await generateKeyPair('secp256k1'), NOW_MS)
    const verify = (nowMs: number) => verifyCertificate(derOf(cert), nowMs)
    expect(await verify(NOW_MS - DAY_MS)).toMatchObject({ ok: true })
    expect(await verify(NOW_MS - DAY_MS - 1000)).toEqual({ ok: false, fault: 'not valid yet' })
    expect(await verify(NOW_MS + 200 * 365 * DAY_MS)).toMatchObject({ ok: true })
  })
})

describe('a certificate is refused', () => {
  const fault = async (der: Uint8Array, nowMs = NOW_MS) => {
    const verdict = await verifyCertificate(der, nowMs)
    return verdict.ok ? 'none' : verdict.fault
  }

  it('when it has expired', async () => {
    expect(await fault(certificateWith([], '20260501000000Z'))).toBe('expired')
  })

  it('without the extension of libp2p', async () => {
    expect(await fault(certificateWith([]))).toBe('without the libp2p extension')
    expect(await fault(certificateWith([extension(new Uint8Array(3), Buffer.from('2a0304', 'hex'), false)]))).toBe(
      'without the libp2p extension'
    )
  })

  it('with an extension that is none', async () => {
    for (const value of ['', '00', '3000', '30800000', '3004040101', '30060401010401', '3084ffffffff'])
      expect(await fault(certificateWith([extension(Buffer.from(value, 'hex'))]))).toBe('garbled')
  })

  it('with two of them, or with a critical one that nobody knows', async () => {
    const value = await signedKey()
    expect(await fault(certificateWith([extension(value), extension(value, undefined, false)]))).toBe('garbled')
    const unknown = extension(new Uint8Array(3), Buffer.from('2a0304', 'hex'))
    expect(await fault(certificateWith([extension(value), unknown]))).toBe(
      'with a critical extension that nobody knows'
    )
  })

  it('when the peer’s signature is over another key: nobody can take it from somebody else’s certificate', async () => {
    expect(await fault(certificateWith([extension(await signedKey())]))).toBe('not signed by the peer’s key')
  })

  it('when one bit of it is another', async () => {
    const { cert } = await createIdentity(await generateKeyPair('secp256k1'), NOW_MS)
    await fc.assert(
      fc.asyncProperty(fc.nat(8 * derOf(cert).length - 1), async bit => {
        const der = derOf(cert)
        der[bit >> 3]! ^= 1 << (bit & 7)
        expect(await fault(der)).not.toBe('none')
      })
    )
  })

  it('when it is no certificate', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async der => {
        expect(await fault(der)).toBe('garbled')
      })
    )
  })
})
