// From a promotion on the master to what slaves serve, in time, bytes and requests; beside tools that mirror an archive with
// the same change. Peers also have a pause between two looks, which is not counted here.
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type Deb, writeDeb } from '../debs.ts'
import { hasProgram, measureCommand, processFacts } from '../measure.ts'
import type { Table } from '../report.ts'
import { freePort, type GpgKey, type WebServer, writeSuite } from '../upstream.ts'
import { BenchServer } from '../uus.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const archive = 'tiers'
const changedCount = 10

export async function tierRows(
  web: WebServer,
  key: GpgKey,
  folder: string,
  sizes: readonly number[],
  simulated: number,
  print: (table: Table) => void,
): Promise<void> {
  for (const size of sizes) print(await tierRow(web, key, folder, size, simulated))
}

async function tierRow(
  web: WebServer,
  key: GpgKey,
  folder: string,
  size: number,
  simulated: number,
): Promise<Table> {
  const pool = join(web.root, archive)
  rmSync(pool, { recursive: true, force: true })
  const before = Array.from({ length: size }, (_, number) => writeDeb(pool, number, '1.0'))
  const step = Math.floor(size / changedCount)
  const news = Array.from({ length: changedCount }, (_, index) =>
    writeDeb(join(folder, `tier-news-${size}`), index * step, '1.1'),
  )
  const offer = (debs: readonly Deb[]) =>
    writeSuite(web, key, archive, 'bench', Buffer.from(debs.map((deb) => deb.stanza).join('\n')))
  const change = () => {
    for (const { path } of news) copyFileSync(join(folder, `tier-news-${size}`, path), join(pool, path))
    const byName = new Map(news.map((deb) => [deb.name, deb]))
    offer(before.map((deb) => byName.get(deb.name) ?? deb))
  }
  offer(before)
  const peers = await Promise.all([rsync, debmirror, aptMirror].map((one) => one(web, folder)))
  const rows = await ours(web, key, folder, change, news, simulated)
  for (const peer of peers) rows.push(...(await peer()))
  return {
    title: `${changedCount} of ${size} packages promoted: until it is served elsewhere`,
    budget: '≤ 2 s; bytes ≤ changed blocks + 64 KiB per index',
    heads: ['who', 's', 'kB', 'requests', 'CPU s', 'note'],
    rows,
  }
}

/** A master, a star of two and a chain of three slaves, and many that are simulated. */
async function ours(
  web: WebServer,
  key: GpgKey,
  folder: string,
  change: () => void,
  news: readonly Deb[],
  simulated: number,
): Promise<string[][]> {
  const path = join(folder, 'uus-tiers')
  rmSync(path, { recursive: true, force: true })
  await using master = await BenchServer.start({
    folder: path,
    uri: `${web.url}/${archive}`,
    suite: 'bench',
    component: 'main',
    keyring: key.keyring,
    channels: '{testing: {from: upstream}, approved: {from: testing}}',
  })
  await using stack = new AsyncDisposableStack()
  const slaves: { name: string; meter: Meter; port: number; pid: number }[] = []
  const inRelease = '/approved/bench/dists/bench/InRelease'
  const follow = async (name: string, of: { port: number; folder: string }) => {
    const meter = stack.use(await Meter.start(of.port))
    const made = stack.use(await startSlave(folder, name, of.folder, meter.port))
    slaves.push({ name, meter, port: made.port, pid: made.pid })
    await same(made.port, master.port, inRelease)
    return made
  }
  const first = await follow('slave', { port: master.port, folder: path })
  await follow('second slave of the master', { port: master.port, folder: path })
  const second = await follow('slave of the slave', first)
  await follow('slave of that', second)
  change()
  await master.call('update')
  const waiting = await simulate(master, simulated)
  const old = await textOf(master.port, inRelease)
  for (const { meter } of slaves) meter.reset()
  const cpu = slaves.map(({ pid }) => processFacts(pid).cpuSeconds)
  const beganMs = performance.now()
  const seen = slaves.map(async ({ port }) => {
    while ((await textOf(port, inRelease)) === old) await new Promise((resolve) => setTimeout(resolve, 10))
    return performance.now()
  })
  const measured = await master.measure(() =>
    master.call('promote', { selectors: news.map(({ name }) => name) }),
  )
  const committedMs = beganMs + measured.wallSeconds * 1000
  const times = (await Promise.all(seen)).map((atMs) => (atMs - committedMs) / 1000)
  for (const { port } of slaves) await same(port, master.port, inRelease)
  const rows = slaves.map(({ name, meter, pid }, index) => [
    `uus, ${name}`,
    times[index]!.toFixed(2),
    (meter.bytes / 1000).toFixed(0),
    String(meter.requests),
    (processFacts(pid).cpuSeconds - cpu[index]!).toFixed(2),
    index === 0 ? `since the commit, which took ${measured.wallSeconds.toFixed(2)} s` : 'server process only',
  ])
  rows.push([
    'uus, master',
    '',
    '',
    '',
    measured.cpuSeconds.toFixed(2),
    'both processes, the promotion itself',
  ])
  const { seconds, cpuSeconds, kB } = await waiting()
  rows.push([
    `uus, master with ${simulated} slaves`,
    seconds.toFixed(2),
    kB.toFixed(0),
    String(simulated),
    cpuSeconds.toFixed(2),
    `long polls answered, ${(kB / simulated).toFixed(1)} kB and ${((cpuSeconds / simulated) * 1000).toFixed(1)} ms of CPU a slave; RSS ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`,
  ])
  return rows
}

