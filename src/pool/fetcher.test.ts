// Requests to upstream: where they lead and where not, how many at a time, how fast.
import assert from 'node:assert/strict'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { FakeArchive } from '../../test/rig/archive.ts'
import { FakeClock } from '../../test/rig/clock.ts'
import { aBody, direct } from '../../test/rig/pool.ts'
import type { UpstreamError } from '../lib/errors.ts'
import { isInner, lookupOutside } from './addresses.ts'
import { Fetcher, type Part } from './fetcher.ts'
import { defaultLimits, type Limits } from './hosts.ts'
import { parseRetryAfter } from './upstream-errors.ts'

const body = aBody(300_000)

interface Fixture extends AsyncDisposable {
  readonly archive: FakeArchive
  readonly fetcher: Fetcher
  readonly clock: FakeClock
  fetch(url: string, proxy?: string, part?: Partial<Part>): Promise<Buffer>
}

async function fixture(limits: Partial<Limits> = {}): Promise<Fixture> {
  const archive = await FakeArchive.start()
  archive.addFile('x.deb', body)
  const clock = new FakeClock()
  const fetcher = new Fetcher('test', { ...defaultLimits, ...limits }, clock)
  return {
    archive,
    fetcher,
    clock,
    async fetch(url, proxy, part) {
      const transport = { ...direct, proxy: proxy ?? null }
      const wanted = { sizeBytes: body.length, start: 0, ifRange: null, ...part }
      const { chunks } = await fetcher.fetchPart(url, wanted, { transport })
      const parts: Buffer[] = []
      for await (const chunk of chunks) parts.push(chunk)
      return Buffer.concat(parts)
    },
    async [Symbol.asyncDispose]() {
      fetcher[Symbol.dispose]()
      await archive[Symbol.asyncDispose]()
    },
  }
}

