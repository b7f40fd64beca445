/**
 * Examines a data directory, beside a running daemon or without one: key, config, network, disk, ports, clock, ledger,
 * reachability. Each check stands alone; what needs something that is broken is skipped and says so.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import {
  ANY_NETWORK,
  type Clock,
  dialBack,
  type NetworkDescription,
  networkIdOf,
  networkInfo,
  parsePeerAddresses,
  request
} from '@holdfast/core'
import type { Multiaddr } from '@multiformats/multiaddr'
import { announcedAddresses } from '../announced-addresses.ts'
import { loadConfig, type PeerConfig } from '../config.ts'
import { type DataDirectoryPaths, dataDirectoryPaths } from '../data-directory.ts'
import { systemCodeOf } from '../error.ts'
import { loadKey } from '../key-file.ts'
import { findForkProofs } from '../ledger/fork-proofs.ts'
import { readNetworkFile } from '../network-file.ts'
import type { PeerNode } from '../node.ts'
import { type FileSystem, machineFileSystem } from '../storage/file-system.ts'
import type { AuditView } from '../views/audit-view.ts'
import { type CheckName, type Finding, ok, problem, skipped, warning } from './finding.ts'
import { type ClockSample, judgeClock, judgeDisk, judgeLedger, judgePieces, judgeReachability } from './judge.ts'

export interface ExamineOptions {
  readonly directory: string
  readonly clock: Clock
  /** Which hasher this machine runs, and why it is the slow one. */
  readonly hasher: { readonly name: string; readonly reason?: string }
  /** Bytes that the provider holds already. */
  readonly usedBytes: number
  /** Kept free on the disk of the pieces. */
  readonly reserveBytes: number
  /** What a running daemon found on its disk; undefined without one, and where the audit is switched off. */
  readonly audit?: AuditView | undefined
  /** The daemon's own node, or one that is opened for the examination on the addresses of the config. */
  readonly openNode: (privateKey: Uint8Array, config: PeerConfig) => Promise<PeerNode>
  readonly signal?: AbortSignal
  readonly onFinding?: (finding: Finding) => void
  readonly files?: FileSystem
}

/** @returns one finding for each check, in the order of `CHECKS`; never throws for what it finds */
export async function examine(options: ExamineOptions): Promise<Finding[]> {
  const { directory, hasher, onFinding = () => undefined, files = machineFileSystem } = options
  const paths = dataDirectoryPaths(directory)
  const findings: Finding[] = []
  const say = (finding: Finding) => {
    findings.push(finding)
    onFinding(finding)
  }
  const key = await attempt('key', 'The key is here and nobody else can read it.', () => loadKey(paths.keyFile, files))
  say(key.finding)
  const config = await attempt('config', 'The config is valid.', () => loadConfig(paths.configFile, files))
  say(config.finding)
  const network = await attempt('network', 'The network description is signed by its host.', () =>
    readNetworkFile(paths.networkFile)
  )
  say(network.finding)
  say(await examineHistory(paths, network.value, files))
  say(
    config.value === undefined
      ? skipped('disk', 'The config is broken.')
      : await examineDisk(options, paths, config.value, files)
  )
  say(judgePieces(options.audit))
  say(
    hasher.reason === undefined
      ? ok('hasher', `Proofs are hashed with the ${hasher.name} hasher.`)
      : warning(
          'hasher',
          `Proofs are hashed with the ${hasher.name} hasher (${hasher.reason}).`,
          'It gives the same answers, several times slower: use a 64-bit Linux, macOS or Windows for the native one.'
        )
  )
  for (const finding of await examineNetwork(options, key.value?.raw, config.value, network.value)) say(finding)
  return findings
}

/** A check that is one call: what it throws says what is wrong and what to do. */
async function attempt<T>(
  check: CheckName,
  good: string,
  run: () => Promise<T>
): Promise<{ value?: T; finding: Finding }> {
  try {
    return { value: await run(), finding: ok(check, good) }
  } catch (error) {
    const [what = '', ...advice] = (error instanceof Error ? error.message : String(error)).split(/(?<=:|\.) /)
    return {
      finding: problem(
        check,
        what,
        advice.join(' ') || 'Start the daemon once with `holdfast start`: it makes what is missing.'
      )
    }
  }
}

