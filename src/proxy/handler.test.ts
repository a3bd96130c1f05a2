// What clients get: the right bytes under the right headers, whole, in parts, or not at all.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import fc from 'fast-check'
import { aBody, fileOf } from '../../test/rig/pool.ts'
import { ProxyRig, publish } from '../../test/rig/proxy.ts'
import { formatHttpDate } from '../debian/date.ts'
import { sha256 } from '../lib/digest.ts'
import { parseRange } from './respond.ts'

const small = Buffer.from('0123456789')
const lastModified = Date.UTC(2026, 10, 23, 12, 0, 0)
const date = formatHttpDate(lastModified)
const large = aBody(3_000_000)
const etag = `"${sha256(small)}"`

const published = publish(
  {
    signed: { type: 'bytes', bytes: small, lastModified },
    blob: { type: 'blob', ...fileOf(small), lastModified, isImmutable: false },
    missing: { type: 'blob', ...fileOf(Buffer.from('missing')), lastModified, isImmutable: false },
  },
  {
    'pool/small.deb': fileOf(small),
    'pool/large.deb': fileOf(large),
    'pool/gone.deb': fileOf(Buffer.from('gone')),
  },
)

async function started(): Promise<ProxyRig> {
  const rig = await ProxyRig.start({ published })
  rig.pool.archive.addFile('pool/small.deb', small)
  rig.pool.archive.addFile('pool/large.deb', large)
  const writer = await rig.pool.blobs.create()
  await writer.write(small)
  await writer.commit()
  return rig
}

const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer())

test('the whole, with the headers that apt goes by', async () => {
  await using rig = await started()
  for (const path of ['/c/a/signed', '/c/a/blob', '/c/a/pool/small.deb']) {
    for (const round of ['from the disk', 'from memory']) {
      const response = await rig.get(path)
      assert.equal(response.status, 200, `${path} ${round}`)
      assert.equal(await response.text(), '0123456789')
      assert.equal(response.headers.get('accept-ranges'), 'bytes')
      assert.equal(response.headers.get('content-length'), '10')
      assert.equal(response.headers.get('content-encoding'), null)
      assert.match(
        response.headers.get('last-modified') ?? '',
        /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/,
      )
    }
  }
  assert.equal((await rig.get('/c/a/signed')).headers.get('last-modified'), 'Mon, 23 Nov 2026 12:00:00 GMT')
  const { hits, indexes, packageBytes, indexBytes } = rig.traffic.of('c', 'a')
  assert.deepEqual(
    { hits, indexes, packageBytes, indexBytes },
    { hits: 2, indexes: 5, packageBytes: 20, indexBytes: 50 },
  )
})

for (const [headers, status, expected] of [
  [{ range: 'bytes=2-4' }, 206, '234'],
  [{ range: 'bytes=7-' }, 206, '789'],
  [{ range: 'bytes=-2' }, 206, '89'],
  [{ range: 'bytes=5-99' }, 206, '56789'],
  [{ range: 'bytes=0-0' }, 206, '0'],
  [{ range: 'bytes=10-' }, 416, 'The file has only 10 bytes\n'],
  [{ range: 'bytes=1-2,4-5' }, 200, '0123456789'],
  [{ range: 'chapters=1-2' }, 200, '0123456789'],
  [{ range: 'bytes=4-2' }, 200, '0123456789'],
  [{ range: 'bytes=2-4', 'if-range': date }, 206, '234'],
  [{ range: 'bytes=2-4', 'if-range': etag }, 206, '234'],
  [{ range: 'bytes=2-4', 'if-range': formatHttpDate(lastModified + 1000) }, 200, '0123456789'],
  [{ 'if-modified-since': date }, 304, ''],
  // By equality: after a rollback the older date is news.
  [{ 'if-modified-since': formatHttpDate(lastModified + 1000) }, 200, '0123456789'],
  [{ 'if-modified-since': formatHttpDate(lastModified - 1000) }, 200, '0123456789'],
  [{ 'if-none-match': etag }, 304, ''],
  [{ 'if-none-match': `W/${etag}, "x"` }, 304, ''],
  [{ 'if-none-match': '"x"', 'if-modified-since': date }, 200, '0123456789'],
] as const) {
  test(`${JSON.stringify(headers)} → ${status}`, async () => {
    await using rig = await started()
    for (const _round of ['from the disk', 'from memory']) {
      const response = await rig.get('/c/a/blob', headers)
      assert.deepEqual([response.status, await response.text()], [status, expected])
      if (status === 206) {
        const first = small.indexOf(expected)
        const range = `bytes ${first}-${first + expected.length - 1}/10`
        assert.equal(response.headers.get('content-range'), range)
      }
      if (status === 416) assert.equal(response.headers.get('content-range'), 'bytes */10')
      if (status !== 200) assert.equal(response.headers.get('last-modified'), date)
    }
  })
}

