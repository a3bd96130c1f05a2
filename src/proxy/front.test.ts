// Answers in front of node:http: the very bytes that node:http would have sent, whatever is asked, in whatever pieces.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { aBody, fileOf } from '../../test/rig/pool.ts'
import { ProxyRig, publish } from '../../test/rig/proxy.ts'
import { formatHttpDate } from '../debian/date.ts'
import { sha256 } from '../lib/digest.ts'
import { FrontConnections } from './front.ts'

const small = Buffer.from('0123456789')
const large = aBody(600_000)
const index = aBody(100_000)
const lastModified = Date.UTC(2026, 10, 23, 12, 0, 0)
const date = formatHttpDate(lastModified)

const published = publish(
  {
    signed: { type: 'bytes', bytes: small, lastModified },
    index: { type: 'bytes', bytes: index, lastModified },
    empty: { type: 'bytes', bytes: Buffer.alloc(0), lastModified },
    'by-hash/1': { type: 'blob', ...fileOf(small), lastModified, isImmutable: true },
  },
  { 'pool/small.deb': fileOf(small), 'pool/large.deb': fileOf(large) },
)

interface Options {
  readonly isPlain?: boolean
  readonly isClosed?: boolean
}

/** With everything in memory that may be. */
async function started({ isPlain = false, isClosed = false }: Options = {}): Promise<ProxyRig> {
  const access = { isForAll: () => !isClosed, admits: () => !isClosed }
  const rig = await ProxyRig.start({ published, isPlain, access })
  rig.pool.archive.addFile('pool/small.deb', small)
  rig.pool.archive.addFile('pool/large.deb', large)
  for (const path of isClosed ? [] : ['by-hash/1', 'pool/small.deb', 'pool/small.deb', 'pool/large.deb']) {
    await (await rig.get(`/c/a/${path}`, { Connection: 'close' })).arrayBuffer()
    await rig.pool.pool.idle()
  }
  rig.lines.length = 0
  rig.plainRequests = 0
  return rig
}

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
const last = get('/c/a/signed', 'Connection: close\r\n')

function open(rig: ProxyRig): Socket {
  return connect({ port: rig.port, host: '127.0.0.1', noDelay: true }).on('error', () => {})
}

/** Whether node:http says 100 depends on how far the answer before it is. */
const comparable = (text: string) =>
  text.replace(/^Date: .*GMT\r$/gm, 'Date: now\r').replace(/HTTP\/1\.1 100 Continue\r\n\r\n/g, '')

/** A reset is an end like another. */
async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
}

/** Everything that is sent back before the connection ends. */
async function converse(rig: ProxyRig, pieces: readonly string[]): Promise<string> {
  const socket = open(rig)
  const answer: Buffer[] = []
  socket.on('data', (bytes: Buffer) => answer.push(bytes))
  for (const piece of pieces) {
    if (!socket.writable) break
    socket.write(piece, 'latin1')
    await turn()
  }
  await closed(socket)
  return comparable(Buffer.concat(answer).toString('latin1'))
}

