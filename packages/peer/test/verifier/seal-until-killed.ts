// A child process: seals round after round under a directory, from one on, and prints each once it is durable.
import { createTranscriptStore } from '../../src/verifier/transcript-store.ts'
import { sealRound } from './sealed-rounds.ts'

export async function run([directory, first]: readonly string[]): Promise<never> {
  const store = createTranscriptStore({ directory: directory! })
  await store.start()
  for (let round = Number(first); ; round += 1) {
    await sealRound(store, round, 5)
    process.stdout.write(`${round}\n`)
    if (round % 10 === 0) await store.prune(round - 30)
  }
}
