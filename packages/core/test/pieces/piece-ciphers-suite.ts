/** What every implementation of the ciphers must do; vectors are those of RFC 8439. */
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type PieceCiphers, portablePieceCiphers } from '../../src/pieces/piece-ciphers.ts'

const KEY = hexToBytes('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f')
const NONCE = hexToBytes('070000004041424344454647')
const AAD = hexToBytes('50515253c0c1c2c3c4c5c6c7')
const CONTENT = utf8ToBytes(
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
)
/** §2.8.2 */
const SEALED =
  'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b' +
  '1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
  '3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691'

const ZERO_KEY = '00'.repeat(32)
/** Appendix A.1, those with a nonce of zero: key, block, keystream. */
const KEYSTREAMS: Array<[string, number, string]> = [
  [
    ZERO_KEY,
    0,
    '76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586'
  ],
  [
    ZERO_KEY,
    1,
    '9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f'
  ],
  [
    `${'00'.repeat(31)}01`,
    1,
    '3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0'
  ],
  [
    `00ff${'00'.repeat(30)}`,
    2,
    '72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096'
  ]
]

const frameOf = (content: Uint8Array) => concatBytes(content, new Uint8Array(16))

export function describePieceCiphers(ciphers: PieceCiphers): void {
  describe(`the ciphers of ${ciphers.name}`, () => {
    const { sealFrame, openFrame, keystream } = ciphers

    it('seal and open what RFC 8439 says', () => {
      const frame = frameOf(CONTENT)
      sealFrame(frame, KEY, NONCE, AAD)
      expect(bytesToHex(frame)).toBe(SEALED)
      expect(openFrame(frame, KEY, NONCE, AAD)).toBe(true)
      expect(frame.subarray(0, -16)).toEqual(CONTENT)
    })

    it.each(KEYSTREAMS)('have the keystream of RFC 8439 for key %s, block %d', (key, block, expected) => {
      const bytes = new Uint8Array(64)
      keystream(hexToBytes(key), block * 64).xor(bytes)
      expect(bytesToHex(bytes)).toBe(expected)
    })

    it('open nothing that was changed, whatever was', () => {
      const flipped = (bytes: Uint8Array, bit: number) => {
        const copy = bytes.slice()
        copy[bit >> 3]! ^= 1 << (bit & 7)
        return copy
      }
      fc.assert(
        fc.property(fc.nat(SEALED.length * 4 - 1), fc.nat(255), fc.nat(95), (bit, keyBit, shortBit) => {
          const sealed = hexToBytes(SEALED)
          expect(openFrame(flipped(sealed, bit), KEY, NONCE, AAD)).toBe(false)
          expect(openFrame(sealed.slice(), flipped(KEY, keyBit), NONCE, AAD)).toBe(false)
          expect(openFrame(sealed.slice(), KEY, flipped(NONCE, shortBit), AAD)).toBe(false)
          expect(openFrame(sealed.slice(), KEY, NONCE, flipped(AAD, shortBit))).toBe(false)
        })
      )
    })

    it('open nothing that is cut short', () => {
      for (let length = 0; length < SEALED.length / 2; length++) {
        expect(openFrame(hexToBytes(SEALED).slice(0, length), KEY, NONCE, AAD)).toBe(false)
      }
    })

    it('do the same as noble, in place, at any alignment, and in any chunks', () => {
      const property = fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 1000 }),
        fc.array(fc.nat(200), { maxLength: 6 }),
        fc.nat(2 ** 30),
        fc.nat(7),
        (content, cuts, offset, alignment) => {
          const space = new Uint8Array(alignment + content.length + 16)
          const frame = space.subarray(alignment)
          frame.set(content)
          const expected = frameOf(content)
          sealFrame(frame, KEY, NONCE, AAD)
          portablePieceCiphers.sealFrame(expected, KEY, NONCE, AAD)
          expect(frame).toEqual(expected)

          const whole = content.slice()
          portablePieceCiphers.keystream(KEY, offset).xor(whole)
          const inChunks = content.slice()
          const stream = keystream(KEY, offset)
          let at = 0
          for (const cut of [...cuts, content.length]) {
            stream.xor(inChunks.subarray(at, at + cut))
            at = Math.min(content.length, at + cut)
          }
          expect(inChunks).toEqual(whole)

          const [source, target] = [content.slice(), new Uint8Array(alignment + content.length).subarray(alignment)]
          keystream(KEY, offset).xor(source, target)
          expect(target).toEqual(whole)
          expect(source).toEqual(content)
        }
      )
      fc.assert(property, { numRuns: 200 })
    })
  })
}
