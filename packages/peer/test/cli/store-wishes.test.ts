/** What a user is told of replicas: which are shown to be independent, and which are not. */
import { Command } from 'commander'
import { CID } from 'multiformats/cid'
import { expect, it } from 'vitest'
import { formatStatus } from '../../src/cli/status-command.ts'
import { describeReplicas, type StoreCommandOptions, withStoreWishes } from '../../src/cli/store-wishes.ts'

const NOT_SHOWN =
  /the same bytes: proofs do not show that they are independent copies|the same bytes; proofs do not show/

/** What is said to who types these options. */
function saidOf(...options: string[]): string {
  const command = withStoreWishes(new Command('put').exitOverride()).parse(options, { from: 'user' })
  return describeReplicas(command.opts<StoreCommandOptions>())
}

it.each([
  [[], /^Private: nobody reads it.*Every replica is other bytes, so that each proof is of a copy of its own\.$/],
  [
    ['--identical'],
    /^Private: nobody reads it.* the same bytes; proofs do not show that they are independent copies\.$/
  ],
  [['--public'], /^Public: whoever knows.* the same bytes; proofs do not show that they are independent copies\.$/],
  [['--public', '--identical'], /^Public: whoever knows.* the same bytes; proofs do not show/]
])('put and quote with %j say what is public, and what proofs do not show', (options, said) => {
  expect(saidOf(...options)).toMatch(said)
})

it('the help of both says it before anything is stored', () => {
  const help = withStoreWishes(new Command('put')).helpInformation().replace(/\s+/g, ' ')
  expect(help).toContain('all replicas are the same bytes')
  expect(help).toContain('then proofs do not show that there are several')
})

it.each([
  [true, false],
  [false, true]
])(
  'a status of distinct replicas (%j) says of identical ones alone that they are not shown to be several',
  (areReplicasDistinct, isSaid) => {
    const status = formatStatus({
      root: CID.parse('bafkqaaa'),
      isPrivate: areReplicasDistinct,
      areReplicasDistinct,
      replicas: [],
      pricePerRound: 0n,
      pricePerMonth: 0n,
      round: 1,
      nextRoundMs: 0,
      problems: []
    })
    expect(NOT_SHOWN.test(status)).toBe(isSaid)
  }
)
