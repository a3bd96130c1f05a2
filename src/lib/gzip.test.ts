import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { combineCrc32, decompress, deflateBlock, gzipHeader, gzipTrailer } from './gzip.ts'

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

async function* once(data: Uint8Array) {
  yield data
}

test('the CRC of two parts combines to the CRC of the whole', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), fc.uint8Array({ maxLength: 5000 }), (a, b) => {
      assert.equal(combineCrc32(crc32(a), crc32(b), b.length), crc32(Buffer.concat([a, b])))
    }),
  )
  const long = Buffer.alloc(3_000_000, 'uus')
  assert.equal(
    combineCrc32(crc32('x'), crc32(long), long.length),
    crc32(Buffer.concat([Buffer.from('x'), long])),
  )
})

test('segments joined between header and trailer are one gzip member', async () => {
  const parts = ['first '.repeat(9000), '', 'second '.repeat(3), 'z'].map((text) => Buffer.from(text))
  const segments = await Promise.all(parts.map((part) => deflateBlock(part, 6)))
  const whole = Buffer.concat(parts)
  const file = Buffer.concat([gzipHeader, ...segments, gzipTrailer(crc32(whole), whole.length)])
  assert.deepEqual(gunzipSync(file), whole)
})

test('unpacking stops at the first byte over the limit', async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000))
  await assert.rejects(collect(decompress(once(bomb), 'gz', 1_000_000, 'Packages.gz')), {
    code: 'INDEX_BOMB',
  })
  const fits = gzipSync(Buffer.alloc(1_000_000))
  assert.equal((await collect(decompress(once(fits), 'gz', 1_000_000, 'Packages.gz'))).length, 1_000_000)
})

test('zst unpacks, and broken or cut input is refused by name', async () => {
  const text = Buffer.from('stanza\n'.repeat(1000))
  assert.deepEqual(await collect(decompress(once(zstdCompressSync(text)), 'zst', 1e6, 'x')), text)
  for (const broken of [gzipSync(text).subarray(0, 30), Buffer.from('<html>captive portal</html>')]) {
    await assert.rejects(collect(decompress(once(broken), 'gz', 1e6, 'Packages.gz')), {
      code: 'MALFORMED',
      message: 'Packages.gz is not a valid .gz file',
    })
  }
})
