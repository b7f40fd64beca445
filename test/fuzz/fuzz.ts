/**
 * A small fuzzer: valid inputs are spoiled in the ways that bytes go wrong, and a target says what must hold nevertheless.
 *
 * Every case follows from the seed and its number alone, so that one failing case can be run again by itself.
 */

/** Something that takes foreign bytes. */
export interface FuzzTarget {
  name: string
  /** Inputs that are valid: the fuzzer starts from them. */
  samples: readonly Uint8Array[]
  /** Feeds an input. Throws when a promise is broken; what the target itself throws is a broken promise too. */
  run(input: Uint8Array): void
}

export interface FuzzOptions {
  seed: number
  /** Number of the first case. */
  first: number
  count: number
}

/** Runs cases one after another. @throws {Error} on the first that breaks a promise, with the command that repeats it */
export function fuzz(target: FuzzTarget, { seed, first, count }: FuzzOptions): void {
  for (let number = first; number < first + count; number++) {
    const input = inputOf(target, seed, number)
    try {
      target.run(input)
    } catch (cause) {
      const repeat = `npm run fuzz -- ${target.name} --seed ${seed} --first ${number} --count 1`
      throw new Error(`case ${number} of ${target.name}: ${Buffer.from(input).toString('hex')}\nagain: ${repeat}`, {
        cause
      })
    }
  }
}

/** Whole numbers below a bound. */
type Draw = (bound: number) => number

/** mulberry32, started from a seed and a case number. */
function drawFrom(seed: number, number: number): Draw {
  let state = Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)
  return bound => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

const MUTATIONS_MAX = 4

function inputOf({ samples }: FuzzTarget, seed: number, number: number): Uint8Array {
  const draw = drawFrom(seed, number)
  let input: Uint8Array = samples[draw(samples.length)]!.slice()
  for (let left = draw(MUTATIONS_MAX + 1); left > 0; left--) {
    const mutate = mutations[draw(mutations.length)]!
    input = mutate(input, draw, samples)
  }
  return input
}

type Mutation = (input: Uint8Array, draw: Draw, samples: readonly Uint8Array[]) => Uint8Array

/** Bytes at which numbers, varints and lengths turn over. */
const EDGES = [0, 1, 2, 0x20, 0x22, 0x3f, 0x40, 0x7f, 0x80, 0xff]

const mutations: readonly Mutation[] = [
  function flipBit(input, draw) {
    if (input.length > 0) input[draw(input.length)]! ^= 1 << draw(8)
    return input
  },
  function setEdge(input, draw) {
    if (input.length > 0) input[draw(input.length)] = EDGES[draw(EDGES.length)]!
    return input
  },
  function truncate(input, draw) {
    return input.slice(0, draw(input.length + 1))
  },
  function remove(input, draw) {
    const from = draw(input.length + 1)
    return splice(input, from, Math.min(input.length, from + draw(40)), new Uint8Array())
  },
  function insert(input, draw) {
    const at = draw(input.length + 1)
    return splice(
      input,
      at,
      at,
      Uint8Array.from({ length: draw(40) }, () => draw(256))
    )
  },
  function repeat(input, draw) {
    const from = draw(input.length + 1)
    const to = Math.min(input.length, from + draw(40))
    return splice(input, to, to, input.slice(from, to))
  },
  function cross(input, draw, samples) {
    const other = samples[draw(samples.length)]!
    return splice(input, draw(input.length + 1), input.length, other.slice(draw(other.length + 1)))
  }
]

function splice(input: Uint8Array, from: number, to: number, between: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([input.subarray(0, from), between, input.subarray(to)]))
}
