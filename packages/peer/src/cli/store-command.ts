/** `holdfast store`: what a donor does with the pieces on its disks while the daemon does not run. */
import { rm } from 'node:fs/promises'
import { machineClock } from '@holdfast/core'
import { Command } from 'commander'
import { loadConfig } from '../config.ts'
import { dataDirectoryPaths, openDataDirectory } from '../data-directory.ts'
import { PeerError } from '../error.ts'
import { chooseNodeHasher } from '../node-hasher.ts'
import { type CheckedPiece, checkPieces } from '../storage/check-pieces.ts'
import { exists, machineFileSystem } from '../storage/file-system.ts'
import { openDiskReserve, openHealingLevel, openPeerStore } from '../storage/index.ts'
import { formatSize } from '../units.ts'
import { openByteProgress } from './byte-progress.ts'
import { formatJson, printJsonEvent } from './output.ts'

interface Options {
  readonly directory: string
  readonly json: boolean
}

export function storeCommand(signal: AbortSignal): Command {
  const check = new Command('check')
    .description('Hash every piece again and say which are missing and which are corrupt. Changes nothing.')
    .requiredOption('--directory <path>', 'data directory of a provider whose daemon does not run')
    .option('--json', 'print one event a line', false)
    .action((options: Options) => runCheck(options, signal))
  const rebuild = new Command('rebuild')
    .description('Make the index and the cached layers again from the pieces. May be stopped and run again.')
    .requiredOption('--directory <path>', 'data directory of a provider whose daemon does not run')
    .option('--json', 'print one event a line', false)
    .action((options: Options) => runRebuild(options, signal))
  return new Command('store')
    .description('The pieces on this disk.')
    .addCommand(check.exitOverride())
    .addCommand(rebuild.exitOverride())
}

/** @throws {PeerError} `PIECES_DAMAGED` when a piece is missing or corrupt */
async function runCheck({ directory: path, json }: Options, signal: AbortSignal): Promise<void> {
  await expectProvider(path)
  await using life = new AsyncDisposableStack()
  const directory = life.use(await openDataDirectory(path))
  const { provider } = await loadConfig(directory.configFile)
  const level = life.use(await openHealingLevel(directory.indexDirectory))
  const progress = life.use(openByteProgress('checked', json))
  const bad: CheckedPiece[] = []
  let [count, bytes, staleLayers] = [0, 0, 0]
  const checking = checkPieces({
    files: machineFileSystem,
    directories: [directory.piecesDirectory, ...(provider.directories ?? []).map(entry => entry.path)],
    level,
    nodeHasher: await chooseNodeHasher(),
    signal,
    onProgress: progress.report
  })
  for await (const piece of checking) {
    count += 1
    bytes += piece.rawSize
    if (piece.condition !== 'whole') {
      bad.push(piece)
      progress.say(json ? '' : lineOf(piece))
      if (json) printJsonEvent('pieceDamaged', { ...piece })
    } else if (!piece.isLayerWhole) staleLayers += 1
  }
  progress.end()
  const missing = bad.filter(({ condition }) => condition === 'missing').length
  const corrupt = bad.length - missing
  if (json) printJsonEvent('storeChecked', { pieces: count, bytes, missing, corrupt, staleLayers })
  else {
    process.stdout.write(
      `${count} pieces, ${formatSize(bytes)}: ${missing} missing, ${corrupt} corrupt, ${staleLayers} cached layers to be made again\n`
    )
  }
  if (bad.length === 0) return
  throw new PeerError(
    'PIECES_DAMAGED',
    `${missing} pieces are missing and ${corrupt} are corrupt. Bring a disk that is not mounted back; what is lost is a fault in the next rounds, and is repaired by getting the piece from another replica.`,
    { missing, corrupt }
  )
}

async function runRebuild({ directory: path, json }: Options, signal: AbortSignal): Promise<void> {
  await expectProvider(path)
  await using life = new AsyncDisposableStack()
  const directory = life.use(await openDataDirectory(path))
  const { provider } = await loadConfig(directory.configFile)
  // Nothing is only here: which deals need a piece is on the ledger, and all else in the pieces.
  await rm(directory.indexDirectory, { recursive: true, force: true })
  const progress = life.use(openByteProgress('hashed', json))
  let [rebuilt, damaged] = [0, 0]
  let [doneBytes, lastBytes] = [0, 0]
  let current = ''
  await openPeerStore(life, {
    reserve: await openDiskReserve(directory.reserveFile),
    directory,
    config: provider,
    nodeHasher: await chooseNodeHasher(),
    clock: machineClock,
    signal,
    onEvent(event) {
      if (event.type === 'piece-reindexed') rebuilt += 1
      else if (event.type === 'piece-damaged') damaged += 1
      else if (event.type === 'layer-removed') return
      if (json) printJsonEvent('store', { ...event })
      else if (event.type !== 'piece-reindexed') progress.say(formatJson(event))
    },
    onProgress({ piece, doneBytes: ofPiece }) {
      if (piece !== current) doneBytes += lastBytes
      current = piece
      lastBytes = ofPiece
      progress.report({ doneBytes: doneBytes + ofPiece })
    }
  })
  progress.end()
  if (json) printJsonEvent('storeRebuilt', { pieces: rebuilt, damaged })
  else
    process.stdout.write(`${rebuilt} pieces indexed again${damaged > 0 ? `, ${damaged} set aside in damaged/` : ''}\n`)
}

function lineOf({ piece, condition, deals }: CheckedPiece): string {
  return `${condition.padEnd(11)}  ${piece}${deals.length > 0 ? `  deal ${deals.join(', ')}` : ''}`
}

/** A typing error must not become an empty data directory that has nothing wrong with it. */
async function expectProvider(path: string): Promise<void> {
  if (await exists(machineFileSystem, dataDirectoryPaths(path).versionFile)) return
  throw new PeerError('DIRECTORY_MISSING', `${path} is no data directory of Holdfast.`, { path })
}
