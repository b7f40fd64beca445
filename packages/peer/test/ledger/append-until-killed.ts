// A child process: appends to the log in argv[2] and prints the sequence of each append once it is acknowledged.
import { openTestLog, payloadOf } from './open-test-log.ts'

const { log } = await openTestLog(process.argv[2]!, { segmentSizeBytesMax: 64 * 1024 })
const size = Number(process.argv[3])
for (;;) {
  const sequences = Array.from({ length: size }, (_, i) => log.length + i)
  const { firstSequence } = await log.append(sequences.map(sequence => payloadOf(sequence)))
  process.stdout.write(`${firstSequence + size - 1}\n`)
}
