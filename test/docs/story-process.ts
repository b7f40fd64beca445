/**
 * What `npm start -- --directory DIRECTORY` does on a terminal, for a test that has none: the main job as text, and
 * then a network that stays up until standard input ends.
 *
 *     node test/docs/story-process.ts PATH DIRECTORY
 */
import { runDevnetStory } from '../../packages/peer/dist/devnet/story.js'
import { createTextScreen } from '../../packages/peer/dist/devnet/text-screen.js'

const ROUND_MS = 2_000

const [path = '', directory = ''] = process.argv.slice(2)
const end = new AbortController()
process.stdin.on('end', () => end.abort()).resume()
await runDevnetStory({
  path,
  ignore: () => false,
  directory,
  roundMs: ROUND_MS,
  staysUp: true,
  screen: createTextScreen(),
  signal: end.signal
})
