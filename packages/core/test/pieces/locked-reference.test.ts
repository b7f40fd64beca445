import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lockReference, unlockReference } from '../../src/pieces/index.ts'
import { noise } from './private-objects.ts'

const TEXT = 'hf1example\n'
const PASSPHRASE = 'correct horse'

/** Made for this test, and no secrets. */
const IDENTITY = 'AGE-SECRET-KEY-13KG9P5AEP0PFZ9DUPFX8QM3JPDZ2VUF906V5TFQLHWQQJ09XWZGQ0SKR9R'
const RECIPIENT = 'age1mjqr6l74g4mp348k7gx2r0ah9arqlhrv0xgyvz4shcs67dkx0d3qdk7sxl'
const OTHER_IDENTITY = 'AGE-SECRET-KEY-1PJF2775EG034GGXEEXAK6VNDX8JEN6F75DH86A9VTYR7JFA5RFSSUHHKLX'

/** By `age` 1.1.1: `age -a -r RECIPIENT`. */
const BY_AGE = [
  '-----BEGIN AGE ENCRYPTED FILE-----',
  'YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBTcVhRdWlTOHJHRDB2ZzBl',
  'NUUrOXBSazhxRFJUa3BWYmloSHViVDR0eVVNCndTazRCUklFZUwxeUNTT3FoempW',
  'VGVVR1FBbVlTdmtKWlBGK3B1cUV4WFkKLS0tIElSSUszQmFqL2w5VVVTQzFRLzgy',
  'SWZnOVFWOFdoZG5DaWRjc3JGU2J2am8KNPVlJPy5uqIkc8Y1J/n9LvKFTr7Err67',
  'IY9dMvADD6AubwaVNjoNpNPVGQ==',
  '-----END AGE ENCRYPTED FILE-----'
].join('\n')

/** By the TypeScript implementation of age's author, `age-encryption` 0.3.1, with a work factor of 10. */
const BY_TYPAGE = [
  '-----BEGIN AGE ENCRYPTED FILE-----',
  'YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBNZ2JYVDJMSHpROG9FOTRJ',
  'RWxsbG9RIDEwCmVXdFM1RzNtZERjZmhBTjAxOHJWKzRqVER0VjNtQkZVYUptKzFv',
  'czg4MlEKLS0tIGd0a2ltNzB0V0EySFkwYTdORXYxMWpHQU16aWREeEhhQndPbFBt',
  'cmtUdFEKanGJG4RidYEvuxnA/Izh4xxNc9tLBHEGIhoBEau+kjZGJB/RXuhz+YMH',
  'cw==',
  '-----END AGE ENCRYPTED FILE-----'
].join('\n')

let calls = 0
const random = (sizeBytes: number) => noise(sizeBytes, ++calls)
const quickly = { passphrase: PASSPHRASE, workFactor: 2 }