/** The same one request after the other, each when the one before has its answer. */
async function converseSlowly(rig: ProxyRig, requests: readonly string[]): Promise<string> {
  const socket = open(rig)
  let all = ''
  let begin = 0
  let wake = () => {}
  socket.on('data', (bytes: Buffer) => {
    all += bytes.toString('latin1')
    wake()
  })
  socket.on('close', () => wake())
  for (const request of requests) {
    if (socket.destroyed) break
    socket.write(request, 'latin1')
    for (;;) {
      const end = endOfAnswer(all, begin, request.startsWith('HEAD'))
      if (end !== null) begin = end
      if (end !== null || socket.destroyed) break
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  await closed(socket)
  return comparable(all)
}

/** Null if it is not there as a whole. */
function endOfAnswer(text: string, begin: number, isHead: boolean): number | null {
  const end = text.indexOf('\r\n\r\n', begin)
  if (end < 0) return null
  const head = text.slice(begin, end)
  if (head.startsWith('HTTP/1.1 100')) return endOfAnswer(text, end + 4, isHead)
  const length = isHead ? 0 : Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
  return text.length >= end + 4 + length ? end + 4 + length : null
}

function countersOf(rig: ProxyRig) {
  const { indexes, hits, unmodified, packageBytes, indexBytes } = rig.traffic.of('c', 'a')
  return { indexes, hits, unmodified, packageBytes, indexBytes }
}

/** In no order: node:http writes a line when the next answer is on its way already. */
function linesOf(rig: ProxyRig): string[] {
  return rig.lines
    .splice(0)
    .map(({ ms: _ms, ...line }) => JSON.stringify(line))
    .sort()
}

const target = fc.constantFrom(
  '/c/a/signed',
  '/c/a/index',
  '/c/a/empty',
  '/c/a/by-hash/1',
  '/c/a/pool/small.deb',
  '/c/a/pool/small.deb?x#y',
  '/c/a/./pool/sm%61ll.deb',
  '/c/a/pool/large.deb',
  '/c/a/nothing',
  '/c/../c/a/signed',
  '/healthz',
  '/c/a/"quoted\\"',
  'http://x/c/a/signed',
  '*',
)
const simpleHeader = fc.constantFrom(
  'User-Agent: Debian APT-HTTP/1.3 (2.6.1)',
  'connection: Keep-Alive',
  'Cache-Control: max-age=0',
  'Accept: text/*',
  `If-Modified-Since: ${date}`,
  `If-Modified-Since:${date} `,
  `If-None-Match: "x", "${sha256(small)}"`,
  `If-Range: ${date}`,
  'Range: bytes=2-4 ',
  'Range: bytes=5-',
  'Range: bytes=0-1,4-5',
  'Range: bytes=99999999-',
  'Authorization: Basic Og==',
  'X-Empty:',
  'TE: trailers',
  'Keep-Alive: 300',
)
const oddHeader = fc.constantFrom(
  'Host: y',
  'Content-Length: 0',
  'Content-Length: 0x0',
  'Transfer-Encoding: identity',
  'Expect: 100-continue',
  'Connection: upgrade',
  'Upgrade: websocket',
  'Proxy-Connection: close',
  'Range : bytes=0-1',
  ' folded: line',
  'X-High: \xe9',
  'X-Nul: \0',
  'X-Return: a\rb',
  'X-Feed: a\nRange: bytes=0-1',
  'no colon',
  ': no name',
  `X-Long: ${'x'.repeat(5000)}`,
)

const simple = fc
  .record({ target, headers: fc.array(simpleHeader, { maxLength: 4 }) })
  .map((one) => get(one.target, one.headers.map((header) => `${header}\r\n`).join('')))
const hot = fc
  .constantFrom('signed', 'index', 'by-hash/1', 'pool/small.deb')
  .map((path) => get(`/c/a/${path}`))
const odd = fc.oneof(
  fc
    .record({ target, header: oddHeader, headers: fc.array(simpleHeader, { maxLength: 2 }) })
    .map((one) => get(one.target, [one.header, ...one.headers].map((header) => `${header}\r\n`).join(''))),
  fc.constantFrom(
    'HEAD /c/a/signed HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /c/a/signed HTTP/1.0\r\n\r\n',
    'GET /c/a/signed HTTP/1.1\r\n\r\n',
    'GET  /c/a/signed HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /c/a/signed HTTP/1.1 \r\nHost: x\r\n\r\n',
    'GET /c/a/signed x HTTP/1.1\r\nHost: x\r\n\r\n',
    'get /c/a/signed HTTP/1.1\r\nHost: x\r\n\r\n',
    '\r\nGET /c/a/signed HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /c/a/signed HTTP/1.1\nHost: x\n\n',
    // A request within the body of another.
    `POST /c/a/signed HTTP/1.1\r\nHost: x\r\nContent-Length: ${get('/c/a/index').length}\r\n\r\n${get('/c/a/index')}`,
    `GET /c/a/signed HTTP/1.1\r\nHost: x\r\nContent-Length: ${get('/c/a/index').length}\r\n\r\n${get('/c/a/index')}`,
    `GET /c/a/signed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${get('/c/a/index').length.toString(16)}\r\n${get('/c/a/index')}\r\n0\r\n\r\n`,
    'GET /c/a/signed HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ),
)

test('whatever is sent, in whatever pieces: the bytes, counters and log lines of node:http', async () => {
  await using rig = await started()
  await using plain = await started({ isPlain: true })
  let answeredInFront = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          { arbitrary: hot, weight: 6 },
          { arbitrary: simple, weight: 4 },
          { arbitrary: odd, weight: 1 },
        ),
        { maxLength: 9 },
      ),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }),
      async (some, cuts) => {
        for (const one of [rig, plain]) Object.assign(one.traffic.of('c', 'a'), nothingCounted)
        const requests = [...some, last]
        const all = requests.join('')
        const places = cuts.map((cut) => Math.floor(cut * all.length)).sort((a, b) => a - b)
        const pieces = [0, ...places].map((place, at) => all.slice(place, places[at] ?? all.length))
        const got = await converse(rig, pieces)
        const expected = await converseSlowly(plain, requests)
        await Promise.all([rig.left(), plain.left()])
        const [lines, plainLines] = [linesOf(rig), linesOf(plain)]
        answeredInFront += lines.length - rig.plainRequests
        rig.plainRequests = 0
        // Where a request ends the connection, node:http drops answers that wait behind others.
        if (plainLines.length < requests.length) assert.ok(expected.startsWith(got.replace(refusal, '')))
        else {
          assert.equal(got, expected)
          assert.deepEqual(lines, plainLines)
          assert.deepEqual(countersOf(rig), countersOf(plain))
        }
      },
    ),
    { numRuns: 500 },
  )
  assert.ok(answeredInFront > 200, String(answeredInFront))
})

