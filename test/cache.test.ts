// The cache as clients meet it: the real server, the real apt, and everything that may go wrong around them.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { StatusResult } from '../src/actions/status.ts'
import { sha256 } from '../src/lib/digest.ts'
import { AptRoot } from './rig/apt.ts'
import { FakeArchive } from './rig/archive.ts'
import { aPackage, type BuiltPackage } from './rig/packages.ts'
import { aBody } from './rig/pool.ts'
import { needs } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'

interface Fixture extends AsyncDisposable {
  readonly archive: FakeArchive
  readonly server: TestServer
}

async function serving(
  packages: readonly BuiltPackage[],
  more: readonly string[] = [],
  uris?: readonly string[],
): Promise<Fixture> {
  const stack = new AsyncDisposableStack()
  try {
    const archive = stack.use(await FakeArchive.start())
    await archive.publish('stable', { components: { main: { amd64: packages } } })
    const addresses = uris === undefined ? {} : { uris: [...uris, archive.url] }
    const server = stack.use(await TestServer.start({ archives: [{ archive, ...addresses }], more }))
    await server.json('update')
    archive.takeRequests()
    const owned = stack.move()
    return { archive, server, [Symbol.asyncDispose]: () => owned.disposeAsync() }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** Packages of a size, each with bytes of its own. */
function packagesOf(count: number, sizeBytes: number): BuiltPackage[] {
  return Array.from({ length: count }, (_, number) =>
    aPackage({ name: `p${number}`, version: '1' }, aBody(sizeBytes, number + 1)),
  )
}

const urlOf = ({ path }: BuiltPackage) => `/testing/test/${path}`

/** Resolves when what was fetched is durably here: who asks before that joins the fetch. */
async function nothingInFlight(server: TestServer): Promise<void> {
  while (!(await server.text('/metrics')).includes('\nuus_flights{archive="test"} 0\n'));
}

/** Requests for package files, `path status`. */
function packageRequests(archive: FakeArchive): string[] {
  return archive
    .takeRequests()
    .filter((line) => line.includes('pool/'))
    .map((line) => line.replace('GET ', ''))
}

test(
  '20 machines install the same 30 packages through a cold cache: each file is fetched once',
  needs('apt-get'),
  async () => {
    const packages = Array.from({ length: 30 }, (_, number) =>
      aPackage(
        { name: `p${number}`, version: '1', ...(number === 0 ? {} : { depends: `p${number - 1}` }) },
        aBody(20_000 + number * 40_000, number + 1),
      ),
    )
    await using one = await serving(packages)
    const roots = Array.from({ length: 20 }, () => new AptRoot())
    try {
      const sources = await one.server.text('/testing.sources')
      await Promise.all(
        roots.map(async (root) => {
          root.setSources(sources)
          await root.update()
          assert.equal((await root.download('p29')).length, 30)
        }),
      )
      for (const { path, file } of packages) {
        const name = path.split('/').at(-1)!
        for (const root of roots) assert.ok(readFileSync(root.archive(name)).equals(file), name)
      }
    } finally {
      for (const root of roots) root[Symbol.dispose]()
    }
    assert.deepEqual(packageRequests(one.archive).sort(), packages.map(({ path }) => `${path} 200`).sort())
    const status = await one.server.json<StatusResult>('status')
    const [counts] = status.cache!.channels
    assert.equal(counts!.hits + counts!.joined + counts!.misses, 20 * 30)
    assert.equal(counts!.misses, 30)
  },
)

test(
  'wrong bytes at the first address: apt tries again and gets the right ones',
  needs('apt-get'),
  async () => {
    const [bash] = packagesOf(1, 3_000_000) as [BuiltPackage]
    await using liar = await FakeArchive.start()
    await liar.publish('stable', { components: { main: { amd64: [bash] } } })
    liar.lie(/InRelease/, { type: 'status', status: 404 })
    liar.lie(/pool/, { type: 'wrong-bytes' })
    await using one = await serving([bash], [], [liar.url])
    using apt = new AptRoot({ config: 'Acquire::Retries "3";' })
    apt.setSources(await one.server.text('/testing.sources'))
    await apt.update()
    // Twice: a try that was cut off, and the whole.
    assert.deepEqual(new Set(await apt.download('p0')), new Set(['p0 1']))
    assert.ok(readFileSync(apt.archive('p0_1_amd64.deb')).equals(bash.file))
    assert.match(one.server.log, /has another SHA-256 than the index says/)
  },
)

test('upstream is away: what is here is served, the rest says so, and status and metrics show it', async () => {
  const [here, away] = packagesOf(2, 100_000) as [BuiltPackage, BuiltPackage]
  await using one = await serving([here, away])
  assert.equal((await one.server.bytes(urlOf(here))).length, here.file.length)
  one.archive.lie(/./, { type: 'status', status: 503, body: 'down', headers: { 'Retry-After': '120' } })
  assert.deepEqual(await one.server.bytes(urlOf(here)), here.file)
  const cold = await one.server.get(urlOf(away))
  assert.deepEqual([cold.status, cold.headers.get('retry-after')], [502, '120'])
  assert.match(await cold.text(), /answered 503/)
  const again = await one.server.get(urlOf(away))
  assert.equal(again.status, 503, 'it is left alone')
  assert.match(await again.text(), /failed before; it is asked again in/)
  assert.deepEqual(packageRequests(one.archive), [`${here.path} 200`, `${away.path} 503`])
  await one.server.uus('update')
  const metrics = await one.server.text('/metrics')
  assert.match(metrics, /^uus_suite_stale\{archive="test",suite="stable"\} 1$/m)
  assert.match(metrics, /^uus_upstream_hosts_resting 1$/m)
  const { output } = await one.server.uus('status')
  assert.match(output, /Left alone for now: 127\.0\.0\.1:\d+/)
  assert.match(output, /Alarm since .*answered 503/)
})

test('kill -9 in the middle of 50 fetches: a restart goes on with them, and every stored file is right', async () => {
  const packages = packagesOf(50, 600_000)
  await using one = await serving(packages, ['limits: {connections: 50}'])
  const gate = Promise.withResolvers<void>()
  one.archive.lie(/pool/, { type: 'pause', until: gate.promise })
  const clients = packages.map(async (wanted) => {
    const response = await one.server.get(urlOf(wanted))
    await response.arrayBuffer()
  })
  const failing = Promise.allSettled(clients)
  const partials = join(one.server.folder, 'data', 'pool', 'partial')
  const isHalf = () => {
    const names = existsSync(partials) ? readdirSync(partials) : []
    return names.length === 50 && names.every((name) => readFileSync(join(partials, name)).length >= 290_000)
  }
  while (!isHalf()) await new Promise((resolve) => setImmediate(resolve))
  await one.server.stop('SIGKILL')
  assert.ok((await failing).every(({ status }) => status === 'rejected'))
  gate.resolve()
  one.archive.behave()
  one.archive.takeRequests()
  await one.server.restart()
  for (const wanted of packages) assert.ok((await one.server.bytes(urlOf(wanted))).equals(wanted.file))
  assert.deepEqual(packageRequests(one.archive).sort(), packages.map(({ path }) => `${path} 206`).sort())
  await one.server.stop()
  assert.deepEqual(readdirSync(partials), [])
  const pool = join(one.server.folder, 'data', 'pool')
  let files = 0
  for (const prefix of readdirSync(pool).filter((name) => name.length === 2)) {
    for (const name of readdirSync(join(pool, prefix))) {
      assert.equal(sha256(readFileSync(join(pool, prefix, name))), prefix + name)
      files++
    }
  }
  assert.equal(files, 50)
  const checked = await one.server.uus('fsck')
  assert.equal(checked.status, 0, checked.output)
})

test('1,000 idle clients and 200 that do not read: memory is bounded, and others notice nothing', async () => {
  const [large, small] = [...packagesOf(1, 30_000_000), aPackage({ name: 'small', version: '1' })] as [
    BuiltPackage,
    BuiltPackage,
  ]
  await using one = await serving([large, small])
  assert.ok((await one.server.bytes(urlOf(large))).equals(large.file))
  const { port } = new URL(one.server.url)
  const sockets: Socket[] = []
  const ask = async (path: string): Promise<Socket> => {
    const socket = connect(Number(port), '127.0.0.1')
    sockets.push(socket)
    socket.on('error', () => {})
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await new Promise((resolve) => socket.once('data', resolve))
    socket.pause()
    return socket
  }
  try {
    for (let batch = 0; batch < 10; batch++) {
      await Promise.all(Array.from({ length: 100 }, () => ask('/testing/test/dists/stable/InRelease')))
    }
    await Promise.all(Array.from({ length: 200 }, () => ask(urlOf(large))))
    const times: number[] = []
    for (let count = 0; count < 300; count++) {
      const startedAt = performance.now()
      assert.equal((await one.server.bytes(urlOf(small))).length, small.file.length)
      times.push(performance.now() - startedAt)
    }
    times.sort((a, b) => a - b)
    assert.ok(times[297]! < 250, `the slowest of a hundred took ${times[297]} ms`)
    assert.ok((await one.server.bytes(urlOf(large))).equals(large.file), 'a large file too')
    const rss = Number(
      /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${one.server.pid}/status`, 'utf8'))![1],
    )
    assert.ok(rss < 256 * 1024, `${rss} kB`)
    // Who begins to read again gets everything.
    const [late] = sockets.slice(-1) as [Socket]
    let received = 0
    late.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    late.resume()
    while (received < large.file.length - 65_536) await new Promise((resolve) => late.once('data', resolve))
  } finally {
    for (const socket of sockets) socket.destroy()
  }
})

/** A whole conversation on a connection of its own; what came back until it was quiet or closed. */
function converse(url: string, text: string): Promise<string> {
  const { port } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1')
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', (data) => {
      answer += data
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
    socket.end(Buffer.from(text, 'latin1'))
  })
}

test('whatever is asked for: never a 500, and never a file outside the channel', async () => {
  const [old, fresh] = [
    aPackage({ name: 'old', version: '1' }),
    aPackage({ name: 'fresh', version: '2', content: 'ungated' }),
  ] as const
  await using one = await serving([old])
  await one.archive.publish('stable', { components: { main: { amd64: [old, fresh] } }, date: Date.now() })
  await one.server.json('update')
  const { url } = one.server
  assert.equal((await one.server.get(urlOf(fresh))).status, 200)
  assert.equal((await one.server.get(urlOf(fresh).replace('testing', 'approved'))).status, 404)
  const word = fc.oneof(
    fc.constantFrom(
      'testing',
      'approved',
      'test',
      'dists',
      'stable',
      'InRelease',
      'pool',
      'main',
      'f',
      'fresh',
      'fresh_2_amd64.deb',
    ),
    fc.constantFrom(
      '..',
      '.',
      '',
      '%2e%2e',
      '%2f',
      '%00',
      '%ff',
      '~',
      '+',
      '%',
      '*',
      'keys',
      'metrics',
      'healthz',
      'approved.sources',
    ),
    fc.string({ maxLength: 6 }),
  )
  const path = fc.oneof(
    fc.array(word, { maxLength: 8 }).map((words) => `/${words.join('/')}`),
    fc.constantFrom(
      urlOf(fresh),
      urlOf(fresh).replace('testing', 'approved'),
      '/approved/../testing/test/x',
      '*',
      '/?',
      '/#',
    ),
    fc.array(word, { maxLength: 5 }).map((words) => `http://user:pw@host/${words.join('/')}`),
  )
  const header = fc.oneof(
    fc.tuple(
      fc.constantFrom('Range', 'If-Range', 'If-None-Match', 'If-Modified-Since'),
      fc.string({ maxLength: 30 }),
    ),
    fc.tuple(
      fc.constant('Range'),
      fc.tuple(fc.nat(3000), fc.nat(3000)).map(([a, b]) => `bytes=${a}-${b}`),
    ),
    fc.tuple(
      fc.constantFrom('Connection', 'Host', 'Transfer-Encoding', 'Content-Length', 'Expect', 'Upgrade'),
      fc.string({ maxLength: 12 }),
    ),
  )
  const method = fc.constantFrom(
    'GET',
    'GET',
    'GET',
    'HEAD',
    'POST',
    'OPTIONS',
    'TRACE',
    'CONNECT',
    'get',
    'FOO',
  )
  const request = fc.record({ method, path, headers: fc.array(header, { maxLength: 4 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 4 }), async (requests) => {
      const text = requests
        .map((one) => {
          const lines = one.headers
            .map(([name, value]) => `${name}: ${value.replace(/[\r\n]/g, '')}\r\n`)
            .join('')
          return `${one.method} ${one.path.replace(/[\r\n ]/g, '')} HTTP/1.1\r\nHost: x\r\n${lines}\r\n`
        })
        .join('')
      const answer = await converse(url, text)
      assert.doesNotMatch(answer, /^HTTP\/1\.1 500/m, text)
      assert.doesNotMatch(answer, /PRIVATE KEY|signed-by:|SQLite format/, text)
      // What waits for approval is in testing only.
      if (!text.includes('testing')) assert.doesNotMatch(answer, /package fresh 2 amd64 ungated/, text)
    }),
    { numRuns: 300 },
  )
  assert.equal((await one.server.get('/healthz')).status, 200)
})

test('a disk without room: one clear answer, and everything else goes on', async () => {
  const [wanted] = packagesOf(1, 100_000) as [BuiltPackage]
  await using one = await serving([wanted], ['cache: {min-free: 8000TiB}'])
  const response = await one.server.get(urlOf(wanted))
  assert.equal(response.status, 503)
  assert.ok(response.headers.get('retry-after'))
  assert.match(await response.text(), /^The disk has no room for a package file of 100 kB\n$/)
  assert.deepEqual(packageRequests(one.archive), [])
  assert.equal((await one.server.get('/testing/test/dists/stable/InRelease')).status, 200)
  const { alarms } = await one.server.json<StatusResult>('status')
  assert.deepEqual(
    alarms.map((alarm) => alarm.key),
    ['cache/full'],
  )
  const health = (await (await one.server.get('/healthz')).json()) as { status: string }
  assert.equal(health.status, 'alarm')
})

test('metrics, status and access log tell the same', async () => {
  const [wanted, other] = packagesOf(2, 200_000) as [BuiltPackage, BuiltPackage]
  await using one = await serving([wanted, other], ['access-log: access.log'])
  const { server } = one
  await server.bytes(urlOf(wanted))
  await nothingInFlight(server)
  await server.bytes(urlOf(wanted))
  await server.get(urlOf(wanted), { 'if-none-match': `"${sha256(wanted.file)}"` })
  await server.bytes('/testing/test/dists/stable/InRelease')
  await server.get('/testing/test/nothing')
  await server.text('/testing.sources')
  await converse(server.url, 'GET http://user:secret@host/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const metrics = await server.text('/metrics')
  for (const line of [
    'uus_package_requests_total{channel="testing",archive="test",outcome="hit"} 1',
    'uus_package_requests_total{channel="testing",archive="test",outcome="miss"} 1',
    'uus_index_requests_total{channel="testing",archive="test"} 1',
    'uus_unmodified_total{channel="testing",archive="test"} 1',
    'uus_client_bytes_total{channel="testing",archive="test",kind="package"} 400000',
    'uus_upstream_bytes_total{archive="test"} 200000',
    'uus_saved_bytes{archive="test"} 200000',
    'uus_flights{archive="test"} 0',
    'uus_suite_stale{archive="test",suite="stable"} 0',
    'uus_alarms 0',
  ]) {
    assert.ok(metrics.includes(`${line}\n`), line)
  }
  assert.match(metrics, /^process_resident_memory_bytes \d+$/m)
  const { cache } = await server.json<StatusResult>('status')
  assert.deepEqual(
    cache!.archives.map(({ archive, fetchedBytes, savedBytes }) => ({ archive, fetchedBytes, savedBytes })),
    [{ archive: 'test', fetchedBytes: 200_000, savedBytes: 200_000 }],
  )
  assert.match((await server.uus('status')).stdout, /^test +1 +1 +200 kB +\d+ kB +200 kB +0$/m)

  // Turned over as logrotate does: what was is in the old file, what comes in a new one.
  const log = join(server.folder, 'access.log')
  renameSync(log, `${log}.1`)
  process.kill(server.pid, 'SIGHUP')
  while (!existsSync(log)) await new Promise((resolve) => setImmediate(resolve))
  await server.bytes(urlOf(other))
  await server.stop()
  const lines = (file: string) =>
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  const before = lines(`${log}.1`)
  const brief = before.map(({ method, path, status, bytes, cache: how }) => [
    method,
    path,
    status,
    bytes,
    how,
  ])
  assert.deepEqual(
    brief.filter(([, path]) => path === urlOf(wanted)),
    [
      ['GET', urlOf(wanted), 200, 200_000, 'miss'],
      ['GET', urlOf(wanted), 200, 200_000, 'hit'],
      ['GET', urlOf(wanted), 304, 0, undefined],
    ],
  )
  assert.ok(brief.some(([, path, status]) => path === '/testing/test/nothing' && status === 404))
  assert.ok(brief.every(([, , status, bytes]) => status === 304 || (bytes as number) > 0))
  assert.ok(
    brief.some(
      ([, path, status, bytes]) => path === '/testing.sources' && status === 200 && (bytes as number) > 100,
    ),
  )
  assert.ok(brief.some(([, path]) => path === 'http://host/x'))
  assert.ok(
    before.every(
      ({ client, time, ms }) => client === '127.0.0.1' && typeof time === 'string' && typeof ms === 'number',
    ),
  )
  assert.doesNotMatch(readFileSync(`${log}.1`, 'utf8'), /secret/)
  assert.deepEqual(
    lines(log).map(({ path, cache: how }) => [path, how]),
    [[urlOf(other), 'miss']],
  )
})

test('with --log json answers are logged to stdout, else not', async () => {
  await using one = await serving([aPackage({ name: 'bash', version: '1' })])
  await one.server.get('/healthz')
  await one.server.restart('--log', 'json')
  await one.server.get('/healthz')
  await one.server.stop()
  const lines = one.server.out.split('\n').filter((line) => line.startsWith('{'))
  assert.equal(lines.length, 1)
  const { type, method, path, status } = JSON.parse(lines[0]!)
  assert.deepEqual([type, method, path, status], ['access', 'GET', '/healthz', 200])
})
