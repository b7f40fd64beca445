/** How and where something is to be stored, as `put` and `quote` are told it. */
import { FAILURE_DOMAINS, type FailureDomain, parseCredits, type UnixfsProfile } from '@holdfast/core'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { DiskSource, PackOptions, StoreWishes } from '../client.ts'
import { parseWhole } from './client-options.ts'

export interface StoreCommandOptions {
  readonly replicas: number
  readonly rounds?: number
  readonly public: boolean
  readonly identical: boolean
  readonly car: boolean
  readonly profile?: UnixfsProfile
  readonly region?: readonly string[]
  readonly apart?: readonly FailureDomain[]
  readonly maxPrice?: bigint
  readonly maxLatency?: number
  readonly minRate?: number
}

const PROFILES: readonly UnixfsProfile[] = ['unixfs-v1-2025', 'unixfs-v0-2015']

export function withStoreWishes(command: Command): Command {
  return command
    .option('--replicas <n>', 'how many providers', parseWhole(1), 3)
    .option('--rounds <n>', 'for how many rounds to fund it at least (default: 720, a month of hours)', parseWhole(1))
    .option(
      '--public',
      'publish it: whoever knows the root CID can read it, and all replicas are the same bytes',
      false
    )
    .option(
      '--identical',
      'of a private object: the same bytes at every provider, sent once; then proofs do not show that there are several',
      false
    )
    .option('--car', 'the path is a CAR file, whose DAG is stored as it is', false)
    .addOption(new Option('--profile <name>', 'how files become blocks').choices(PROFILES))
    .option('--region <name...>', 'only providers that name one of these regions')
    .addOption(
      new Option(
        '--apart <domain...>',
        'in what no two replicas may lie together (default: operator and subnet)'
      ).choices([...FAILURE_DOMAINS, 'nothing'])
    )
    .option('--max-price <credits>', 'the most for a leaf (32 bytes) and round, in credits', parseAmount)
    .option('--max-latency <ms>', 'the slowest answer, measured before it is chosen who stores it', parseWhole(1))
    .option('--min-rate <bytes>', 'the least bytes a second that were measured', parseWhole(1))
}

export function storeWishesOf(options: StoreCommandOptions): StoreWishes {
  const { replicas, rounds, region, apart, maxPrice, maxLatency, minRate } = options
  return {
    replicas,
    ...(rounds !== undefined && { rounds }),
    ...(region !== undefined && { regions: region }),
    ...(apart !== undefined && { distinct: apart.filter(domain => FAILURE_DOMAINS.includes(domain)) }),
    ...(maxPrice !== undefined && { pricePerLeafRoundMax: maxPrice }),
    ...(maxLatency !== undefined && { latencyMsMax: maxLatency }),
    ...(minRate !== undefined && { uploadBytesPerSecondMin: minRate })
  }
}

export function packOptionsOf({ public: isPublic, identical, profile, replicas }: StoreCommandOptions): PackOptions {
  return {
    encrypt: !isPublic,
    layout: identical ? 'identical' : 'distinct',
    replicaCount: replicas,
    ...(profile !== undefined && { profile })
  }
}

export function sourceOf(path: string, { car }: Pick<StoreCommandOptions, 'car'>): DiskSource {
  return car ? { carFile: path } : path
}

/** What replicas of this kind show and do not show, in one sentence. */
export function describeReplicas({ public: isPublic, identical }: StoreCommandOptions): string {
  if (isPublic)
    return 'Public: whoever knows the root CID can read it. All replicas are the same bytes; proofs do not show that they are independent copies.'
  return identical
    ? 'Private: nobody reads it without the reference. All replicas are the same bytes; proofs do not show that they are independent copies.'
    : 'Private: nobody reads it without the reference. Every replica is other bytes, so that each proof is of a copy of its own.'
}

function parseAmount(text: string): bigint {
  try {
    const amount = parseCredits(text)
    if (amount > 0n) return amount
  } catch {
    // said below
  }
  throw new InvalidArgumentError('expected an amount of credits above 0')
}