const refusal = /HTTP\/1\.1 4\d\d [\w ]+\r\nConnection: close\r\n\r\n$/
const nothingCounted = { indexes: 0, hits: 0, unmodified: 0, packageBytes: 0, indexBytes: 0 }

test('what is in memory never comes to node:http, pipelined or not', async () => {
  await using rig = await started()
  const requests = ['signed', 'index', 'empty', 'by-hash/1', 'pool/small.deb'].flatMap((path) => [
    get(`/c/a/${path}`),
    get(`/c/a/${path}`, `If-Modified-Since: ${date}\r\n`),
  ])
  requests.push(get('/c/a/index', 'Range: bytes=5-9\r\n'))
  for (const pieces of [[requests.join('')], requests]) {
    const socket = open(rig)
    let answer = ''
    socket.on('data', (bytes: Buffer) => {
      answer += bytes.toString('latin1')
    })
    const count = () => answer.split('HTTP/1.1 ').length - 1
    for (const [at, piece] of pieces.entries()) {
      socket.write(piece)
      const expected = pieces.length === 1 ? requests.length : at + 1
      while (count() < expected) await turn()
    }
    socket.destroy()
  }
  assert.equal(rig.plainRequests, 0)
  assert.equal(rig.lines.length, 2 * requests.length)
})

test('files that are not for everybody are node:http’s, which asks', async () => {
  await using rig = await started({ isClosed: true })
  assert.equal((await rig.get('/c/a/signed')).status, 401)
  assert.equal(rig.plainRequests, 1)
})

test('a head that comes by drips is answered all the same', async () => {
  await using rig = await started()
  const socket = open(rig)
  const answer = once(socket, 'data')
  for (const letter of last) {
    socket.write(letter)
    await turn()
  }
  assert.match(String((await answer)[0]), /^HTTP\/1\.1 200 OK\r\n/)
})

test('a client that asks for much and takes nothing is waited for, and gets all in the end', async () => {
  await using rig = await started()
  const socket = open(rig).pause()
  const asked = 2000
  socket.write(get('/c/a/index').repeat(asked))
  socket.write(last)
  while (rig.lines.length === 0) await turn()
  for (let at = 0; at < 100; at++) await turn()
  assert.ok(rig.lines.length < asked / 2, `${rig.lines.length} answers left`)
  let tookBytes = 0
  for await (const chunk of socket) tookBytes += (chunk as Buffer).length
  assert.ok(tookBytes > asked * index.length && tookBytes < asked * (index.length + 500), String(tookBytes))
  assert.equal(rig.lines.length, asked + 1)
  assert.equal(rig.plainRequests, 1)
})

