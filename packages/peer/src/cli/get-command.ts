/** `holdfast get`: reads an object back, knowing nothing but its reference or root CID and the network. */
import { once } from 'node:events'
import { Command } from 'commander'
import type { Client, GetEvent } from '../client.ts'
import { formatSize, ownPeakRssMiB } from '../units.ts'
import { openByteProgress } from './byte-progress.ts'
import {
  type ClientCommandOptions,
  NAME_ARGUMENT,
  openCommandClient,
  parseWhole,
  readName,
  withClientOptions
} from './client-options.ts'
import { escapeForTerminal, printJsonEvent } from './output.ts'

interface Options extends ClientCommandOptions {
  readonly offset?: number
  readonly length?: number
  readonly bind: boolean
  readonly plainHttp: boolean
}

export function getCommand(signal: AbortSignal): Command {
  const command = new Command('get')
    .description(
      'Read an object back. Every block is checked against its CID; a provider that fails, stalls or lies is left for the next one.'
    )
    .argument('<reference>', NAME_ARGUMENT)
    .argument(
      '[path]',
      'where to write it; must not exist, or be an empty directory. Without it a file goes to standard output'
    )
    .option('--offset <bytes>', 'begin there; only to standard output', parseWhole(0))
    .option('--length <bytes>', 'end after so many bytes; only to standard output', parseWhole(0))
    .option('--bind', 'check by proofs that the bytes lie in the pieces that are paid for', false)
    .option(
      '--plain-http',
      'read single blocks of public objects from gateways: sooner, as well checked, and not hidden from who is on the way',
      false
    )
  return withClientOptions(command, 'none').action((name: string, path: string | undefined, options: Options) =>
    run(name, path, options, signal)
  )
}

async function run(argument: string, path: string | undefined, options: Options, signal: AbortSignal): Promise<void> {
  const { json, offset, length, bind, plainHttp } = options
  const name = await readName(argument)
  await using client = await openCommandClient(options, signal)
  const wishes = {
    signal,
    bindToPiece: bind,
    plainHttp,
    onFailure({ provider, reason }: { readonly provider: string; readonly reason: string }) {
      if (json && path !== undefined) printJsonEvent('providerFailed', { provider, reason })
      else
        process.stderr.write(
          `holdfast: ${provider} failed: ${escapeForTerminal(reason)}; going on with the next provider\n`
        )
    }
  }
  if (path === undefined || offset !== undefined || length !== undefined) {
    if (path !== undefined) throw onlyToOutput()
    await writeToOutput(client.get(name, { ...wishes, offset, length }), signal)
    return
  }
  await writeToPath(client, name, path, wishes, json)
}

function onlyToOutput(): Error {
  return Object.assign(new Error('A range goes to standard output: leave the path out, and redirect it.'), {
    code: 'OPTION_INVALID'
  })
}

async function writeToPath(
  client: Client,
  name: string,
  path: string,
  wishes: Parameters<Client['get']>[1] & object,
  json: boolean
): Promise<void> {
  using progress = openByteProgress('read', false)
  const onProgress = json ? undefined : ({ readBytes }: GetEvent) => progress.report({ doneBytes: readBytes })
  const { fileCount, contentSizeBytes, skippedSymlinks } = await client.get(name, path, { ...wishes, onProgress })
  progress.end()
  if (json)
    printJsonEvent('read', {
      pid: process.pid,
      path,
      fileCount,
      contentSizeBytes,
      skippedSymlinks,
      peakRssMiB: ownPeakRssMiB()
    })
  else {
    const files = `${fileCount} ${fileCount === 1 ? 'file' : 'files'}`
    process.stdout.write(`${files}, ${formatSize(Number(contentSizeBytes))}, written to ${path}\n`)
    for (const { path: link, target } of skippedSymlinks)
      process.stderr.write(
        `holdfast: left out the link ${escapeForTerminal(link)} → ${escapeForTerminal(target)}, which leads outside\n`
      )
  }
}

/** Bytes as they come, at the pace of whoever reads them. */
async function writeToOutput(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  for await (const chunk of bytes) {
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain', { signal })
  }
}
