// A child process: opens the data directory in argv[2], says so, and holds it until it is killed.
import { openDataDirectory } from '../src/data-directory.ts'

await openDataDirectory(process.argv[2]!)
process.stdout.write('held\n')
setInterval(() => undefined, 1000)