for (const [what, more, answers] of [
  ['', '', 0],
  [', something that is not in memory at the end', get('/c/a/nothing'), 1],
  [', half a request at the end', 'GET /c/a/index HT', 0],
] as const) {
  test(`who asks for much and says at once that nothing more will come gets all of it${what}`, async () => {
    await using rig = await started()
    const asked = 300
    const socket = open(rig).pause()
    socket.end(get('/c/a/index').repeat(asked) + more)
    while (rig.lines.length === 0) await turn()
    for (let at = 0; at < 100; at++) await turn()
    let text = ''
    for await (const chunk of socket) text += (chunk as Buffer).toString('latin1')
    assert.equal(text.split('HTTP/1.1 200').length - 1, asked)
    assert.equal(text.split('HTTP/1.1 404').length - 1, answers)
    assert.equal(rig.lines.filter(({ isCut }) => isCut).length, 0)
  })
}

test('what is no HTTP is told so at once', async () => {
  await using rig = await started()
  for (const bytes of [
    Buffer.from('160301020001', 'hex'),
    'HELO\r\n',
    'GET /c/a/signed HTTP/1.1\nHost: x\n\n',
  ]) {
    const socket = open(rig)
    socket.write(bytes)
    const [answer] = await once(socket, 'data')
    assert.match(String(answer), /^HTTP\/1\.1 400 /)
  }
})

test('who resets the connection at once has lines that say so', async () => {
  await using rig = await started()
  const socket = open(rig)
  await once(socket, 'connect')
  socket.write(get('/c/a/index').repeat(50))
  socket.resetAndDestroy()
  await rig.left()
  for (const line of rig.lines.slice(1)) assert.ok(line.isCut, JSON.stringify(line))
})

test('who leaves in the middle of an answer has a line that says so', async () => {
  await using rig = await started()
  rig.published = publish({ index: { type: 'bytes', bytes: aBody(32 << 20), lastModified } })
  const socket = open(rig)
  socket.write(get('/c/a/index'))
  await once(socket, 'data')
  socket.destroy()
  while (rig.lines.length === 0) await turn()
  assert.equal(rig.lines[0]!.isCut, true)
  assert.equal(rig.plainRequests, 0)
})

test('stopping: idle connections end, answers that are under way or owed go out', async () => {
  await using rig = await started()
  rig.published = publish({ index: { type: 'bytes', bytes: aBody(16 << 20), lastModified } })
  const idle = open(rig)
  const idleEnd = once(idle, 'close')
  await once(idle, 'connect')
  const [one, several] = [open(rig), open(rig)]
  one.write(get('/c/a/index'))
  several.write(get('/c/a/index').repeat(2))
  await Promise.all([once(one, 'readable'), once(several, 'readable')])
  const stopped = rig.stop()
  await idleEnd
  const sizes = await Promise.all(
    [one, several].map(async (socket) => {
      let sizeBytes = 0
      for await (const chunk of socket) sizeBytes += (chunk as Buffer).length
      return Math.floor(sizeBytes / (16 << 20))
    }),
  )
  assert.deepEqual(sizes, [1, 2])
  await stopped
})

test('who asks for nothing, or for nothing more, or takes nothing, is left in the end', async () => {
  const limits = { headMs: 200, keepAliveMs: 200, silenceMs: 200 }
  const body = aBody(32 << 20)
  const ready = ({ target }: { target: string }) =>
    ({ status: 200, headers: [], body: target === '/large' ? body : small, cache: null }) as const
  const server = createServer()
  const connections = new FrontConnections(server, { ready, accessLog: null }, limits)
  server.on('connection', connections.take)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const requests = ['', get('/small'), get('/large')]
  const opened = requests.map(async (request) => {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    socket.write(request)
    if (request !== requests[2]) socket.resume()
    await once(socket, 'connect')
    return socket
  })
  const sockets = await Promise.all(opened)
  while (connections.size > 0) await turn()
  for (const socket of sockets) socket.destroy()
  server.close()
})