/** Slaves that ask for the manifest and wait, as real ones do; what their answers took, once they came. */
async function simulate(master: BenchServer, count: number) {
  const { token } = (await master.call('slave add', { name: 'simulated' })) as { token: string }
  const url = `http://127.0.0.1:${master.port}/sync/v1/channels/approved`
  const headers = { authorization: `Bearer ${token}` }
  let held = await fetch(url, { headers })
  while (held.status === 204) held = await fetch(`${url}?wait=5`, { headers })
  const after = createHash('sha256')
    .update(Buffer.from(await held.arrayBuffer()))
    .digest('hex')
  const begun = performance.now()
  const cpu = process.cpuUsage()
  const all = Promise.all(
    Array.from({ length: count }, async () => {
      const answer = await fetch(`${url}?wait=60&after=${after}`, { headers })
      return (await answer.arrayBuffer()).byteLength
    }),
  )
  return async () => {
    const bytes = (await all).reduce((sum, one) => sum + one, 0)
    const { user, system } = process.cpuUsage(cpu)
    return {
      seconds: (performance.now() - begun) / 1000,
      cpuSeconds: (user + system) / 1e6,
      kB: bytes / 1000,
    }
  }
}

async function textOf(port: number, path: string): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}${path}`)).text()
}

async function same(port: number, of: number, path: string): Promise<void> {
  const wanted = await textOf(of, path)
  for (let tries = 0; (await textOf(port, path)) !== wanted; tries++) {
    if (tries > 6000) throw new Error(`a slave does not catch up (${port})`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** As an operator makes one: the command of the server that it follows, `init`, `serve`. */
async function startSlave(folder: string, name: string, ofFolder: string, masterPort: number) {
  const path = join(folder, name.replaceAll(' ', '-'))
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  const uus = (...words: string[]) =>
    spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  const of = ['--config', join(ofFolder, 'config.yaml')]
  const { command } = JSON.parse(
    await outputOf(uus('slave', 'add', path.split('/').at(-1)!, '--json', ...of)),
  ) as { command: string }
  const words = command.split(' ').slice(1)
  words[words.indexOf('--slave-of') + 1] = `http://127.0.0.1:${masterPort}`
  const config = ['--config', join(path, 'config.yaml')]
  await outputOf(uus(...words, '--data', join(path, 'data'), '--listen', '127.0.0.1:0', ...config))
  const child = uus('serve', ...config)
  const port = await new Promise<number>((resolve, reject) => {
    let log = ''
    child.stderr!.on('data', (chunk) => {
      log += chunk
      const found = /Serving on \S+:(\d+)/.exec(log)?.[1]
      if (found !== undefined) resolve(Number(found))
    })
    child.once('exit', () => reject(new Error(log)))
  })
  return {
    port,
    folder: path,
    pid: child.pid!,
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await ended
    },
  }
}