test('a large file, cold and warm: whole, and every kind of range', async () => {
  await using rig = await started()
  for (const _round of ['cold', 'warm']) {
    assert.deepEqual(await bytesOf(await rig.get('/c/a/pool/large.deb')), large)
    await rig.pool.pool.idle()
    for (const [range, expected] of [
      ['0-0', large.subarray(0, 1)],
      ['1000000-1999999', large.subarray(1_000_000, 2_000_000)],
      ['-5', large.subarray(-5)],
      ['2999999-', large.subarray(-1)],
    ] as const) {
      const response = await rig.get('/c/a/pool/large.deb', { range: `bytes=${range}` })
      assert.equal(response.status, 206)
      assert.deepEqual(await bytesOf(response), expected)
    }
  }
  assert.equal(rig.pool.archive.takeRequests().length, 1)
  assert.equal(rig.pool.buffers.usedBytes, 0)
})

test('HEAD has the headers and no body, and fetches nothing; 304 and 416 of a cold file neither', async () => {
  await using rig = await started()
  const head = await rig.get('/c/a/pool/large.deb', {}, 'HEAD')
  assert.deepEqual([head.headers.get('content-length'), await head.text()], ['3000000', ''])
  const known = await rig.get('/c/a/pool/large.deb', { 'if-none-match': `"${sha256(large)}"` })
  assert.equal(known.status, 304)
  assert.equal((await rig.get('/c/a/pool/large.deb', { range: 'bytes=3000000-' })).status, 416)
  assert.deepEqual(rig.pool.archive.takeRequests(), [])
})

test('what cannot be had is said with a status and a body that apt understands', async () => {
  await using rig = await started()
  for (const [path, status, method] of [
    ['/c/a/nothing', 404, 'GET'],
    ['/c/a/dists/x', 404, 'GET'],
    ['/c/nothing/x', 404, 'GET'],
    ['/c', 404, 'GET'],
    ['/elsewhere', 404, 'GET'],
    ['/empty/a/x', 503, 'GET'],
    ['/c/a/pool/gone.deb', 404, 'GET'],
    ['/c/a/missing', 500, 'GET'],
    ['/c/a/signed', 405, 'POST'],
  ] as const) {
    const response = await rig.get(path, {}, method)
    assert.equal(response.status, status, path)
    assert.ok((await response.text()).length > 1, path)
  }
  const headers = { 'Retry-After': '60' }
  rig.pool.archive.lie(/large/, { type: 'status', status: 503, body: 'later', headers })
  const busy = await rig.get('/c/a/pool/large.deb')
  assert.deepEqual([busy.status, busy.headers.get('retry-after')], [502, '60'])
  assert.match(await busy.text(), /answered 503/)
})

test('who holds a part of wrong bytes gets the whole on asking for the rest', async () => {
  await using rig = await started()
  rig.pool.archive.lie(/large/, { type: 'wrong-bytes' }, 1)
  await assert.rejects(rig.get('/c/a/pool/large.deb').then(bytesOf))
  for (const _round of ['cold', 'warm']) {
    const again = await rig.get('/c/a/pool/large.deb', { range: 'bytes=2999999-' })
    assert.equal(again.status, 200)
    assert.deepEqual(await bytesOf(again), large)
  }
})

test('another published value counts from the next request on', async () => {
  await using rig = await started()
  assert.equal((await rig.get('/c/a/signed')).status, 200)
  rig.published = publish({ other: { type: 'bytes', bytes: small, lastModified } })
  assert.equal((await rig.get('/c/a/signed')).status, 404)
  assert.equal((await rig.get('/c/a/other')).status, 200)
})

