/** fast-check, set so that a failure prints the command that repeats it. */
import fc from 'fast-check'

const seed = process.env.HOLDFAST_SEED

fc.configureGlobal({
  ...(seed === undefined ? {} : { seed: Number(seed) }),
  reporter(details) {
    if (!details.failed) return
    const again = `HOLDFAST_SEED=${details.seed} npx vitest run packages/proofs`
    throw new Error(`${fc.defaultReportMessage(details)}\n\nagain: ${again}`, { cause: details.errorInstance })
  }
})

export { fc }