async function outputOf(child: ChildProcess): Promise<string> {
  let out = ''
  child.stdout!.on('data', (chunk) => (out += chunk))
  child.stderr!.on('data', (chunk) => (out += chunk))
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(out)
  return out
}

/** Counts what passes between a slave and its master. */
class Meter implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<{ destroy(): void }>()
  bytes = 0
  requests = 0

  private constructor(target: number) {
    this.#server = createServer((client) => {
      const upstream = connect(target, '127.0.0.1')
      for (const one of [client, upstream]) {
        this.#sockets.add(one)
        one.on('error', () => {})
        one.on('close', () => {
          client.destroy()
          upstream.destroy()
        })
      }
      client.on('data', (chunk: Buffer) => {
        this.requests += chunk.toString('latin1').split(' HTTP/1.1\r\n').length - 1
        upstream.write(chunk)
      })
      upstream.on('data', (chunk: Buffer) => {
        this.bytes += chunk.length
        client.write(chunk)
      })
    })
  }

  static async start(target: number): Promise<Meter> {
    const meter = new Meter(target)
    await new Promise<void>((resolve) => meter.#server.listen(0, '127.0.0.1', resolve))
    return meter
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  reset(): void {
    this.bytes = 0
    this.requests = 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** Mirrors the state before; then, called, the state after. */
type MirrorPeer = (web: WebServer, folder: string) => Promise<() => Promise<string[][]>>

function peer(
  name: string,
  program: string,
  prepare: (web: WebServer, folder: string) => Promise<{ command: readonly string[]; bytes?: () => number }>,
): MirrorPeer {
  return async (web, folder) => {
    if (!hasProgram(program)) return async () => [[name, 'not installed', '', '', '', '']]
    const { command, bytes } = await prepare(web, folder)
    await measureCommand(command)
    return async () => {
      const log = web.logSize()
      const { wallSeconds, cpuSeconds } = await measureCommand(command)
      const asked = web.answersSince(log)
      const kB = (bytes?.() ?? asked.reduce((sum, one) => sum + one, 0)) / 1000
      const requests = bytes === undefined ? String(asked.length) : ''
      return [
        [name, wallSeconds.toFixed(2), kB.toFixed(0), requests, cpuSeconds.toFixed(2), 'with the packages'],
      ]
    }
  }
}

const rsync = peer('rsync', 'rsync', async (web, folder) => {
  const port = await freePort()
  const config = join(folder, 'rsyncd.conf')
  const stats = join(folder, 'rsync.stats')
  writeFileSync(config, `use chroot = no\n[m]\npath = ${join(web.root, archive)}\nuid = root\ngid = root\n`)
  const daemon = `rsync --daemon --no-detach --config=${config} --port=${port} --address=127.0.0.1`
  const copy = `rsync -a --delete --stats rsync://127.0.0.1:${port}/m/ ${join(folder, 'rsync-mirror')}/ > ${stats}`
  const script = `${daemon} & d=$!; sleep 0.2; ${copy}; r=$?; kill $d; exit $r`
  return {
    command: ['bash', '-c', script],
    bytes: () =>
      Number(/Total bytes received: ([\d,]+)/.exec(readFileSync(stats, 'utf8'))![1]!.replaceAll(',', '')),
  }
})

const debmirror = peer('debmirror', 'debmirror', async (web, folder) => ({
  command: [
    'debmirror',
    join(folder, 'debmirror'),
    '--method=http',
    `--host=127.0.0.1:${web.port}`,
    `--root=${archive}`,
    '--dist=bench',
    '--section=main',
    '--arch=amd64',
    '--nosource',
    '--no-check-gpg',
    '--ignore-release-gpg',
    '--rsync-extra=none',
    '--i18n',
    '--diff=none',
  ],
}))

const aptMirror = peer('apt-mirror', 'apt-mirror', async (web, folder) => {
  const base = join(folder, 'apt-mirror')
  for (const name of ['mirror', 'skel', 'var']) mkdirSync(join(base, name), { recursive: true })
  const config = join(base, 'mirror.list')
  writeFileSync(
    config,
    `set base_path ${base}\nset run_postmirror 0\nset defaultarch amd64\ndeb ${web.url}/${archive} bench main\n`,
  )
  return { command: ['apt-mirror', config] }
})
