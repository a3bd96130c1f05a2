// What clients notice while a full suite is adopted and published by the same server: paced requests for a small file,
// timed from a process that does nothing else.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { startUus } from '../peers.ts'
import type { Table } from '../report.ts'
import { type GpgKey, type WebServer, writeSuite } from '../upstream.ts'
import { stanzaOf } from './files.ts'

const everyMs = 4
const small = '/calm/pool/small_1_amd64.deb'

export async function busyRow(
  server: WebServer,
  key: GpgKey,
  folder: string,
  packages: number,
): Promise<Table> {
  const body = randomBytes(20_000)
  server.write(small, body)
  writeSuite(server, key, 'calm', 'bench', Buffer.from(stanzaOf('pool/small_1_amd64.deb', body)))
  const archives = [
    { name: 'full', path: '/full' },
    { name: 'calm', path: '/calm' },
  ]
  await using uus = await startUus(folder, server, key.keyring, archives, { name: 'uus busy' })
  const path = uus.pathOf(small)
  for (let count = 0; count < 200; count++) await timeRequest(uus.port, path)
  writeSuite(server, key, 'full', 'bench', fullSuite(packages))
  const startedAt = performance.now()
  const times: number[] = []
  let isDone = false
  const updating = update(join(folder, 'uus-busy', 'config.yaml')).finally(() => {
    isDone = true
  })
  while (!isDone) times.push(await timeRequest(uus.port, path))
  await updating
  const seconds = (performance.now() - startedAt) / 1000
  const full = await fetch(`http://127.0.0.1:${uus.port}/testing/full/dists/bench/InRelease`)
  if (!full.ok) throw new Error(`the full suite is not published: ${full.status}`)
  times.sort((a, b) => a - b)
  const at = (share: number) =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))]!.toFixed(1)
  const rss = uus.rssBytes().map((bytes) => (bytes / 1e6).toFixed(0))
  return {
    title: `Requests for a 20 kB package while a suite of ${packages} packages is adopted and published`,
    budget: 'p99 ≤ 10 ms',
    heads: ['who', 'requests', 'over s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'slowest ms', 'RSS MB'],
    rows: [
      ['uus', String(times.length), seconds.toFixed(1), at(0.5), at(0.99), at(0.999), at(1), rss.join(' + ')],
    ],
  }
}

/** Has the server adopt what is new, as the command line does. */
async function update(configPath: string): Promise<void> {
  const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
  const child = spawn(process.execPath, [main, 'update', 'full', '--config', configPath], {
    stdio: 'inherit',
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`uus update: ${code}`)
}

function fullSuite(packages: number): Buffer {
  const filler =
    'a description as long as those of real packages are, which takes some hundred bytes. '.repeat(6)
  return Buffer.from(
    Array.from({ length: packages }, (_, number) => {
      const stanza = stanzaOf(`pool/p${number}_1_amd64.deb`, Buffer.from(String(number)))
      return `${stanza} ${filler}${number}\n`
    }).join('\n'),
  )
}

/** One request on a connection of its own, and the pause until the next. */
function timeRequest(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const socket = connect(port, '127.0.0.1')
    socket.on('error', reject)
    socket.on('data', () => {})
    socket.on('end', () => {
      const took = performance.now() - startedAt
      setTimeout(() => resolve(took), everyMs)
    })
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  })
}
