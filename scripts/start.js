// `npm start [-- FLAG…]`: sets up what is missing and runs the server.
// It is `uus init --from-apt --data ./data` and then `uus serve`, with the flags passed on to whom they concern.
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root, setUp } from './setup.js'

const node = setUp()
const uus = join(root, 'bin', 'uus.js')
const given = process.argv.slice(2)

/** The flags of `names` (and their values) among the given ones. */
function pick(names) {
  const picked = []
  for (let at = 0; at < given.length; at++) {
    const [name] = given[at].split('=')
    if (!names.includes(name)) continue
    picked.push(given[at])
    if (!given[at].includes('=') && given[at + 1] !== undefined) picked.push(given[++at])
  }
  return picked
}

const forInit = pick(['--config', '--listen', '--base-url'])
const data = pick(['--data'])
const init = spawnSync(
  node,
  [uus, 'init', '--from-apt', ...(data.length > 0 ? data : ['--data', './data']), ...forInit],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
if (init.status !== 0) process.exit(init.status ?? 1)

const server = spawn(node, [uus, 'serve', ...pick(['--config', '--listen', '--base-url', '--log'])], {
  cwd: root,
  stdio: 'inherit',
})
// The terminal signals the whole group; whoever signals only this process means the server.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.kill(signal))
server.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)))
