// Several ranges of a generated file in one answer, as slaves ask for them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { aBody, fileOf } from '../../test/rig/pool.ts'
import { ProxyRig, publish } from '../../test/rig/proxy.ts'
import { type ByteRange, rangeHeader, readRanges } from '../pool/byte-ranges.ts'
import { severalRanges } from './parts.ts'

const body = aBody(700_000)
const path = `dists/s/main/binary-amd64/by-hash/SHA256/${fileOf(body).sha256}`
const url = `/c/a/${path}`
const file = { type: 'blob', ...fileOf(body), lastModified: 0, isImmutable: true } as const

async function started(memoryBytes: number): Promise<ProxyRig> {
  const published = publish({ [path]: file, 'dists/s/main/binary-amd64/Packages.gz': file })
  const rig = await ProxyRig.start({ published, memoryBytes })
  const writer = await rig.pool.blobs.create()
  await writer.write(body)
  await writer.commit()
  return rig
}

/** Some ranges, in order and apart. */
const someRanges = fc
  .uniqueArray(fc.nat(body.length), { minLength: 4, maxLength: 40 })
  .map((points) => points.sort((a, b) => a - b))
  .map((points) =>
    Array.from({ length: Math.floor(points.length / 2) }, (_, index): ByteRange => {
      return { start: points[2 * index]!, end: points[2 * index + 1]! }
    }),
  )

for (const [where, memoryBytes] of [
  ['memory', 8 << 20],
  ['the disk', 1 << 20],
] as const) {
  test(`any ranges come as they were asked for, from ${where}`, async () => {
    await using rig = await started(memoryBytes)
    await fc.assert(
      fc.asyncProperty(someRanges, async (ranges) => {
        const response = await rig.get(url, { range: rangeHeader(ranges) })
        assert.equal(response.status, 206)
        const bytes = Buffer.from(await response.arrayBuffer())
        assert.equal(response.headers.get('content-length'), String(bytes.length))
        const headers = Object.fromEntries(response.headers)
        const got = readRanges(url, { statusCode: 206, headers }, bytes, { sizeBytes: body.length, ranges })
        assert.ok(got.equals(Buffer.concat(ranges.map(({ start, end }) => body.subarray(start, end)))))
      }),
      { numRuns: 30 },
    )
    assert.deepEqual(rig.errors, [])
  })
}

test('what may change under its name is sent whole, and so is a file for odd ranges', async () => {
  await using rig = await started(8 << 20)
  const ranges = { range: 'bytes=0-9,20-29' }
  assert.equal((await rig.get('/c/a/dists/s/main/binary-amd64/Packages.gz', ranges)).status, 200)
  for (const range of ['bytes=20-29,0-9', 'bytes=0-9,5-14', 'bytes=0-9,-5', `bytes=0-9,20-${body.length}`])
    assert.equal((await rig.get(url, { range })).status, 200, range)
  assert.equal((await rig.get(url, { range: 'bytes=0-9,20-29' }, 'HEAD')).status, 200)
})

test('more ranges than a request can name are no ranges', () => {
  const texts = Array.from({ length: 1001 }, (_, index) => `${index * 2}-${index * 2}`)
  assert.equal(severalRanges(`bytes=${texts.join(',')}`, 10_000), null)
  assert.equal(severalRanges(`bytes=${texts.slice(1).join(',')}`, 10_000)?.length, 1000)
})

test('a client that leaves in the middle leaves nothing behind', async () => {
  await using rig = await started(1 << 20)
  const ranges = [
    { start: 0, end: 300_000 },
    { start: 300_001, end: 700_000 },
  ]
  const stop = new AbortController()
  const response = await fetch(`http://127.0.0.1:${rig.port}${url}`, {
    headers: { range: rangeHeader(ranges) },
    signal: stop.signal,
  })
  await response.body!.getReader().read()
  stop.abort()
  const again = await rig.get(url, { range: rangeHeader(ranges) })
  assert.equal((await again.arrayBuffer()).byteLength > 699_999, true)
  assert.deepEqual(rig.errors, [])
})
