import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { crc32, gzipSync, zstdCompressSync } from 'node:zlib'
import { needs } from '../../test/rig/programs.ts'
import type { Compression } from './gzip.ts'
import { type UnpackLimits, unpack } from './unpack.ts'

const subject = { what: 'control.tar of x.deb', hint: 'Build it anew' }
const roomy: UnpackLimits = { plainBytes: 1e9, seconds: 60 }

function packWith(program: string, arguments_: readonly string[], plain: Buffer): Buffer {
  const run = spawnSync(program, ['-c', ...arguments_], { input: plain, maxBuffer: 1e9 })
  assert.equal(run.status, 0, run.stderr.toString())
  return run.stdout
}

const xz = (plain: Buffer, ...options: string[]) => packWith('xz', ['-T1', ...options], plain)

/** Counts what is read of it. */
class Source {
  readBytes = 0
  readonly #file: Buffer
  readonly #chunkBytes: number

  constructor(file: Buffer, chunkBytes: number) {
    this.#file = file
    this.#chunkBytes = chunkBytes
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (let at = 0; at < this.#file.length; at += this.#chunkBytes) {
      const chunk = this.#file.subarray(at, at + this.#chunkBytes)
      this.readBytes += chunk.length
      yield chunk
    }
  }
}

async function unpackAll(
  file: Buffer,
  compression: Compression,
  limits = roomy,
  chunkBytes = 4096,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of unpack(new Source(file, chunkBytes), compression, limits, subject))
    chunks.push(chunk)
  return Buffer.concat(chunks)
}

const text = Buffer.concat([Buffer.from('a line of text\n'.repeat(20_000)), randomBytes(300_000)])

test('what was packed comes out, whatever packed it', needs('xz', 'zstd'), async () => {
  const files: [Compression, Buffer][] = [
    ['none', text],
    ['gz', gzipSync(text)],
    ['gz', Buffer.concat([gzipSync(text.subarray(0, 1000)), gzipSync(text.subarray(1000))])],
    ['zst', zstdCompressSync(text)],
    ['zst', packWith('zstd', ['-19', '--check'], text)],
    ['zst', packWith('zstd', ['-1', '--no-check', '--long=27'], text)],
    ['xz', xz(text)],
    ['xz', xz(text, '-9e', '--check=sha256')],
    ['xz', xz(text, '-0', '--check=none', '--block-size=100000')],
    ['xz', packWith('xz', ['-T2', '--block-size=70000'], text)],
  ]
  for (const [compression, file] of files) {
    for (const chunkBytes of [1 << 20, 4096, 600 + (file.length % 97)]) {
      assert.ok((await unpackAll(file, compression, roomy, chunkBytes)).equals(text), compression)
    }
  }
})

test('short and empty texts come out too', needs('xz', 'zstd'), async () => {
  for (const plain of [Buffer.alloc(0), Buffer.from('short')]) {
    for (const [compression, file] of [
      ['gz', gzipSync(plain)],
      ['zst', zstdCompressSync(plain)],
      ['zst', packWith('zstd', ['--check'], plain)],
      ['xz', xz(plain)],
    ] as const) {
      for (const chunkBytes of [1, 1000])
        assert.deepEqual(await unpackAll(file, compression, roomy, chunkBytes), plain, compression)
    }
  }
})

test(
  'what unpacks to more than its limit is refused, an .xz file before it unpacks',
  needs('xz'),
  async () => {
    const zeros = Buffer.alloc(60_000_000)
    const bombs: [Compression, Buffer][] = [
      ['none', zeros],
      ['gz', gzipSync(zeros)],
      ['zst', zstdCompressSync(zeros)],
      ['xz', xz(zeros)],
    ]
    for (const [compression, bomb] of bombs) {
      let plainBytes = 0
      const limits = { plainBytes: 5_000_000, seconds: 60 }
      const source = new Source(bomb, 4096)
      await assert.rejects(
        async () => {
          for await (const chunk of unpack(source, compression, limits, subject)) plainBytes += chunk.length
        },
        { code: 'MALFORMED', message: 'control.tar of x.deb: unpacks to more than 5.0 MB' },
      )
      assert.ok(plainBytes <= 5_000_000, `${compression} ${plainBytes}`)
      if (compression === 'none') assert.ok(source.readBytes < 6_000_000)
    }
  },
)

test('whoever stops reading stops the unpacking', needs('xz'), async () => {
  const noise = randomBytes(20_000_000)
  for (const [compression, file] of [
    ['gz', gzipSync(noise, { level: 1 })],
    ['zst', zstdCompressSync(noise)],
    ['xz', xz(noise, '-0')],
  ] as const) {
    const source = new Source(file, 65_536)
    for await (const chunk of unpack(source, compression, roomy, subject)) {
      assert.ok(chunk.equals(noise.subarray(0, chunk.length)))
      break
    }
    assert.ok(source.readBytes < 5_000_000, `${compression} read ${source.readBytes}`)
  }
})