/** A proxy that answers every request by sending the client elsewhere. */
async function sendingProxy(location: string) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(302, { Location: location }).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    asked,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('package files come through a proxy, and so does their rest', async () => {
  await using one = await fixture()
  const asked: string[] = []
  const proxy = createServer((request, response) => {
    asked.push(request.url ?? '')
    const { host: _host, ...headers } = request.headers
    get(request.url ?? '', { headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers)
      answer.pipe(response)
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const url = `${one.archive.url}/x.deb`
  assert.deepEqual(await one.fetch(url, proxyUrl), body)
  assert.deepEqual(await one.fetch(url, proxyUrl, { start: 1000 }), body.subarray(1000))
  assert.deepEqual(asked, [url, url])
  assert.deepEqual(one.archive.takeRequests(), ['GET x.deb 200', 'GET x.deb 206'])
  proxy.closeAllConnections()
  await new Promise((resolve) => proxy.close(resolve))
})

test('a body without a stated length is a file all the same', async () => {
  await using one = await fixture()
  const server = createServer((_request, response) => {
    response.write(body.subarray(0, 1000))
    response.end(body.subarray(1000))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.deb`
  assert.deepEqual(await one.fetch(url), body)
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

test('redirects are followed', async () => {
  await using one = await fixture()
  one.archive.addFile('there.deb', body)
  one.archive.lie(/x.deb/, { type: 'redirect', to: '/debian/there.deb' })
  assert.deepEqual(await one.fetch(`${one.archive.url}/x.deb`), body)
  assert.deepEqual(one.archive.takeRequests(), ['GET x.deb 302', 'GET there.deb 200'])
})

for (const [what, to] of [
  ['a private address', 'http://10.1.2.3/x.deb'],
  ['loopback', 'http://127.0.0.1:1/x.deb'],
  ['loopback in IPv6', 'http://[::1]/x.deb'],
  ['loopback, as a number', 'http://2130706433/x.deb'],
  ['loopback by name', 'http://localhost/x.deb'],
  ['link-local, where clouds keep secrets', 'http://169.254.169.254/latest/meta-data'],
  ['a private address in disguise', 'http://[::ffff:192.168.0.1]/x.deb'],
] as const) {
  test(`a server out there cannot send us to ${what}`, async () => {
    await using one = await fixture()
    await using proxy = await sendingProxy(to)
    await assert.rejects(one.fetch('http://203.0.113.5/x.deb', proxy.url), {
      code: 'UPSTREAM_REDIRECT',
      message: /sends us to an inner network/,
    })
    assert.deepEqual(proxy.asked, ['http://203.0.113.5/x.deb'], 'nothing else was asked')
  })
}

test('a server that is itself of the inner network may send us there', async () => {
  await using one = await fixture()
  await using other = await FakeArchive.start()
  other.addFile('x.deb', body)
  one.archive.lie(/x.deb/, { type: 'redirect', to: `${other.url}/x.deb` })
  assert.deepEqual(await one.fetch(`${one.archive.url}/x.deb`), body)
})

test('a name that leads inside is found out when it is looked up', async () => {
  const server = createServer((_request, response) => void response.end('secret'))
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const { port } = server.address() as AddressInfo
  const failure = await new Promise<NodeJS.ErrnoException>((resolve, reject) => {
    get({ host: 'localhost', port, lookup: lookupOutside }, () => reject(new Error('it connected'))).once(
      'error',
      resolve,
    )
  })
  assert.equal(failure.code, 'UUS_INNER_ADDRESS')
  await new Promise((resolve) => server.close(resolve))
})

test('inner and outer addresses', () => {
  for (const address of [
    '127.0.0.1',
    '10.0.0.1',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.1.1',
    '100.64.0.1',
    '0.0.0.0',
  ])
    assert.ok(isInner(address), address)
  for (const address of [
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    '2002:a00:1::',
  ])
    assert.ok(isInner(address), address)
  for (const address of ['8.8.8.8', '172.32.0.1', '2001:db8::1', '::ffff:8.8.8.8'])
    assert.ok(!isInner(address), address)
})

test('credentials of an address go to its host and to no other', async () => {
  await using one = await fixture()
  await using other = await FakeArchive.start()
  other.addFile('x.deb', body)
  one.archive.lie(/x.deb/, { type: 'redirect', to: `${other.url}/x.deb` })
  const url = one.archive.url.replace('http://', 'http://user:secret@')
  assert.deepEqual(await one.fetch(`${url}/x.deb`), body)
  assert.match(one.archive.requests[0]!.headers.authorization ?? '', /^Basic /)
  assert.equal(other.requests[0]!.headers.authorization, undefined)
})

test('a body packed for the way is refused; one that is only called so is taken', async () => {
  await using one = await fixture()
  one.archive.lie(/x.deb/, { type: 'gzip' }, 1)
  await assert.rejects(one.fetch(`${one.archive.url}/x.deb`), {
    code: 'UPSTREAM_WRONG_BYTES',
    message: /Content-Encoding: gzip/,
  })
  one.archive.lie(/x.deb/, { type: 'replace', body, headers: { 'Content-Encoding': 'x-gzip' } }, 1)
  assert.deepEqual(await one.fetch(`${one.archive.url}/x.deb`), body)
  const packed = { type: 'replace', body: gzipSync('x'), headers: { 'Content-Encoding': 'gzip' } } as const
  one.archive.lie(/small/, packed)
  await assert.rejects(one.fetcher.fetchSmall(`${one.archive.url}/small`, 1000, { transport: direct }), {
    code: 'UPSTREAM_WRONG_BYTES',
  })
})

test('another part than the one asked for is refused', async () => {
  await using one = await fixture()
  const cases: [status: number, headers: Record<string, string>][] = [
    [206, { 'Content-Range': `bytes 7-${body.length - 1}/${body.length}` }],
    [206, { 'Content-Range': `bytes 5-${body.length - 1}/${body.length + 1}` }],
    [206, {}],
    [416, {}],
  ]
  for (const [status, headers] of cases) {
    one.archive.lie(/x.deb/, { type: 'status', status, headers }, 1)
    await assert.rejects(one.fetch(`${one.archive.url}/x.deb`, undefined, { start: 5 }), {
      code: 'UPSTREAM_WRONG_BYTES',
    })
  }
  assert.deepEqual(await one.fetch(`${one.archive.url}/x.deb`, undefined, { start: 5 }), body.subarray(5))
})

test('no more connections at a time than allowed, and the questions of updates do not wait for them', async () => {
  await using one = await fixture({ connections: 2 })
  const gate = Promise.withResolvers<void>()
  one.archive.lie(/x.deb/, { type: 'wait', until: gate.promise })
  const url = `${one.archive.url}/x.deb`
  const all = [1, 2, 3, 4].map(() => one.fetch(url))
  one.archive.addFile('InRelease', Buffer.from('signed'))
  const small = await one.fetcher.fetchSmall(`${one.archive.url}/InRelease`, 1000, { transport: direct })
  assert.equal(small.outcome, 'ok')
  assert.equal(one.fetcher.hosts.of(url).slots.taken, 2)
  gate.resolve()
  for (const bytes of await Promise.all(all)) assert.deepEqual(bytes, body)
  assert.equal(one.fetcher.hosts.of(url).slots.taken, 0)
})

test('a host is read no faster than allowed, over all its connections', async () => {
  await using one = await fixture({ bandwidth: { windows: [], otherwise: 100_000 } })
  const began = one.clock.now()
  await Promise.all([1, 2].map(() => one.fetch(`${one.archive.url}/x.deb`)))
  const seconds = (one.clock.now() - began) / 1000
  assert.ok(seconds > 5.5 && seconds < 12, `${seconds} s for 600 kB`)
})

test('Retry-After in seconds and as a date', () => {
  const now = Date.UTC(2026, 10, 23, 12, 0, 0)
  assert.equal(parseRetryAfter('120', now), 120)
  assert.equal(parseRetryAfter('Mon, 23 Nov 2026 12:00:30 GMT', now), 30)
  assert.equal(parseRetryAfter('Mon, 23 Nov 2026 11:00:00 GMT', now), 1)
  assert.equal(parseRetryAfter('soon', now), undefined)
  assert.equal(parseRetryAfter(undefined, now), undefined)
  assert.equal(parseRetryAfter('99999999', now), 3600)
})

test('a server that is away is named with the reason and the next step', async () => {
  await using one = await fixture()
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  await assert.rejects(one.fetch(`http://user:secret@127.0.0.1:${port}/x.deb`), (error: UpstreamError) => {
    assert.equal(error.code, 'UPSTREAM_UNREACHABLE')
    assert.match(
      error.message,
      /^http:\/\/127.0.0.1:\d+\/x.deb cannot be reached: the connection was refused$/,
    )
    return true
  })
})
