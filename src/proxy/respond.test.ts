import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatHttpDate } from '../debian/date.ts'
import { type Content, parseRange, respond } from './respond.ts'

const body = Buffer.from('0123456789')
const lastModified = Date.UTC(2026, 10, 23, 12, 0, 0)
const date = formatHttpDate(lastModified)
const content: Content = {
  sizeBytes: body.length,
  lastModified,
  etag: '"abc"',
  cacheControl: 'no-cache',
  contentType: 'text/plain',
  stream: (start, end) => body.subarray(start, end),
}

async function withServer(act: (url: string, server: Server) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => void respond(request, response, content))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await act(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

const get = (url: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(url, { headers, method })

test('the whole, with the headers that apt goes by', async () => {
  await withServer(async (url) => {
    const response = await get(url)
    assert.equal(response.status, 200)
    assert.equal(await response.text(), '0123456789')
    assert.equal(response.headers.get('last-modified'), 'Mon, 23 Nov 2026 12:00:00 GMT')
    assert.equal(response.headers.get('accept-ranges'), 'bytes')
    assert.equal(response.headers.get('content-length'), '10')
    assert.equal(response.headers.get('content-encoding'), null)
  })
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
  [{ range: 'bytes=2-4', 'if-range': '"abc"' }, 206, '234'],
  [{ range: 'bytes=2-4', 'if-range': formatHttpDate(lastModified + 1000) }, 200, '0123456789'],
  [{ 'if-modified-since': date }, 304, ''],
  // By equality: after a rollback the older date is news.
  [{ 'if-modified-since': formatHttpDate(lastModified + 1000) }, 200, '0123456789'],
  [{ 'if-modified-since': formatHttpDate(lastModified - 1000) }, 200, '0123456789'],
  [{ 'if-none-match': '"abc"' }, 304, ''],
  [{ 'if-none-match': 'W/"abc", "x"' }, 304, ''],
  [{ 'if-none-match': '"x"', 'if-modified-since': date }, 200, '0123456789'],
] as const) {
  test(`${JSON.stringify(headers)} → ${status}`, async () => {
    await withServer(async (url) => {
      const response = await get(url, headers)
      assert.deepEqual([response.status, await response.text()], [status, expected])
      if (status === 206) {
        const first = body.indexOf(expected)
        assert.equal(
          response.headers.get('content-range'),
          `bytes ${first}-${first + expected.length - 1}/10`,
        )
      }
      if (status === 416) assert.equal(response.headers.get('content-range'), 'bytes */10')
    })
  })
}

test('HEAD has the headers and no body', async () => {
  await withServer(async (url) => {
    const response = await get(url, {}, 'HEAD')
    assert.deepEqual([response.headers.get('content-length'), await response.text()], ['10', ''])
  })
})

test('pipelined requests are answered in order', async () => {
  await withServer(async (url) => {
    const { port, hostname } = new URL(url)
    const socket = connect(Number(port), hostname)
    const ranges = ['0-0', '1-1', '2-2', '3-3']
    const requests = ranges.map((range, index) => {
      const close = index === ranges.length - 1 ? 'Connection: close\r\n' : ''
      return `GET / HTTP/1.1\r\nHost: x\r\nRange: bytes=${range}\r\n${close}\r\n`
    })
    socket.write(requests.join(''))
    const answer = await text(socket)
    assert.deepEqual(
      [...answer.matchAll(/\r\n\r\n(\d)/g)].map(([, digit]) => digit),
      ['0', '1', '2', '3'],
    )
  })
})

test('no Range header leads outside the file', () => {
  const header = fc.oneof(
    fc.string(),
    fc.tuple(fc.nat(30), fc.nat(30)).map(([first, last]) => `bytes=${first}-${last}`),
    fc.nat(30).map((first) => `bytes=${first}-`),
    fc.nat(30).map((last) => `bytes=-${last}`),
  )
  fc.assert(
    fc.property(header, fc.nat(20), (text, sizeBytes) => {
      const range = parseRange(text, sizeBytes)
      if (typeof range === 'string') return
      assert.ok(range.start >= 0 && range.start < range.end && range.end <= sizeBytes)
    }),
  )
})
