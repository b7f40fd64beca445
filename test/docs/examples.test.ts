import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { REPOSITORY } from './checkout.ts'
import { runProgram } from './program.ts'

const examples = readdirSync(join(REPOSITORY, 'examples')).filter(name => name.endsWith('.ts'))

describe('examples', () => {
  it.each(examples)('%s runs alone', { timeout: 90_000 }, async name => {
    await using program = runProgram(process.execPath, [join('examples', name)], REPOSITORY)
    expect(await program.ended).toMatchObject({ code: 0, output: expect.stringMatching(/ all equal\n$/) })
  })

  it('put-and-get.ts wants both of its arguments or none', async () => {
    await using program = runProgram(process.execPath, [join('examples', 'put-and-get.ts'), 'network.json'], REPOSITORY)
    expect(await program.ended).toMatchObject({
      code: 1,
      errors: expect.stringContaining('expected NETWORK_FILE and KEY_FILE, or neither')
    })
  })
})
