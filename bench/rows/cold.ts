// Cold files: what a fetch costs, how many there are, and who waits for whom. The upstream server counts.
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { ClientOrder, ClientResult, LoadOrder } from '../load.ts'
import { type Peer, startAptCacherNg, startNginxCache, startSquid, startUus } from '../peers.ts'
import type { Table } from '../report.ts'
import { type GpgKey, type WebServer, writeSuite } from '../upstream.ts'
import { stanzaOf } from './files.ts'

const runs = 3
const sizeBytes = 89_987_132
const fast = (name: string) => `/fast/pool/${name}_1_amd64.deb`
const slow = (name: string) => `/slow/pool/${name}_1_amd64.deb`
/** Each is cold once for each server. */
const single = Array.from({ length: runs }, (_, run) => fast(`single-${run}`))
const crowd = Array.from({ length: runs }, (_, run) => fast(`crowd-${run}`))
/** Fetched first and not measured: a server that runs for weeks is not measured by its first request. */
const warmUp = fast('warm-up')
const late = slow('late')
const left = slow('left')

export async function coldRows(
  server: WebServer,
  key: GpgKey,
  folder: string,
  print: (table: Table) => void,
): Promise<void> {
  makeFiles(server, key)
  await using peers = await startPeers(folder, server, key)
  print(await manyTable('Cold 90 MB package, one client', '≤ the fastest peer', single, 1, peers.all, server))
  print(
    await manyTable(
      'Cold 90 MB package, 32 clients at once',
      'exactly one upstream GET; ≤ 1.15 × direct; first bytes ≤ 50 ms',
      crowd,
      32,
      peers.all,
      server,
    ),
  )
  print(await lateTable(peers.all, server))
  print(await leaverTable(peers.all, server))
}

function makeFiles(server: WebServer, key: GpgKey): void {
  for (const [archive, paths] of [
    ['fast', [warmUp, ...single, ...crowd]],
    ['slow', [late, left]],
  ] as const) {
    const stanzas = paths.map((path) => {
      const body = randomBytes(sizeBytes)
      server.write(path, body)
      return stanzaOf(path.replace(`/${archive}/`, ''), body)
    })
    writeSuite(server, key, archive, 'bench', Buffer.from(stanzas.join('\n')))
  }
}

