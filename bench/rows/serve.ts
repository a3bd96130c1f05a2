// Hot files, measured with wrk from the same machine: ours beside nginx with the very same files, and two caches that
// were filled before.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeSigningKey, Signer } from '../../src/trust/signing.ts'
import { hasProgram } from '../measure.ts'
import { type Peer, startAptCacherNg, startNginx, startSquid, startUus } from '../peers.ts'
import type { Table } from '../report.ts'
import { type WebServer, writeIndex } from '../upstream.ts'
import { stanzaOf } from './files.ts'

const runs = 3
const seconds = 3
const inRelease = '/serve/dists/bench/InRelease'
const small = '/serve/pool/small_1_amd64.deb'
const large = '/serve/pool/large_1_amd64.deb'

interface Case {
  readonly title: string
  readonly path: string
  readonly connections: number
  readonly unit: 'requests' | 'bytes'
}

const cases: readonly Case[] = [
  ...[1, 16, 128].map((connections) => ({
    title: 'InRelease, 150 kB',
    path: inRelease,
    connections,
    unit: 'requests' as const,
  })),
  ...[1, 16, 128].map((connections) => ({
    title: 'package, 20 kB',
    path: small,
    connections,
    unit: 'requests' as const,
  })),
  ...[1, 16].map((connections) => ({
    title: 'package, 90 MB',
    path: large,
    connections,
    unit: 'bytes' as const,
  })),
]

interface Figures {
  readonly perSecond: number
  readonly p99Ms: number
  readonly cpuMicros: number
  readonly errors: number
}

export async function serveRows(
  server: WebServer,
  folder: string,
  print: (table: Table) => void,
): Promise<void> {
  if (!hasProgram('wrk')) throw new Error('the benchmark needs wrk: apt-get install wrk')
  const stanzas = [small, large].map((path) => {
    const body = randomBytes(path === small ? 20_000 : 89_987_132)
    server.write(path, body)
    return stanzaOf(path.replace('/serve/', ''), body)
  })
  const keyring = await writeLongSuite(server, folder, Buffer.from(stanzas.join('\n')))
  await using peers = await startPeers(folder, server, keyring)
  for (const peer of peers.all) await warm(peer)
  for (const one of cases) print(await measureCase(one, peers.all))
  print(memoryTable(peers.all))
}

/**
 * With an InRelease as large as those of whole distributions, in every field that a channel repeats: gpgv takes no line
 * of more than 20,000 characters. The keyring's path.
 */
async function writeLongSuite(server: WebServer, folder: string, packages: Buffer): Promise<string> {
  const more = [
    'Version',
    'Changelogs',
    'NotAutomatic',
    'ButAutomaticUpgrades',
    'Description',
    'Origin',
    'Label',
  ]
    .map((field) => `${field}: ${randomBytes(9900).toString('hex')}\n`)
    .join('')
  const release = writeIndex(server, 'serve', 'bench', packages, more).replace(
    'Origin: Bench\nLabel: Bench\n',
    '',
  )
  const key = await makeSigningKey('bench', 'ed25519', Date.now() - 86_400_000)
  const signer = await Signer.fromArmored([key.privateKey], 'bench')
  const { inRelease: signed } = await signer.sign(release, Date.now() - 60_000)
  server.write(inRelease, signed)
  const keyring = join(folder, 'serve.asc')
  writeFileSync(keyring, key.publicKey)
  return keyring
}

