// A child process: seals round after round under argv[2], from argv[3] on, and prints each once it is durable.
import { createTranscriptStore } from '../../src/verifier/transcript-store.ts'
import { sealRound } from './sealed-rounds.ts'

const store = createTranscriptStore({ directory: process.argv[2]! })
await store.start()
for (let round = Number(process.argv[3]); ; round += 1) {
  await sealRound(store, round, 5)
  process.stdout.write(`${round}\n`)
  if (round % 10 === 0) await store.prune(round - 30)
}
