// A child process: appends to a log and prints the sequence of each append once it is acknowledged.
import { openTestLog, payloadOf } from './open-test-log.ts'

export async function run([path, groupSize]: readonly string[]): Promise<never> {
  const { log } = await openTestLog(path!, { segmentSizeBytesMax: 64 * 1024 })
  const size = Number(groupSize)
  for (;;) {
    const sequences = Array.from({ length: size }, (_, i) => log.length + i)
    const { firstSequence } = await log.append(sequences.map(sequence => payloadOf(sequence)))
    process.stdout.write(`${firstSequence + size - 1}\n`)
  }
}