async function startPeers(folder: string, server: WebServer, keyring: string) {
  const stack = new AsyncDisposableStack()
  const archives = [{ name: 'bench', path: '/serve' }]
  const started: (Peer | null)[] = []
  try {
    const uus = (name: string, more: string) => startUus(folder, server, keyring, archives, { name, more })
    started.push(stack.use(await uus('uus', '')))
    started.push(stack.use(await uus('uus, access log', 'access-log: access.log\n')))
    started.push(stack.use(await startNginx(folder, server, true)))
    started.push(stack.use(await startNginx(folder, server, false)))
    started.push(stack.use(await startAptCacherNg(folder, server)))
    started.push(stack.use(await startSquid(folder, server)))
    const owned = stack.move()
    return {
      all: started.filter((peer) => peer !== null),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** Twice: a cache may want to be asked again before it answers from itself. */
async function warm(peer: Peer): Promise<void> {
  for (const path of [inRelease, small, large, inRelease, small, large]) {
    const answer = await fetch(`http://127.0.0.1:${peer.port}${peer.pathOf(path)}`)
    if (!answer.ok) throw new Error(`${peer.name}: ${path} answers ${answer.status}`)
    const { byteLength } = await answer.arrayBuffer()
    if (path === inRelease && byteLength < 138_000) throw new Error(`${peer.name}: a short InRelease`)
  }
}

/** The runs of all servers take turns, so that a disturbance does not hit one alone. */
async function measureCase(one: Case, peers: readonly Peer[]): Promise<Table> {
  const all = new Map<Peer, Figures[]>(peers.map((peer) => [peer, []]))
  for (let run = 0; run < runs; run++) {
    for (const peer of peers) all.get(peer)!.push(runWrk(one, peer))
  }
  const middle = new Map(peers.map((peer) => [peer, median(all.get(peer)!)]))
  const nginx = middle.get(peers.find((peer) => peer.name === 'nginx')!)!
  const isBytes = one.unit === 'bytes'
  return {
    title: `Hot ${one.title}, ${one.connections} keep-alive clients`,
    budget: isBytes ? '≥ 1.0 × nginx' : '≥ 0.75 × nginx with its access log, p99 < 10 ms, no error',
    heads: [
      'who',
      isBytes ? 'MB/s' : 'requests/s',
      'of nginx',
      'p99 ms',
      isBytes ? 'CPU ms/MB' : 'CPU µs each',
      'errors',
      'runs',
    ],
    rows: peers.map((peer) => {
      const { perSecond, p99Ms, cpuMicros, errors } = middle.get(peer)!
      const spread = all.get(peer)!.map((run) => Math.round(run.perSecond / (isBytes ? 1e6 : 1)))
      return [
        peer.name,
        String(Math.round(perSecond / (isBytes ? 1e6 : 1))),
        `${(perSecond / nginx.perSecond).toFixed(2)} ×`,
        isBytes ? '' : p99Ms.toFixed(1),
        isBytes ? (cpuMicros * 1000).toFixed(2) : cpuMicros.toFixed(0),
        String(errors),
        spread.join(' '),
      ]
    }),
  }
}

function median(runsOf: readonly Figures[]): Figures {
  const sorted = [...runsOf].sort((a, b) => a.perSecond - b.perSecond)
  return sorted[Math.floor(sorted.length / 2)]!
}

function runWrk({ path, connections, unit }: Case, peer: Peer): Figures {
  const threads = unit === 'bytes' && connections > 1 ? 2 : 1
  const url = `http://127.0.0.1:${peer.port}${peer.pathOf(path)}`
  const options = ['-t', String(threads), '-c', String(connections), '-d', `${seconds}s`, '--latency']
  const cpuBefore = peer.cpuSeconds()
  const { stdout } = spawnSync('wrk', [...options, url], { encoding: 'utf8' })
  const cpu = peer.cpuSeconds() - cpuBefore
  const [, requests, bytes] = /(\d+) requests in [\d.]+\w+, ([\d.]+\w+) read/.exec(stdout)!
  const [, elapsed] = /requests in ([\d.]+)s/.exec(stdout)!
  const [, p99 = '0ms'] = /99%\s+([\d.]+\w+)/.exec(stdout) ?? []
  const sockets = [...(/Socket errors: (.*)$/m.exec(stdout)?.[1] ?? '').matchAll(/\d+/g)]
  const statuses = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0)
  const count = unit === 'bytes' ? parseBytes(bytes!) : Number(requests)
  return {
    perSecond: count / Number(elapsed),
    p99Ms: parseMs(p99),
    cpuMicros: (cpu * 1e6) / count,
    errors: statuses + sockets.reduce((total, [number]) => total + Number(number), 0),
  }
}

function parseBytes(text: string): number {
  const [, number, unit] = /([\d.]+)(\w+)/.exec(text)!
  return Number(number) * { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 }[unit!]!
}

function parseMs(text: string): number {
  const [, number, unit] = /([\d.]+)(\w+)/.exec(text)!
  return Number(number) * { us: 0.001, ms: 1, s: 1000 }[unit!]!
}

function memoryTable(peers: readonly Peer[]): Table {
  return {
    title: 'Memory after all of that (peak RSS)',
    budget: 'server process ≤ 256 MB',
    heads: ['who', 'MB, each process'],
    rows: peers.map((peer) => [
      peer.name,
      peer
        .rssBytes()
        .map((bytes) => (bytes / 1e6).toFixed(0))
        .join(' + '),
    ]),
  }
}