test('time that runs out is a refusal', async () => {
  await assert.rejects(unpackAll(gzipSync(text), 'gz', { plainBytes: 1e9, seconds: 0 }), {
    code: 'MALFORMED',
    message: 'control.tar of x.deb: takes more than 0 seconds to unpack',
  })
})

/** An .xz file whose index says something else than its blocks; its checksum is right. */
function withLyingIndex(file: Buffer): Buffer {
  const lie = Buffer.from(file)
  const indexBytes = (lie.readUInt32LE(lie.length - 8) + 1) * 4
  const start = lie.length - 12 - indexBytes
  lie[start + 4]! ^= 1
  lie.writeUInt32LE(crc32(lie.subarray(start, start + indexBytes - 4)), start + indexBytes - 4)
  return lie
}

test('every cut, and everything behind the end, is refused', needs('xz', 'zstd'), async () => {
  const short = Buffer.from('some text, some text, some text')
  const files: [Compression, Buffer][] = [
    ['gz', gzipSync(short)],
    ['zst', zstdCompressSync(short)],
    ['zst', packWith('zstd', ['--check'], short)],
    ['xz', xz(short)],
  ]
  for (const [compression, file] of files) {
    for (let length = 0; length < file.length; length++) {
      await assert.rejects(unpackAll(file.subarray(0, length), compression), { code: 'MALFORMED' })
    }
    for (const more of [Buffer.from('x'), Buffer.alloc(16), Buffer.from('garbage garbage')]) {
      // Zeros in multiples of four are padding to every reader of .xz.
      if (compression === 'xz' && more.length === 16) continue
      await assert.rejects(unpackAll(Buffer.concat([file, more]), compression), { code: 'MALFORMED' })
    }
  }
})

test('what dpkg would read otherwise than others is refused', needs('xz', 'zstd'), async () => {
  const half = zstdCompressSync(text)
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0])
  for (const [compression, file, why] of [
    ['zst', Buffer.concat([half, half]), /something after the end of its zstd frame/],
    ['zst', Buffer.concat([half, skippable]), /something after the end of its zstd frame/],
    ['zst', Buffer.concat([skippable, half]), /does not begin as a .zst file/],
    ['xz', Buffer.concat([xz(text), xz(text)]), /something after the end of its .xz stream/],
    ['xz', withLyingIndex(xz(text)), /an index that does not fit its blocks/],
    ['xz', xz(text, '--x86', '--lzma2'), /a filter other than LZMA2/],
  ] as const) {
    await assert.rejects(unpackAll(file, compression), { code: 'MALFORMED', message: why })
  }
})

test('a decoder that would need much memory is never started', needs('xz', 'zstd'), async () => {
  const wide = packWith('zstd', ['--long=28', '--zstd=wlog=28'], randomBytes(1 << 20))
  const single = Buffer.from('28b52ffde0000000f000000000010000', 'hex') // one segment of 64 GiB
  for (const [compression, file, why] of [
    ['zst', wideWindow(wide), /zstd window of more than 128 MiB/],
    ['zst', single, /zstd window of more than 128 MiB/],
    ['xz', xz(text, '--lzma2=preset=6,dict=96MiB'), /dictionary of more than 64 MiB/],
  ] as const) {
    await assert.rejects(unpackAll(file, compression), { code: 'MALFORMED', message: why })
  }
  assert.equal((await unpackAll(xz(text, '--lzma2=preset=6,dict=64MiB'), 'xz')).length, text.length)
})

/** zstd narrows its window to short input: the frame header's descriptor is set to 256 MiB. */
function wideWindow(file: Buffer): Buffer {
  const flags = file[4]!
  const wide = Buffer.from(file)
  if ((flags & 0x20) === 0) wide[5] = (28 - 10) << 3
  else wide[4] = flags & ~0x20 // then the size's first byte is read as the window
  return (flags & 0x20) === 0
    ? wide
    : Buffer.concat([wide.subarray(0, 5), Buffer.from([(28 - 10) << 3]), wide.subarray(5)])
}

test('flipped bits are found', needs('xz', 'zstd'), async () => {
  for (const [compression, file] of [
    ['gz', gzipSync(text)],
    ['zst', packWith('zstd', ['--check'], text)],
    ['xz', xz(text)],
  ] as const) {
    for (let at = 20; at < file.length; at += Math.ceil(file.length / 23)) {
      const flipped = Buffer.from(file)
      flipped[at]! ^= 0x10
      await assert.rejects(unpackAll(flipped, compression, roomy, 65_536), { code: 'MALFORMED' })
    }
  }
})
