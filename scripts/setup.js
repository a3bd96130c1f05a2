// Brings a fresh clone to the point where the TypeScript sources run: dependencies and a new enough Node.
// Plain JavaScript, because it runs under whatever Node the host has.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const bundledNode = join(modules, 'node', 'bin', 'node')

export function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number)
  return major > 24 || (major === 24 && minor >= 5)
}

/** The Node that runs the sources: this one, else the one the `node` package brings; null where there is neither. */
export function findNode() {
  if (isNewEnough(process.versions.node)) return process.execPath
  return existsSync(bundledNode) ? bundledNode : null
}

function isInstalled() {
  const stamp = join(modules, '.package-lock.json')
  return existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs
}

// npm leaves out an optional package whose `engines` exclude the Node that npm itself runs on,
// so an old host's npm skips the native half of the xz binding.
function hasXzBinding() {
  const scope = join(modules, '@napi-rs')
  return existsSync(scope) && readdirSync(scope).some((name) => name.startsWith('lzma-'))
}

/** The npm on the PATH is a script: it runs on the first `node` there. */
function withNode(node) {
  return { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` }
}

function npmInstall(node, why) {
  process.stderr.write(`uus: ${why}\n`)
  const cli = process.env.npm_execpath
  const arguments_ = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
  const run = cli
    ? spawnSync(node, [cli, ...arguments_], { cwd: root, stdio: ['ignore', 2, 2] })
    : spawnSync('npm', arguments_, { cwd: root, stdio: ['ignore', 2, 2], env: withNode(node) })
  if (run.status !== 0) {
    process.stderr.write(
      'uus: npm install failed; its own message is above. Mend that, then run this again.\n',
    )
    process.exit(1)
  }
}

/** Installs what is missing and returns the path of the Node to use. Ends the process where that fails. */
export function setUp() {
  if (!isInstalled()) npmInstall(process.execPath, 'installing dependencies (once, about 150 packages)')
  const node = findNode()
  if (node === null) {
    process.stderr.write(
      `uus: Node >= 24.5 is required (this is ${process.version}), and the "node" package is not installed.\n` +
        'Install a newer Node, or run "npm install" with development dependencies.\n',
    )
    process.exit(1)
  }
  if (!hasXzBinding()) npmInstall(node, 'installing what this npm left out for the older Node')
  return node
}

/** Runs a program of this checkout with the terminal handed through, and ends with its exit code. */
export function runAndExit(node, arguments_) {
  const run = spawnSync(node, arguments_, { cwd: root, stdio: 'inherit' })
  process.exit(run.status ?? 1)
}
