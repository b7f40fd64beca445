import { Uint8ArrayList } from 'uint8arraylist'
import { expect, it } from 'vitest'
import { markReceived, moveBytes, takeBytes } from '../../src/protocols/received-bytes.ts'

const CAN_FREE = 'transfer' in ArrayBuffer.prototype

function received(...values: number[]): Uint8Array {
  const bytes = Uint8Array.from(values)
  markReceived(bytes)
  return bytes
}

it('moves bytes, and frees what was received and holds nothing else', () => {
  const [whole, partly, ours] = [received(1, 2), received(3, 4, 5), Uint8Array.of(6, 7)]
  const target = new Uint8Array(8).fill(9)
  moveBytes(new Uint8ArrayList(whole, partly.subarray(0, 2), ours), target)
  expect([...target]).toEqual([1, 2, 3, 4, 6, 7, 9, 9])
  expect(whole.byteLength).toBe(CAN_FREE ? 0 : 2)
  expect([...partly]).toEqual([3, 4, 5])
  expect([...ours]).toEqual([6, 7])
})

it('takes a list as one piece: as it is where it is one, or else in memory of its own', () => {
  const one = received(1, 2, 3)
  expect(takeBytes(new Uint8ArrayList(one)).buffer).toBe(one.buffer)
  expect([...takeBytes(new Uint8ArrayList(received(1), received(2, 3)))]).toEqual([1, 2, 3])
  expect([...takeBytes(new Uint8ArrayList())]).toEqual([])
})