test('pipelined requests are answered in order, whatever is cold and whatever is warm', async () => {
  await using rig = await started()
  const paths = [
    'pool/large.deb',
    'signed',
    'pool/small.deb',
    'pool/large.deb',
    'nothing',
    'blob',
    'pool/large.deb',
  ]
  const requests = paths.map((path, index) => {
    const close = index === paths.length - 1 ? 'Connection: close\r\n' : ''
    return `GET /c/a/${path} HTTP/1.1\r\nHost: x\r\nRange: bytes=${index}-${index}\r\n${close}\r\n`
  })
  const socket = connect(rig.port, '127.0.0.1')
  socket.write(requests.join(''))
  const answer = await text(socket.setEncoding('latin1'))
  const bodies = [...answer.matchAll(/\r\n\r\n([\s\S]*?)(?=HTTP\/1.1|$)/g)].map(([, body]) => body)
  assert.equal(bodies.length, paths.length)
  const at = (body: Buffer, index: number) => body.toString('latin1', index, index + 1)
  assert.deepEqual(
    bodies.map((body, index) => (paths[index] === 'nothing' ? body!.trim().length > 1 : body)),
    paths.map((path, index) => {
      if (path === 'nothing') return true
      return path === 'pool/large.deb' ? at(large, index) : at(small, index)
    }),
  )
})

test('ten whole large files on one connection: in order, and memory for one of them at a time', async () => {
  await using rig = await started()
  await bytesOf(await rig.get('/c/a/pool/large.deb'))
  await rig.pool.pool.idle()
  const socket = connect(rig.port, '127.0.0.1')
  socket.write('GET /c/a/pool/large.deb HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(10))
  let peakBytes = 0
  let received = 0
  for await (const chunk of socket) {
    peakBytes = Math.max(peakBytes, rig.pool.buffers.usedBytes)
    received += (chunk as Buffer).length
    if (received > 10 * large.length + 10 * 200) break
  }
  assert.ok(peakBytes <= 3 * (256 << 10), `${peakBytes}`)
})

test('a client that leaves frees what was held for it', async () => {
  await using rig = await started()
  for (const _round of ['cold', 'warm']) {
    const socket = connect(rig.port, '127.0.0.1')
    socket.write('GET /c/a/pool/large.deb HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3))
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
    await rig.pool.pool.idle()
    while (rig.pool.buffers.usedBytes > 0) await new Promise((resolve) => setImmediate(resolve))
    // Answers that waited for their turn end, too.
    while (rig.lines.length < 3) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(rig.lines.splice(0).every(({ isCut }) => isCut))
  }
  assert.deepEqual(rig.errors, [])
  assert.deepEqual(await bytesOf(await rig.get('/c/a/pool/large.deb')), large)
})

test('a client that leaves before its file is open leaves nothing open', async () => {
  await using rig = await started()
  await bytesOf(await rig.get('/c/a/pool/large.deb'))
  await rig.pool.pool.idle()
  for (const asked of [1, 3]) {
    const { promise, resolve } = Promise.withResolvers<void>()
    rig.held = promise
    rig.plainRequests = 0
    rig.lines.length = 0
    const socket = connect(rig.port, '127.0.0.1')
    socket.write('GET /c/a/pool/large.deb HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(asked))
    while (rig.plainRequests < asked) await new Promise((resolve) => setImmediate(resolve))
    socket.destroy()
    while (rig.lines.length < asked) await new Promise((resolve) => setImmediate(resolve))
    resolve()
    for (let at = 0; at < 1000 && (at < 100 || rig.readers.size > 0); at++) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(rig.readers.size, 0)
  }
})

test('no Range header leads outside the file', () => {
  const header = fc.oneof(
    fc.string(),
    fc.tuple(fc.nat(30), fc.nat(30)).map(([first, last]) => `bytes=${first}-${last}`),
    fc.nat(30).map((first) => `bytes=${first}-`),
    fc.nat(30).map((last) => `bytes=-${last}`),
  )
  fc.assert(
    fc.property(header, fc.nat(20), (value, sizeBytes) => {
      const range = parseRange(value, sizeBytes)
      if (typeof range === 'string') return
      assert.ok(range.start >= 0 && range.start < range.end && range.end <= sizeBytes)
    }),
  )
})
