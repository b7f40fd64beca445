/**
 * What threads use that take pieces in, and nothing else: a thread has modules of its own, and all of `index.ts` would
 * take 25 MiB of memory and 0.3 s in each.
 */
export { machineClock } from '../clock.ts'
export { cidFault } from '../content/block.ts'
export { type CarBlockPosition, createCarScanner, SECTION_FRONT_SIZE_BYTES_MAX } from '../content/car-scanner.ts'
