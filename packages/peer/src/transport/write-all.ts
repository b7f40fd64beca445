import type { Socket } from 'node:net'
import type { Uint8ArrayList } from 'uint8arraylist'

/** A frame of the muxer: a whole chunk of the wire with its heads. */
const SLAB_SIZE_BYTES = 1024 * 1024 + 1024
/** What is shorter is written from memory of its own, and may wait for what comes in the same turn. */
export const SMALL_SIZE_BYTES = 16 * 1024
/** One that is encrypted, one that waits; of a machine that sends to many, more are made and let go. */
const SPARE_SLABS_MAX = 4

const spare: Uint8Array<ArrayBuffer>[] = []

/**
 * Hands everything to the socket in one step: a TLS record and a packet carry more than one part.
 *
 * Many parts written at once are copied by Node into a new array each time, which then has to be collected. Here they are
 * copied into one that is used again when the socket has taken it.
 */
export function writeAll(socket: Socket, data: Uint8ArrayList) {
  const { byteLength } = data
  if (byteLength < SMALL_SIZE_BYTES) {
    const bytes = Buffer.allocUnsafe(byteLength)
    copyParts(data, bytes)
    return { sentBytes: byteLength, canSendMore: socket.write(bytes) }
  }
  if (byteLength > SLAB_SIZE_BYTES) return writeParts(socket, data)
  const slab = spare.pop() ?? new Uint8Array(SLAB_SIZE_BYTES)
  copyParts(data, slab)
  const canSendMore = socket.write(slab.subarray(0, byteLength), () => {
    if (spare.length < SPARE_SLABS_MAX) spare.push(slab)
  })
  return { sentBytes: byteLength, canSendMore }
}

function copyParts(data: Uint8ArrayList, target: Uint8Array): void {
  let offset = 0
  for (const part of data) {
    target.set(part, offset)
    offset += part.length
  }
}

function writeParts(socket: Socket, data: Uint8ArrayList) {
  let canSendMore = true
  socket.cork()
  for (const part of data) canSendMore = socket.write(part)
  socket.uncork()
  return { sentBytes: data.byteLength, canSendMore }
}
