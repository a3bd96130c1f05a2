// `npm test [-- FILE…]`: all tests, or the given files. Needs no preparation.
import * as fs from 'node:fs'
import { availableParallelism } from 'node:os'
import { root, runAndExit, setUp } from './setup.js'

const node = setUp()
const given = process.argv.slice(2)
if (fs.globSync === undefined || process.execPath !== node) {
  // An old Node lacks fs.globSync: start over with the one that will run the tests.
  runAndExit(node, ['scripts/test.js', ...given])
}
const files =
  given.length > 0
    ? given
    : fs.globSync(['src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'], { cwd: root }).sort()
// Node's own choice is one file less at a time: with two cores, one. Most tests wait for other processes half of the time.
const atATime = `--test-concurrency=${availableParallelism()}`
runAndExit(node, ['--test', '--test-reporter=spec', '--test-timeout=600000', atATime, ...files])
