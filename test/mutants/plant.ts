/** Plants one fault at a time into a copy of a package and runs its tests there. */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A fault in shipped source. */
export interface Mutant {
  /** What is wrong, in a few words. */
  name: string
  /** The exported functions that give wrong answers with it; in suites of rules, none is named. */
  exports?: readonly string[]
  /** The source file, in the package's src. */
  file: string
  /** Text that stands in the file exactly once. */
  find: string
  replace: string
  /** Names of the test files that must notice, without `.test.ts`. */
  tests: readonly string[]
}

export interface MutantSuite {
  /** What it is asked for by. */
  name: string
  /** The folder in packages. */
  packageName: string
  /** Every function that the package exports: each needs a mutant that names it. Absent for a suite of rules. */
  exportedFunctions?(): Promise<string[]>
  mutants: readonly Mutant[]
}

export interface Outcome {
  mutant: Mutant
  /** The first test that failed; undefined when none did. */
  killedBy: string | undefined
}

const root = join(import.meta.dirname, '..', '..')
/** A fault may make a loop run for ever; the tests themselves take seconds, or a minute on a busy machine. */
const RUN_MS_MAX = 600_000
/** As many copies at a time as CI machines have cores. */
const COPIES = 2

/** A copy of a package, beside links to what is installed. */
interface Copy {
  folder: string
  packageFolder: string
}

/**
 * Tries all mutants of a suite, and reports each as it is known.
 *
 * @throws {Error} when the list itself is wrong: a patch that does not apply, an exported function without a mutant, a
 *   test that fails without any fault
 */
export async function plantAll(suite: MutantSuite, report: (outcome: Outcome) => void): Promise<void> {
  await expectAllExportsNamed(suite)
  const copies = await Promise.all(Array.from({ length: COPIES }, () => copyPackage(suite.packageName)))
  try {
    const tests = [...new Set(suite.mutants.flatMap(mutant => mutant.tests))]
    const failure = await runTests(copies[0]!.packageFolder, tests)
    if (failure !== undefined) throw new Error(`a test fails without any fault: ${failure}`)
    // One queue: each copy takes the next mutant when it is done with its last.
    const queue = suite.mutants.values()
    await Promise.all(
      copies.map(async copy => {
        for (const mutant of queue) report({ mutant, killedBy: await plant(mutant, copy) })
      })
    )
  } finally {
    await Promise.all(copies.map(({ folder }) => rm(folder, { recursive: true })))
  }
}

async function expectAllExportsNamed({ packageName, exportedFunctions, mutants }: MutantSuite): Promise<void> {
  const named = new Set(mutants.flatMap(mutant => mutant.exports ?? []))
  const missing = ((await exportedFunctions?.()) ?? []).filter(name => !named.has(name))
  if (missing.length > 0) throw new Error(`${packageName}: no planted fault for ${missing.join(', ')}`)
}

/** Copies what tests need: sources, tests, and links to what is installed. */
async function copyPackage(packageName: string): Promise<Copy> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-mutants-'))
  const source = join(root, 'packages', packageName)
  const target = join(folder, 'packages', packageName)
  for (const name of ['src', 'test', 'package.json', ...(await readdir(source)).filter(file => file.endsWith('.md'))])
    await cp(join(source, name), join(target, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  // A folder of its own, because vitest keeps its cache there; npm may have put nothing into the original.
  await mkdir(join(target, 'node_modules'))
  for (const name of await readdir(join(source, 'node_modules')).catch(() => []))
    if (!name.startsWith('.')) await symlink(join(source, 'node_modules', name), join(target, 'node_modules', name))
  return { folder, packageFolder: target }
}

/** @returns the test that noticed the fault, undefined when none did */
async function plant(mutant: Mutant, { packageFolder }: Copy): Promise<string | undefined> {
  const file = join(packageFolder, 'src', mutant.file)
  const original = await readFile(file, 'utf8')
  if (original.split(mutant.find).length !== 2)
    throw new Error(`${mutant.file}: expected exactly once: ${mutant.find} (for "${mutant.name}")`)
  const planted = original.replace(mutant.find, () => mutant.replace)
  await writeFile(file, planted)
  const failure = await runTests(packageFolder, mutant.tests)
  await writeFile(file, original)
  return failure
}

/** What vitest's JSON report says, as far as it is read here. */
interface Report {
  numTotalTests: number
  testResults: { message: string; assertionResults: { status: string; fullName: string }[] }[]
}

/** @returns the first test that fails, undefined when all pass */
async function runTests(packageFolder: string, tests: readonly string[]): Promise<string | undefined> {
  const output = join(packageFolder, 'report.json')
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const files = tests.map(name => `test/${name}.test.ts`)
  const options = [
    '--root',
    packageFolder,
    '--bail',
    '1',
    '--testTimeout',
    '30000',
    '--reporter',
    'json',
    '--outputFile',
    output
  ]
  const exitCode = await runToEnd([vitest, 'run', ...options, ...files])
  if (exitCode === null) return `no end after ${RUN_MS_MAX / 1000} s`
  const report = JSON.parse(await readFile(output, 'utf8')) as Report
  await rm(output)
  const failed = report.testResults.flatMap(file => file.assertionResults).find(({ status }) => status === 'failed')
  if (failed !== undefined) return failed.fullName
  // A fault that keeps a file from loading at all, a patch that does not parse, would be noticed by anything.
  if (exitCode !== 0 || report.numTotalTests === 0)
    throw new Error(`vitest ended with ${exitCode} and no failing test: ${report.testResults[0]?.message}`)
  return undefined
}

function runToEnd(nodeArguments: readonly string[]): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, nodeArguments, {
      stdio: 'ignore',
      timeout: RUN_MS_MAX,
      killSignal: 'SIGKILL'
    })
    child.once('error', reject)
    child.once('exit', resolve)
  })
}