describe('a locked reference', () => {
  it('is opened as others lock it', async () => {
    expect(await unlockReference(BY_AGE, { identity: IDENTITY })).toEqual({ ok: true, text: TEXT })
    expect(await unlockReference(BY_TYPAGE, { passphrase: PASSPHRASE })).toEqual({ ok: true, text: TEXT })
    expect(await unlockReference(` ${BY_AGE.replaceAll('\n', '\r\n')}\n`, { identity: IDENTITY })).toEqual({
      ok: true,
      text: TEXT
    })
  })

  it('opens with its passphrase, and no other', async () => {
    const armored = await lockReference(TEXT, quickly, { random })
    expect(armored).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----\n/)
    expect(await unlockReference(armored, { passphrase: PASSPHRASE })).toEqual({ ok: true, text: TEXT })
    const wrong = { ok: false, reason: 'wrong key' }
    expect(await unlockReference(armored, { passphrase: `${PASSPHRASE} ` })).toEqual(wrong)
    expect(await unlockReference(armored, { identity: IDENTITY })).toEqual(wrong)
  })

  it('opens for each of its recipients, and nobody else', async () => {
    const armored = await lockReference(TEXT, { recipients: [RECIPIENT, RECIPIENT] }, { random })
    expect(await unlockReference(armored, { identity: IDENTITY })).toEqual({ ok: true, text: TEXT })
    expect(await unlockReference(armored, { passphrase: PASSPHRASE })).toEqual({ ok: false, reason: 'wrong key' })
    expect(await unlockReference(armored, { identity: OTHER_IDENTITY })).toEqual({ ok: false, reason: 'wrong key' })
    expect(await unlockReference(armored, { identity: IDENTITY.replace('13KG', '13KH') })).toEqual({
      ok: false,
      reason: 'identity'
    })
  })

  it.each([RECIPIENT.slice(0, -1), RECIPIENT.replace('mjq', 'mjp'), IDENTITY, ''])(
    'has no recipient %j',
    async recipient => {
      await expect(lockReference(TEXT, { recipients: [recipient] }, { random })).rejects.toMatchObject({
        code: 'RECIPIENT_INVALID'
      })
    }
  )

  it('takes any text of one chunk', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 3000 })
    await fc.assert(
      fc.asyncProperty(text, async one => {
        const wellFormed = one.toWellFormed()
        const armored = await lockReference(wellFormed, { recipients: [RECIPIENT] }, { random })
        expect(await unlockReference(armored, { identity: IDENTITY })).toEqual({ ok: true, text: wellFormed })
      }),
      { numRuns: 20 }
    )
    await expect(lockReference('x'.repeat(65_537), quickly, { random })).rejects.toThrow(RangeError)
  })

  it('does not open when any of its bytes is another one', async () => {
    const bytes = Buffer.from(BY_AGE.split('\n').slice(1, -1).join(''), 'base64')
    const armored = (changed: Buffer) =>
      [BY_AGE.split('\n')[0], ...changed.toString('base64').match(/.{1,64}/g)!, BY_AGE.split('\n').at(-1)].join('\n')
    expect(armored(bytes)).toBe(BY_AGE)
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1
      const verdict = await unlockReference(armored(changed), { identity: IDENTITY })
      expect(verdict.ok, `byte ${at}`).toBe(false)
    }
  })

  it('does not take a gigabyte to be refused', async () => {
    const bytes = Buffer.from(BY_TYPAGE.split('\n').slice(1, -1).join(''), 'base64')
    const harder = Buffer.from(bytes.toString('latin1').replace(' 10\n', ' 20\n'), 'latin1')
    const lines = harder.toString('base64').match(/.{1,64}/g)!
    const armored = [BY_TYPAGE.split('\n')[0], ...lines, BY_TYPAGE.split('\n').at(-1)].join('\n')
    expect(await unlockReference(armored, { passphrase: PASSPHRASE })).toEqual({ ok: false, reason: 'work factor' })
  })

  it.each([
    ['nothing', ''],
    ['a reference', 'hf1aaaa'],
    ['an empty armor', `${BY_AGE.split('\n')[0]}\n${BY_AGE.split('\n').at(-1)}`],
    ['armored nonsense', `${BY_AGE.split('\n')[0]}\nAAAA\n${BY_AGE.split('\n').at(-1)}`],
    ['a book', `${BY_AGE.split('\n')[0]}\n${'A'.repeat(200_000)}`]
  ])('is not %s', async (_, armored) => {
    expect(await unlockReference(armored, { passphrase: '' })).toEqual({ ok: false, reason: 'not an age file' })
  })

  it('stops with the signal', async () => {
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    await expect(lockReference(TEXT, quickly, { random, signal })).rejects.toBe(reason)
    await expect(unlockReference(BY_TYPAGE, { passphrase: '' }, { signal })).rejects.toBe(reason)
    const controller = new AbortController()
    const locking = lockReference(TEXT, { passphrase: PASSPHRASE }, { random, signal: controller.signal })
    queueMicrotask(() => controller.abort(reason))
    await expect(locking).rejects.toBe(reason)
  })
})
