/** The segment log beside batches of a LevelDB, for the same bytes in the same groups, each group synced. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { openSegmentLog } from '@holdfast/peer'
import { type BenchOptions, compare, type Row, seededBytes } from '../harness.ts'

const requireOfPeer = createRequire(new URL('../../packages/peer/package.json', import.meta.url))
const { Level } = requireOfPeer('level') as typeof import('level')

/** About a transfer. */
const ENTRY_SIZE_BYTES = 300
const GROUP_ENTRIES = 100

export async function logAppend(folder: string, options: BenchOptions): Promise<Row[]> {
  await using life = new AsyncDisposableStack()
  const group = Array.from({ length: GROUP_ENTRIES }, (_, index) => seededBytes(ENTRY_SIZE_BYTES, index + 1))
  const index = new Level<string, string>(join(folder, 'index'))
  life.defer(() => index.close())
  const log = life.use(await openSegmentLog({ directory: join(folder, 'log'), index: index.sublevel('log') }))
  const level = new Level<string, Uint8Array>(join(folder, 'level'), { valueEncoding: 'view' })
  life.defer(() => level.close())
  let sequence = 0
  const batch = () =>
    level.batch(
      group.map(value => {
        sequence += 1
        return { type: 'put', key: sequence.toString(16).padStart(12, '0'), value } as const
      }),
      { sync: true }
    )
  const work = GROUP_ENTRIES / 1000
  return await compare(
    {
      row: 'log-append',
      unit: 'k entries/s',
      figure: 'rate',
      ours: { name: 'segment-log', work, run: () => log.append(group) },
      peers: [{ name: 'level-sync-batches', work, run: batch }]
    },
    options
  )
}
