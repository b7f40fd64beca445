/**
 * The certificate of libp2p's TLS handshake: a fresh P-256 key, and an extension in which the peer's own key signs it.
 *
 * OpenSSL judges form, validity and the certificate's own signature. What is read by hand is the one extension that
 * OpenSSL does not know; a certificate that is read wrongly cannot pass for another peer's, because the peer's signature
 * is checked over the very key that made the handshake.
 *
 * @see https://github.com/libp2p/specs/blob/master/tls/tls.md
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
  X509Certificate
} from 'node:crypto'
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey, PublicKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { DER, type DerElement, encodeDer, openDer, parseDer } from './der.ts'

/** 1.3.6.1.4.1.53594.1.1 */
const LIBP2P_EXTENSION = Buffer.from('2b0601040183a25a0101', 'hex')
/** Critical extensions that OpenSSL judges itself: keyUsage 2.5.29.15, basicConstraints 2.5.29.19. */
const KNOWN_EXTENSIONS = [Buffer.from('551d0f', 'hex'), Buffer.from('551d13', 'hex')]
const ECDSA_WITH_SHA256 = encodeDer(DER.oid, Buffer.from('2a8648ce3d040302', 'hex'))
/** id-ecPublicKey 1.2.840.10045.2.1, on secp256k1 1.3.132.0.10. */
const SECP256K1 = encodeDer(
  DER.sequence,
  encodeDer(DER.oid, Buffer.from('2a8648ce3d0201', 'hex')),
  encodeDer(DER.oid, Buffer.from('2b8104000a', 'hex'))
)
const SIGNATURE_PREFIX = new TextEncoder().encode('libp2p-tls-handshake:')

/** The peer that we connect to may have a clock that is behind. */
const VALID_BEFORE_MS = 24 * 60 * 60 * 1000
/** "No well-defined expiration date", RFC 5280 §4.1.2.5: the key dies with its process. */
const VALID_UNTIL = '99991231235959Z'
const SERIAL_SIZE_BYTES = 16

/** PEM, as node:tls takes them. */
export interface Identity {
  readonly cert: string
  readonly key: string
}

/** Makes a key and its certificate; one for a process is enough. */
export async function createIdentity(privateKey: PrivateKey, nowMs: number = Date.now()): Promise<Identity> {
  const { publicKey: spki, privateKey: key } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  })
  const signature = await privateKey.sign(signedBytes(spki))
  const cert = encodeCertificate(key, spki, nowMs, [
    {
      oid: LIBP2P_EXTENSION,
      critical: true,
      value: encodeSignedKey(publicKeyToProtobuf(privateKey.publicKey), signature)
    }
  ])
  return { cert: toPem(cert), key }
}

export type CertificateFault =
  | 'garbled'
  | 'not valid yet'
  | 'expired'
  | 'not signed by its own key'
  | 'without the libp2p extension'
  | 'with a critical extension that nobody knows'
  | 'not signed by the peer’s key'

export type CertificateVerdict =
  | { readonly ok: true; readonly peerId: PeerId }
  | { readonly ok: false; readonly fault: CertificateFault }

/** Says whose certificate it is. Does not say whether that is the peer one wanted. @param der - of one certificate */
export async function verifyCertificate(der: Uint8Array, nowMs: number = Date.now()): Promise<CertificateVerdict> {
  const fault = (reason: CertificateFault): CertificateVerdict => ({ ok: false, fault: reason })
  try {
    const certificate = new X509Certificate(der)
    if (certificate.validFromDate.getTime() > nowMs) return fault('not valid yet')
    if (certificate.validToDate.getTime() < nowMs) return fault('expired')
    if (!certificate.verify(certificate.publicKey)) return fault('not signed by its own key')
    const extensions = readExtensions(certificate.raw)
    if (extensions === undefined) return fault('garbled')
    const isKnown = ({ oid }: Extension) => KNOWN_EXTENSIONS.some(known => known.equals(oid))
    const [extension, second] = extensions.filter(({ oid }) => LIBP2P_EXTENSION.equals(oid))
    if (extension === undefined) return fault('without the libp2p extension')
    if (extensions.some(one => one.critical && one !== extension && !isKnown(one)))
      return fault('with a critical extension that nobody knows')
    const signed = readSignedKey(extension.value)
    if (signed === undefined || second !== undefined) return fault('garbled')
    const publicKey = publicKeyFromProtobuf(signed.publicKey)
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' })
    if (!(await hasSigned(publicKey, signedBytes(spki), signed.signature))) return fault('not signed by the peer’s key')
    return { ok: true, peerId: peerIdFromPublicKey(publicKey) }
  } catch {
    // Whatever OpenSSL and libp2p's key parsers throw about bytes that are none of theirs.
    return fault('garbled')
  }
}

