#!/usr/bin/env node
// The `uus` command: runs src/main.ts with this Node, or, where this one is too old, with the bundled one.
import { spawn } from 'node:child_process'
import * as module from 'node:module'
import { join } from 'node:path'
import { findNode, root } from '../scripts/setup.js'

const main = join(root, 'src', 'main.ts')
const node = findNode()
if (node === process.execPath) {
  module.enableCompileCache() // halves the start of a command
  await import(main)
} else if (node === null) {
  process.stderr.write(
    `uus: Node >= 24.5 is required (this is ${process.version}). Run "npm install" in ${root}, or install a newer Node.\n`,
  )
  process.exit(1)
} else {
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)))
}
