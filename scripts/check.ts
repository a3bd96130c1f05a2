// `npm run check`: format, lint and types.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = (name: string) => join(root, 'node_modules', '.bin', name)

let failed = 0
for (const [program, ...arguments_] of [
  [bin('biome'), 'check', '--error-on-warnings', '.'],
  [bin('tsc'), '-p', root],
] as [string, ...string[]][]) {
  if (spawnSync(program, arguments_, { cwd: root, stdio: 'inherit' }).status !== 0) failed = 1
}
process.exitCode = failed
