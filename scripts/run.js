// `node scripts/run.js FILE [ARG…]`: runs a TypeScript file of this checkout with a Node that can.
import { runAndExit, setUp } from './setup.js'

runAndExit(setUp(), process.argv.slice(2))
