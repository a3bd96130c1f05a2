// `npm start [-- FLAG…]`: sets up what is missing and runs the server.
// It is `uus init --from-apt --data ./data` and then `uus serve`, with the flags passed on to whom they concern.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root, setUp } from './setup.js'

const node = setUp()
const uus = join(root, 'bin', 'uus.js')
const given = process.argv.slice(2)

/** Which command takes a flag: `init` makes the configuration, `serve` uses it. */
const takers = {
  '--config': ['init', 'serve'],
  '--data': ['init'],
  '--listen': ['serve'],
  '--base-url': ['serve'],
  '--log': ['serve'],
}

const flags = { init: [], serve: [] }
for (let at = 0; at < given.length; at++) {
  const [name] = given[at].split('=')
  if (!(name in takers)) {
    process.stderr.write(
      `uus: npm start takes no "${given[at]}"\n  → It takes ${Object.keys(takers).join(', ')}\n`,
    )
    process.exit(2)
  }
  const words =
    given[at].includes('=') || given[at + 1] === undefined ? [given[at]] : [given[at], given[++at]]
  for (const command of takers[name]) flags[command].push(...words)
}

// Only a new configuration is told where the data goes; one that is there says so itself.
const isConfigured =
  flags.init.some((flag) => flag.startsWith('--config')) || existsSync(join(root, 'config.yaml'))
const isToldData = flags.init.some((flag) => flag.startsWith('--data'))
const data = isToldData || isConfigured ? [] : ['--data', './data']
const init = spawnSync(node, [uus, 'init', '--from-apt', ...data, ...flags.init], {
  cwd: root,
  stdio: 'inherit',
})
if (init.status !== 0) process.exit(init.status ?? 1)

const server = spawn(node, [uus, 'serve', ...flags.serve], { cwd: root, stdio: 'inherit' })
// The terminal signals the whole group; whoever signals only this process means the server.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.kill(signal))
server.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)))