async function startPeers(folder: string, server: WebServer, key: GpgKey) {
  const stack = new AsyncDisposableStack()
  try {
    const archives = [
      { name: 'fast', path: '/fast' },
      { name: 'slow', path: '/slow' },
    ]
    const uus = stack.use(await startUus(folder, server, key.keyring, archives, { name: 'uus cold' }))
    const others = [
      stack.use(await startAptCacherNg(folder, server)),
      stack.use(await startNginxCache(folder, server)),
      stack.use(await startSquid(folder, server)),
    ]
    const owned = stack.move()
    return {
      all: [uus, directly(server), ...others.filter((peer) => peer !== null)],
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** Clients that ask the upstream server itself. */
function directly(server: WebServer): Peer {
  return {
    name: 'direct',
    port: server.port,
    host: '127.0.0.1',
    pathOf: (path) => path,
    cpuSeconds: () => 0,
    rssBytes: () => [],
    async [Symbol.asyncDispose]() {},
  }
}

async function load(peer: Peer, path: string, clients: readonly ClientOrder[]): Promise<ClientResult[]> {
  const child = fork(join(import.meta.dirname, '..', 'load.ts'))
  try {
    const order: LoadOrder = { port: peer.port, path: peer.pathOf(path), host: peer.host, clients }
    const answer = new Promise<ClientResult[]>((resolve) => {
      child.once('message', (message) => resolve(message as ClientResult[]))
    })
    child.send(order)
    return await answer
  } finally {
    child.kill()
  }
}

/** What upstream sent for a path since the last look. */
class Counter {
  readonly #server: WebServer
  readonly #path: string
  readonly #before: number

  constructor(server: WebServer, path: string) {
    this.#server = server
    this.#path = path
    this.#before = server.requestsFor(path).length
  }

  async take(): Promise<{ gets: number; megabytes: number; ranges: string[] }> {
    // The log line of an answer follows its last byte.
    await new Promise((resolve) => setTimeout(resolve, 300))
    const lines = this.#server.requestsFor(this.#path).slice(this.#before)
    return {
      gets: lines.length,
      megabytes: lines.reduce((total, line) => total + Number(line.split(' ')[3]), 0) / 1e6,
      ranges: lines.map((line) => /"(.*)"/.exec(line)![1]!).filter((range) => range !== '-'),
    }
  }
}

const inOrder = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)
const middle = (numbers: readonly number[]) => inOrder(numbers)[Math.floor(numbers.length / 2)]!
const ms = (value: number) => value.toFixed(0)
const isWhole = (result: ClientResult) => result.status === 200 && result.bodyBytes === sizeBytes

async function manyTable(
  title: string,
  budget: string,
  paths: readonly string[],
  count: number,
  peers: readonly Peer[],
  server: WebServer,
): Promise<Table> {
  const rows = new Map<
    Peer,
    { wall: number; first: number; last: number; cpu: number; gets: number; megabytes: number; ok: number }[]
  >(peers.map((peer) => [peer, []]))
  for (const path of paths) {
    for (const peer of peers) {
      const counter = new Counter(server, path)
      const cpu = peer.cpuSeconds()
      const results = await load(
        peer,
        path,
        Array.from({ length: count }, () => ({ delayMs: 0 })),
      )
      const { gets, megabytes } = await counter.take()
      const firsts = inOrder(results.map((result) => result.firstByteMs))
      rows.get(peer)!.push({
        wall: Math.max(...results.map((result) => result.totalMs)),
        first: middle(firsts),
        last: firsts.at(-1)!,
        cpu: peer.cpuSeconds() - cpu,
        gets,
        megabytes,
        ok: results.filter(isWhole).length,
      })
    }
  }
  const wall = (peer: Peer) => middle(rows.get(peer)!.map((run) => run.wall))
  const direct = wall(peers.find((peer) => peer.name === 'direct')!)
  return {
    title,
    budget,
    heads: [
      'who',
      'wall ms',
      'of direct',
      'first byte ms',
      'last first byte ms',
      'upstream GETs',
      'MB',
      'CPU s',
      'whole',
      'runs',
    ],
    rows: peers.map((peer) => {
      const all = rows.get(peer)!
      return [
        peer.name,
        ms(wall(peer)),
        `${(wall(peer) / direct).toFixed(2)} ×`,
        ms(middle(all.map((run) => run.first))),
        ms(Math.max(...all.map((run) => run.last))),
        all.map((run) => run.gets).join(' '),
        ms(middle(all.map((run) => run.megabytes))),
        middle(all.map((run) => run.cpu)).toFixed(2),
        all.map((run) => `${run.ok}/${count}`).join(' '),
        all.map((run) => ms(run.wall)).join(' '),
      ]
    }),
  }
}

/** One client of a download at 10 MB/s, and four more after 3 s. */
async function lateTable(peers: readonly Peer[], server: WebServer): Promise<Table> {
  const rows: string[][] = []
  for (const peer of peers) {
    const counter = new Counter(server, late)
    const delays = [0, 3000, 3000, 3000, 3000]
    const results = await load(
      peer,
      late,
      delays.map((delayMs) => ({ delayMs })),
    )
    const [first, ...joiners] = results as [ClientResult, ...ClientResult[]]
    const { gets, megabytes } = await counter.take()
    rows.push([
      peer.name,
      ms(first.totalMs),
      ms(middle(joiners.map((result) => result.firstByteMs))),
      ms(Math.max(...joiners.map((result) => result.totalMs)) + 3000),
      String(gets),
      ms(megabytes),
      `${results.filter(isWhole).length}/5`,
    ])
  }
  return {
    title: 'Four late joiners (after 3 s) of a download at 10 MB/s',
    budget: 'first byte ≤ 20 ms, ends with the first client, one upstream GET',
    heads: ['who', 'first client ms', 'joiners: first byte ms', 'end ms', 'upstream GETs', 'MB', 'whole'],
    rows,
  }
}

/** A client that leaves after 2 s of a download at 10 MB/s; another one asks 3 s later. */
async function leaverTable(peers: readonly Peer[], server: WebServer): Promise<Table> {
  const rows: string[][] = []
  for (const peer of peers.filter((one) => one.name !== 'direct')) {
    const counter = new Counter(server, left)
    await load(peer, left, [{ delayMs: 0, leaveAfterMs: 2000 }])
    await new Promise((resolve) => setTimeout(resolve, 3000))
    const [second] = await load(peer, left, [{ delayMs: 0 }])
    const { gets, megabytes, ranges } = await counter.take()
    rows.push([
      peer.name,
      ms(second!.firstByteMs),
      ms(second!.totalMs),
      String(gets),
      megabytes.toFixed(1),
      ranges.join(' '),
      isWhole(second!) ? 'yes' : 'no',
    ])
  }
  return {
    title: 'A client leaves after 2 s of a download at 10 MB/s, another one asks 3 s later',
    budget: 'nothing fetched twice (90 MB in all)',
    heads: ['who', 'second: first byte ms', 'end ms', 'upstream GETs', 'MB', 'ranges', 'whole'],
    rows,
  }
}
