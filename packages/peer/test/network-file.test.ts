import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeNetwork } from '@holdfast/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { HOST, PARAMETERS, STRANGER } from '../../core/test/ledger/network-fixture.ts'
import { readNetworkFile, updateHostAddresses, writeNetworkFile } from '../src/network-file.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const [A, B] = ['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2']
const DESCRIPTION = describeNetwork(PARAMETERS, { sequence: 4, host: [A], bootstrap: [B] }, HOST)

let life = new AsyncDisposableStack()
let path: string
beforeEach(async () => {
  path = join(life.use(await temporaryDirectory()).path, 'network.json')
})
afterEach(async () => {
  await life.disposeAsync()
  life = new AsyncDisposableStack()
})

it('is read as it was written', async () => {
  await writeNetworkFile(path, DESCRIPTION)
  expect(await readNetworkFile(path)).toEqual(DESCRIPTION)
})

it('is signed anew with a higher sequence when the host is reached elsewhere, and only then', async () => {
  await writeNetworkFile(path, DESCRIPTION)
  await updateHostAddresses(path, DESCRIPTION, [A], HOST)
  expect(await readNetworkFile(path)).toEqual(DESCRIPTION)
  await updateHostAddresses(path, DESCRIPTION, [B, A], HOST)
  const moved = await readNetworkFile(path)
  expect(moved.addresses).toEqual({ sequence: 5, host: [B, A], bootstrap: [B] })
  expect(moved.parameters).toEqual(PARAMETERS)
  await updateHostAddresses(path, moved, [A, B], HOST)
  expect((await readNetworkFile(path)).addresses).toMatchObject({ sequence: 6, host: [A, B] })
})

it('is signed by nobody but the host', async () => {
  await writeNetworkFile(path, DESCRIPTION)
  await expect(updateHostAddresses(path, DESCRIPTION, [B], STRANGER)).rejects.toThrow(RangeError)
  expect(await readNetworkFile(path)).toEqual(DESCRIPTION)
})

it('that is missing or no description is named, with what to do', async () => {
  await expect(readNetworkFile(path)).rejects.toMatchObject({
    code: 'NETWORK_MISSING',
    message: expect.stringMatching(/network\.json.*ask a member/),
    details: { path }
  })
  await writeFile(path, '{}')
  await expect(readNetworkFile(path)).rejects.toMatchObject({
    code: 'NETWORK_INVALID',
    message: expect.stringContaining(path)
  })
  await writeNetworkFile(path, { ...DESCRIPTION, addresses: { ...DESCRIPTION.addresses, host: [B] } })
  await expect(readNetworkFile(path)).rejects.toMatchObject({
    code: 'NETWORK_INVALID',
    message: expect.stringContaining('not signed by its host')
  })
})