/** Whether this peer has met two histories of the ledger: it stopped then, and the proof says whose fault it is. */
async function examineHistory(
  { forksDirectory }: DataDirectoryPaths,
  network: NetworkDescription | undefined,
  files: FileSystem
): Promise<Finding> {
  if (network === undefined) return skipped('history', 'There is no network.')
  const [proof] = await findForkProofs(forksDirectory, network, files)
  return proof === undefined
    ? ok('history', 'Nobody has shown this peer two histories of the ledger.')
    : problem(
        'history',
        `The host ${network.parameters.host} has signed two histories of the ledger; ${proof} proves it.`,
        'Trust no balance here until the members agree which history goes on. Show them the proof (`holdfast ledger check-fork` checks it); delete it when that is settled.'
      )
}

async function examineDisk(
  { usedBytes, reserveBytes }: ExamineOptions,
  { piecesDirectory, path }: DataDirectoryPaths,
  { provider }: PeerConfig,
  files: FileSystem
): Promise<Finding> {
  const probe = join(path, `doctor.${randomUUID()}.new`)
  try {
    const handle = await files.open(probe, 'wx', 0o600)
    try {
      await handle.writeFile('holdfast')
      await handle.sync()
    } finally {
      await handle.close()
      await files.unlink(probe)
    }
  } catch (error) {
    return problem(
      'disk',
      `${path} cannot be written (${systemCodeOf(error) ?? String(error)}).`,
      'See that the disk is mounted, has room and is yours to write.'
    )
  }
  const { bavail, bsize } = await files.statfs(piecesDirectory).catch(() => files.statfs(path))
  return judgeDisk({
    path,
    freeBytes: bavail * bsize,
    allocatedBytes: provider.allocateBytes,
    usedBytes,
    reserveBytes
  })
}

async function examineNetwork(
  options: ExamineOptions,
  privateKey: Uint8Array | undefined,
  config: PeerConfig | undefined,
  network: NetworkDescription | undefined
): Promise<Finding[]> {
  const rest: CheckName[] = ['clock', 'ledger', 'reachability']
  if (privateKey === undefined || config === undefined) {
    return (['ports', ...rest] as CheckName[]).map(check => skipped(check, 'Key or config is broken.'))
  }
  const opened = await attempt('ports', portsAreGood(config), () => options.openNode(privateKey, config))
  if (opened.value === undefined) return [opened.finding, ...rest.map(check => skipped(check, 'The ports are taken.'))]
  await using node = opened.value
  if (network === undefined) return [opened.finding, ...rest.map(check => skipped(check, 'There is no network.'))]
  return [opened.finding, ...(await examineMembers(options, node, network))]
}

function portsAreGood({ listen }: PeerConfig): string {
  return listen.length === 0 ? 'This peer listens on no port.' : `This peer can listen on ${listen.join(', ')}.`
}

async function examineMembers(
  { clock, signal }: ExamineOptions,
  node: PeerNode,
  { parameters, addresses }: NetworkDescription
): Promise<Finding[]> {
  const cancel = signal === undefined ? {} : { signal }
  const members: Multiaddr[][] = [addresses.host, ...addresses.bootstrap.map(address => [address])]
    .map(parsePeerAddresses)
    .filter(member => member.length > 0)
  const samples: ClockSample[] = []
  const rounds: number[] = []
  const silent: string[] = []
  let reach: Parameters<typeof judgeReachability>[0] | undefined
  const own = announcedAddresses(node.addresses())
  for (const member of members) {
    const askedMs = clock.now()
    const answer = await request(node.libp2p, member, networkInfo, {}, { networkId: ANY_NETWORK, ...cancel })
    if (answer.kind !== 'answer') {
      silent.push(`${member[0]}: ${answer.kind === 'refused' ? answer.message : answer.reason}`)
      continue
    }
    samples.push({ member: String(member[0]), theirTimeMs: answer.value.timeMs, askedMs, answeredMs: clock.now() })
    rounds.push(answer.value.round)
    if (reach?.reached !== undefined || own.length === 0) continue
    const dialled = await request(
      node.libp2p,
      member,
      dialBack,
      { addresses: own },
      { networkId: networkIdOf(parameters), ...cancel }
    )
    if (dialled.kind === 'answer') reach = { addresses: own, reached: dialled.value.reached, ...dialled.value }
  }
  const ledger =
    rounds.length === 0
      ? problem(
          'ledger',
          `Nobody of network "${parameters.name}" answers (${silent.join('; ') || 'the description names no address'}).`,
          'See that this machine is online; if it is, ask a member for a newer network.json.'
        )
      : judgeLedger({ parameters, round: Math.max(...rounds), nowMs: clock.now() })
  return [
    judgeClock(samples),
    ledger,
    own.length === 0
      ? judgeReachability({ addresses: own, seenFrom: '', reached: undefined, reason: '' })
      : reach === undefined
        ? skipped('reachability', 'Nobody answered who could try to reach this peer.')
        : judgeReachability(reach)
  ]
}
