// A child process: stores pieces under argv[2], drops some, and prints each commit and each removal when it is done.
import { carOf, openTestStore, randomBytes, storePiece } from './open-test-store.ts'

const { store } = await openTestStore(process.argv[2]!, { capacityBytes: 10e9 })
const firstSeed = Number(process.argv[3])
const work = async (lane: number) => {
  for (let seed = firstSeed + lane; ; seed += 2) {
    const block = randomBytes(seed, 1000 + ((seed * 7919) % 150_000))
    const { cid } = await storePiece(store, seed % 3 === 0 ? block : await carOf([block]), 64 * 1024)
    process.stdout.write(`+${cid}\n`)
    if (seed % 4 !== 0) continue
    process.stdout.write(`?${cid}\n`)
    await store.remove(cid)
    process.stdout.write(`-${cid}\n`)
  }
}
await Promise.all([work(0), work(1)])