/**
 * Whether a peer's key has signed the bytes. Of the keys that our peers have, OpenSSL checks it in a fifth of the time that
 * libp2p's JavaScript takes: as long as the rest of a handshake, and a stranger decides how often.
 */
async function hasSigned(publicKey: PublicKey, bytes: Uint8Array, signature: Uint8Array): Promise<boolean> {
  if (publicKey.type !== 'secp256k1') return await publicKey.verify(bytes, signature)
  const point = encodeDer(DER.bitString, Uint8Array.of(0), publicKey.raw)
  const key = createPublicKey({
    key: Buffer.from(encodeDer(DER.sequence, SECP256K1, point)),
    format: 'der',
    type: 'spki'
  })
  return verify('sha256', bytes, key, signature)
}

function signedBytes(spki: Uint8Array): Uint8Array {
  return Buffer.concat([SIGNATURE_PREFIX, spki])
}

export interface Extension {
  /** Contents of the OID's element. */
  readonly oid: Uint8Array
  readonly critical: boolean
  readonly value: Uint8Array
}

/** A self-signed certificate without a name. Exported for tests, which make those that must be refused. */
export function encodeCertificate(
  key: string,
  spki: Uint8Array,
  nowMs: number,
  extensions: readonly Extension[],
  validUntil: string = VALID_UNTIL
): Uint8Array {
  const serial = randomBytes(SERIAL_SIZE_BYTES)
  // Positive, and not shortened by leading zeros.
  serial[0] = 0x40 | (serial[0]! & 0x3f)
  const name = encodeDer(DER.sequence)
  const algorithm = encodeDer(DER.sequence, ECDSA_WITH_SHA256)
  const body = encodeDer(
    DER.sequence,
    encodeDer(DER.context0, encodeDer(DER.integer, Uint8Array.of(2))),
    encodeDer(DER.integer, serial),
    algorithm,
    name,
    encodeDer(
      DER.sequence,
      encodeTime(new Date(nowMs - VALID_BEFORE_MS).toISOString().replace(/[-:T]|\.\d+/g, '')),
      encodeTime(validUntil)
    ),
    name,
    spki,
    encodeDer(DER.context3, encodeDer(DER.sequence, ...extensions.map(encodeExtension)))
  )
  const signature = sign('sha256', body, createPrivateKey(key))
  return encodeDer(DER.sequence, body, algorithm, encodeDer(DER.bitString, Uint8Array.of(0), signature))
}

/** @param time - `YYYYMMDDHHMMSSZ`; dates before 2050 have two digits of the year in a certificate */
function encodeTime(time: string): Uint8Array {
  const bytes = (text: string) => new TextEncoder().encode(text)
  return time < '2050' ? encodeDer(DER.utcTime, bytes(time.slice(2))) : encodeDer(DER.generalizedTime, bytes(time))
}

function encodeExtension({ oid, critical, value }: Extension): Uint8Array {
  const flag = critical ? [encodeDer(DER.boolean, Uint8Array.of(0xff))] : []
  return encodeDer(DER.sequence, encodeDer(DER.oid, oid), ...flag, encodeDer(DER.octetString, value))
}

function encodeSignedKey(publicKey: Uint8Array, signature: Uint8Array): Uint8Array {
  return encodeDer(DER.sequence, encodeDer(DER.octetString, publicKey), encodeDer(DER.octetString, signature))
}

function readExtensions(certificate: Uint8Array): Extension[] | undefined {
  const body = openDer(openDer(parseDer(certificate)?.[0], DER.sequence)?.[0], DER.sequence)
  if (body === undefined) return undefined
  const wrapped = body.find(({ tag }) => tag === DER.context3)
  if (wrapped === undefined) return []
  const extensions = openDer(openDer(wrapped, DER.context3)?.[0], DER.sequence)?.map(readExtension)
  return extensions?.every(extension => extension !== undefined) ? extensions : undefined
}

function readExtension(element: DerElement): Extension | undefined {
  const [oid, ...rest] = openDer(element, DER.sequence) ?? []
  const flag = rest[0]?.tag === DER.boolean ? rest.shift() : undefined
  const [value, more] = rest
  if (oid?.tag !== DER.oid || value?.tag !== DER.octetString || more !== undefined) return undefined
  return { oid: oid.contents, critical: flag !== undefined && flag.contents[0] !== 0, value: value.contents }
}

function readSignedKey(value: Uint8Array): { publicKey: Uint8Array; signature: Uint8Array } | undefined {
  const [publicKey, signature, more] = openDer(parseDer(value)?.[0], DER.sequence) ?? []
  if (publicKey?.tag !== DER.octetString || signature?.tag !== DER.octetString || more !== undefined) return undefined
  return { publicKey: publicKey.contents, signature: signature.contents }
}

function toPem(der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}
