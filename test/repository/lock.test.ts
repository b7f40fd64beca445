import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

interface LockedPackage {
  readonly resolved?: string
  readonly link?: boolean
  readonly optionalDependencies?: Record<string, string>
}

function readLock(folder: string): Record<string, LockedPackage> {
  const path = fileURLToPath(new URL(`../../${folder}package-lock.json`, import.meta.url))
  return (JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, LockedPackage> }).packages
}

/** Looks a dependency up as Node does: beside the package that declares it, then in every folder above. */
function isLocked(packages: Record<string, LockedPackage>, from: string, name: string): boolean {
  for (let folder = from; ; ) {
    if (packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`] !== undefined) return true
    if (folder === '') return false
    const parent = folder.lastIndexOf('node_modules/')
    folder = parent <= 0 ? '' : folder.slice(0, parent - 1)
  }
}

describe.each(['', 'tools/node/', 'tools/release/', 'tools/bench/'])('package-lock.json of %s', folder => {
  const packages = readLock(folder)

  // npm drops platform packages that a registry does not have from the lock without a word, and `npm ci` then fails
  // on another machine.
  it('locks every optional dependency that a locked package declares', () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter(name => !isLocked(packages, path, name))
        .map(name => `${path} → ${name}`)
    )
    expect(missing).toEqual([])
  })

  it('names no download address', () => {
    const addresses = Object.values(packages).filter(({ resolved, link }) => resolved !== undefined && link !== true)
    expect(addresses).toEqual([])
  })
})
