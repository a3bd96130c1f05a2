// What every implementation of `Blobs` must do, as a suite: src/store/blobs.ts says it in words. A new implementation is
// right when it passes, and the rest of the program needs to know nothing of it.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { type Sha256, sha256 } from '../../src/lib/digest.ts'
import type { Blobs, BlobWriter } from '../../src/store/blobs.ts'

/** A place of its own, empty and prepared. */
export interface BlobPlace extends AsyncDisposable {
  readonly blobs: Blobs
  /** The same place, as another process holds it. */
  another(): Blobs
  /** How many files are there that nobody committed. */
  halfWritten(): Promise<number>
}

export type MakePlace = () => Promise<BlobPlace>

export interface Check {
  readonly claim: string
  run(place: BlobPlace): Promise<void>
}

export function blobContract(name: string, make: MakePlace): void {
  for (const { claim, run } of checks) {
    test(`${name}: ${claim}`, async () => {
      await using place = await make()
      await run(place)
    })
  }
}

const absent = sha256('never written')

async function put(blobs: Blobs, content: Buffer | string): Promise<Sha256> {
  const writer = await blobs.create()
  await writer.write(Buffer.from(content))
  return (await writer.commit()).sha256
}

async function contentOf(blobs: Blobs, digest: Sha256): Promise<Buffer | null> {
  const opened = await blobs.open(digest)
  if (opened === null) return null
  await using blob = opened
  return await blob.read(0, blob.sizeBytes)
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return chunks
}

/** Whether it is here, by all who tell. */
async function assertHere(blobs: Blobs, digest: Sha256, sizeBytes: number | null): Promise<void> {
  const isHere = sizeBytes !== null
  assert.equal(await blobs.sizeOf(digest), sizeBytes)
  assert.equal(blobs.isHere(digest), isHere)
  const opened = await blobs.open(digest)
  assert.equal(opened?.sizeBytes ?? null, sizeBytes)
  await opened?.[Symbol.asyncDispose]()
  assert.equal((await Array.fromAsync(blobs.list())).includes(digest), isHere)
  const entries = await Array.fromAsync(blobs.entries())
  assert.equal(entries.filter((entry) => entry.sha256 === digest).length, isHere ? 1 : 0)
}

export const checks: readonly Check[] = [
  {
    claim: 'what is absent is absent, and may be deleted and touched',
    async run({ blobs }) {
      await assertHere(blobs, absent, null)
      await blobs.delete(absent)
      await blobs.touch(absent, 1e12)
      await assertHere(blobs, absent, null)
      assert.deepEqual(await Array.fromAsync(blobs.list()), [])
    },
  },
  {
    claim: 'a blob is there once it is committed, whole, and not before',
    async run({ blobs, halfWritten }) {
      const digest = sha256('hello world')
      const writer = await blobs.create()
      for (const part of ['hello ', 'wor', 'ld']) {
        await writer.write(Buffer.from(part))
        await assertHere(blobs, digest, null)
        await assertHere(blobs, sha256('hello '), null)
      }
      assert.deepEqual(await writer.commit(), { sha256: digest, sizeBytes: 11 })
      await assertHere(blobs, digest, 11)
      assert.equal((await contentOf(blobs, digest))?.toString(), 'hello world')
      assert.equal(await halfWritten(), 0)
    },
  },
  {
    claim: 'nothing is a content too',
    async run({ blobs }) {
      const writer = await blobs.create()
      assert.deepEqual(await writer.commit(), { sha256: sha256(''), sizeBytes: 0 })
      await assertHere(blobs, sha256(''), 0)
      assert.deepEqual(await contentOf(blobs, sha256('')), Buffer.alloc(0))
      const opened = await blobs.open(sha256(''))
      assert.deepEqual(await collect(opened!.stream(0, 0)), [])
    },
  },
  {
    claim: 'a chunk may be used again once it was taken',
    async run({ blobs }) {
      const chunk = Buffer.alloc(1000)
      const writer = await blobs.create()
      const hash = createHash('sha256')
      for (let value = 0; value < 20; value++) {
        const piece = chunk.fill(value).subarray(0, 1000 - value)
        hash.update(piece)
        await writer.write(piece)
      }
      chunk.fill(255)
      assert.equal((await writer.read(2500, 1))[0], 2)
      const { sha256: digest } = await writer.commit()
      assert.equal(digest, hash.digest('hex'))
      const content = await contentOf(blobs, digest)
      assert.equal(sha256(content!), digest)
    },
  },
  {
    claim: 'readers follow a growing file, many at a time, and get exactly what they ask for',
    async run({ blobs }) {
      const content = randomBytes(300_000)
      const writer = await blobs.create()
      let written = 0
      const isWhole = async (start: number, count: number) => {
        const bytes = await writer.read(start, count)
        assert.ok(bytes.equals(content.subarray(start, start + count)), `${start}+${count} of ${written}`)
      }
      const readers: Promise<void>[] = []
      for (let step = 1; written < content.length; step++) {
        const chunk = content.subarray(written, written + 1000 * step + 1)
        await writer.write(chunk)
        written += chunk.length
        // Not waited for: they read while more is written.
        readers.push(isWhole(0, written), isWhole(written - chunk.length, chunk.length))
        readers.push(isWhole(written >> 1, (written >> 1) - 1), isWhole(written, 0))
      }
      await Promise.all(readers)
      await assert.rejects(async () => writer.read(content.length - 1, 2), 'past the end there is nothing')
      const { sha256: digest, sizeBytes } = await writer.commit()
      assert.equal(sizeBytes, content.length)
      assert.ok((await contentOf(blobs, digest))!.equals(content))
    },
  },
  {
    claim: 'what is discarded was never there; after commit that does nothing',
    async run({ blobs, halfWritten }) {
      const dropped = await blobs.create()
      await dropped.write(Buffer.from('dropped'))
      assert.equal(await halfWritten(), 1)
      await dropped.discard()
      await dropped.discard()
      await (await blobs.create()).discard()
      await assertHere(blobs, sha256('dropped'), null)
      assert.deepEqual(await Array.fromAsync(blobs.list()), [])
      assert.equal(await halfWritten(), 0)

      const kept = await blobs.create()
      await kept.write(Buffer.from('kept'))
      await kept.commit()
      await kept.discard()
      await assertHere(blobs, sha256('kept'), 4)
    },
  },
  {
    claim: 'a writer that has ended takes and tells nothing more',
    async run({ blobs }) {
      const end: ((writer: BlobWriter) => Promise<unknown>)[] = [
        (writer) => writer.commit(),
        (writer) => writer.discard(),
      ]
      for (const act of end) {
        const writer = await blobs.create()
        await writer.write(Buffer.from('ended'))
        await act(writer)
        await assert.rejects(async () => writer.write(Buffer.from('more')))
        await assert.rejects(async () => writer.commit())
        await assert.rejects(async () => writer.read(0, 1))
      }
      assert.deepEqual(await Array.fromAsync(blobs.list()), [sha256('ended')])
      assert.equal((await contentOf(blobs, sha256('ended')))?.toString(), 'ended')
    },
  },
  {
    claim: 'two may write the same at once, and both have it',
    async run({ blobs, halfWritten }) {
      const digest = sha256('the same')
      const writers = await Promise.all([blobs.create(), blobs.create(), blobs.create()])
      for (const part of ['the ', 'same'])
        await Promise.all(writers.map((writer) => writer.write(Buffer.from(part))))
      const [first, ...others] = writers
      await first!.commit()
      await using early = (await blobs.open(digest))!
      const results = await Promise.all(others.map((writer) => writer.commit()))
      for (const result of results) assert.deepEqual(result, { sha256: digest, sizeBytes: 8 })
      await assertHere(blobs, digest, 8)
      assert.equal((await early.read(0, 8)).toString(), 'the same', 'and who had it open goes on reading')
      assert.equal(await halfWritten(), 0)
      await blobs.delete(digest)
      await assertHere(blobs, digest, null)
      await put(blobs, 'the same')
      await assertHere(blobs, digest, 8)
    },
  },
  {
    claim: 'many may write different things at once, and none gets into another',
    async run({ blobs }) {
      const contents = Array.from({ length: 24 }, (_, index) => randomBytes(index * 1500 + 1))
      const digests = await Promise.all(
        contents.map(async (content, index) => {
          const writer = await blobs.create()
          for (let at = 0; at < content.length; at += 997) await writer.write(content.subarray(at, at + 997))
          if (index % 6 !== 5) return (await writer.commit()).sha256
          await writer.discard()
          return null
        }),
      )
      const kept = digests.filter((digest) => digest !== null)
      assert.deepEqual(await Array.fromAsync(blobs.list()), kept.toSorted())
      for (const [index, digest] of digests.entries())
        if (digest !== null) assert.ok((await contentOf(blobs, digest))!.equals(contents[index]!))
    },
  },
  {
    claim: 'an open blob can be read on when it is deleted, by every way of reading',
    async run({ blobs }) {
      const content = randomBytes(200_000)
      const digest = await put(blobs, content)
      await using blob = (await blobs.open(digest))!
      const streamed = (await blobs.open(digest))!
      const stream = streamed.stream(0, content.length, 10_000)
      const reading = stream[Symbol.asyncIterator]()
      const first = (await reading.next()).value as Buffer
      await blobs.delete(digest)
      await assertHere(blobs, digest, null)
      assert.equal(blob.sizeBytes, content.length)
      assert.ok((await blob.read(1000, 50_000)).equals(content.subarray(1000, 51_000)))
      const buffer = Buffer.alloc(300)
      await blob.readInto(buffer, 100_000)
      assert.ok(buffer.equals(content.subarray(100_000, 100_300)))
      const rest: Buffer[] = [Buffer.from(first)]
      for (let next = await reading.next(); !next.done; next = await reading.next())
        rest.push(Buffer.from(next.value as Buffer))
      assert.ok(Buffer.concat(rest).equals(content))
    },
  },
  {
    claim: 'ranges are exact: from the first byte to before the last, and nothing beside them',
    async run({ blobs }) {
      const content = randomBytes(70_001)
      const digest = await put(blobs, content)
      await using blob = (await blobs.open(digest))!
      const ranges = [
        [0, 1],
        [0, 0],
        [0, 70_001],
        [70_000, 70_001],
        [70_001, 70_001],
        [65_535, 65_537],
        [4095, 4097],
        [1, 69_999],
      ] as const
      for (const [start, end] of ranges) {
        const wanted = content.subarray(start, end)
        const where = `${start} to ${end}`
        assert.ok((await blob.read(start, end - start)).equals(wanted), where)
        const around = Buffer.alloc(end - start + 2, 0xaa)
        await blob.readInto(around.subarray(1, end - start + 1), start)
        assert.ok(around.subarray(1, -1).equals(wanted), where)
        assert.deepEqual([around[0], around.at(-1)], [0xaa, 0xaa], where)
        for (const chunkBytes of [undefined, 1 << 20, 1024]) {
          const streamed = (await blobs.open(digest))!
          const chunks = await collect(streamed.stream(start, end, chunkBytes))
          assert.ok(Buffer.concat(chunks).equals(wanted), `${where} in pieces of ${chunkBytes}`)
          if (chunkBytes !== undefined) assert.ok(chunks.every((chunk) => chunk.length <= chunkBytes))
        }
      }
    },
  },
  {
    claim: 'nobody is given less than was asked for',
    async run({ blobs }) {
      await using blob = (await blobs.open(await put(blobs, 'ten bytes.')))!
      await assert.rejects(async () => blob.read(5, 6))
      await assert.rejects(async () => blob.read(11, 1))
      await assert.rejects(async () => blob.readInto(Buffer.alloc(11), 0))
      assert.equal((await blob.read(5, 5)).toString(), 'ytes.', 'and it can be read on')
    },
  },
  {
    claim: 'one open blob serves many reads at a time',
    async run({ blobs }) {
      const content = randomBytes(120_000)
      await using blob = (await blobs.open(await put(blobs, content)))!
      await Promise.all(
        Array.from({ length: 60 }, async (_, index) => {
          const start = index * 1900
          assert.ok((await blob.read(start, 3000)).equals(content.subarray(start, start + 3000)))
        }),
      )
    },
  },
  {
    claim: 'a stream outlives the block that opened its blob, and may be left in the middle',
    async run({ blobs }) {
      const content = randomBytes(100_000)
      const digest = await put(blobs, content)
      const opened = async () => {
        await using blob = (await blobs.open(digest))!
        return blob.stream(10, 90_000, 4096)
      }
      assert.ok(Buffer.concat(await collect(await opened())).equals(content.subarray(10, 90_000)))
      for await (const chunk of await opened()) {
        assert.ok(Buffer.from(chunk as Buffer).equals(content.subarray(10, 10 + (chunk as Buffer).length)))
        break
      }
    },
  },
  {
    claim: 'entries tell what each takes and when it was last used, which is remembered',
    async run({ blobs, another }) {
      const content = randomBytes(9000)
      const digest = await put(blobs, content)
      const other = await put(blobs, 'other')
      const entryOf = async (holder: Blobs, one: Sha256) => {
        const entries = await Array.fromAsync(holder.entries())
        assert.equal(entries.length, 2)
        return entries.find((entry) => entry.sha256 === one)!
      }
      const long = Date.UTC(2020, 1, 3, 4, 5, 6, 789)
      await blobs.touch(digest, long)
      for (const holder of [blobs, another()])
        assert.ok(Math.abs((await entryOf(holder, digest)).usedAt - long) < 5)
      assert.ok((await entryOf(blobs, digest)).sizeBytes >= 9000)
      assert.ok((await entryOf(blobs, other)).usedAt > long, 'the other was used when it was written')
      assert.ok((await contentOf(blobs, digest))!.equals(content))
      await put(blobs, content)
      assert.ok((await entryOf(blobs, digest)).usedAt > long, 'to write it again is to use it')
    },
  },
  {
    claim: 'a list has each once, in order, whatever comes and goes meanwhile',
    async run({ blobs }) {
      const digests = await Promise.all(
        Array.from({ length: 40 }, (_, index) => put(blobs, `number ${index}`)),
      )
      const sorted = digests.toSorted()
      assert.deepEqual(await Array.fromAsync(blobs.list()), sorted)
      const gone = sorted.filter((_, index) => index % 3 === 1)
      const seen: Sha256[] = []
      for await (const digest of blobs.list()) {
        seen.push(digest)
        // A sweep deletes what it is told of, and others delete what it is not told of yet.
        if (seen.length === 1) for (const one of gone) await blobs.delete(one)
      }
      assert.deepEqual(seen, [...new Set(seen)].toSorted())
      const stay = sorted.filter((digest) => !gone.includes(digest))
      assert.deepEqual(new Set(stay).difference(new Set(seen)).size, 0)
      const swept: Sha256[] = []
      for await (const { sha256: digest } of blobs.entries()) {
        await blobs.delete(digest)
        swept.push(digest)
      }
      assert.deepEqual(swept, stay)
      assert.deepEqual(await Array.fromAsync(blobs.entries()), [])
    },
  },
  {
    claim: 'what is cleared is gone; what is being written is not lost by it',
    async run({ blobs }) {
      for (const content of ['a', 'b', 'c']) await put(blobs, content)
      const writer = await blobs.create()
      await writer.write(Buffer.from('under '))
      await blobs.clear()
      assert.deepEqual(await Array.fromAsync(blobs.list()), [])
      await writer.write(Buffer.from('way'))
      await writer.commit()
      assert.deepEqual(await Array.fromAsync(blobs.list()), [sha256('under way')])
      await put(blobs, 'a')
      await assertHere(blobs, sha256('a'), 1)
    },
  },
  {
    claim: 'all who hold a place see the same of it',
    async run({ blobs, another }) {
      const other = another()
      await assertHere(other, sha256('shared'), null)
      await put(blobs, 'shared')
      await assertHere(other, sha256('shared'), 6)
      await put(other, 'back')
      await assertHere(blobs, sha256('back'), 4)
      await other.delete(sha256('shared'))
      await assertHere(blobs, sha256('shared'), null)
    },
  },
  {
    claim: 'what a crash left half written is gone at the next start; what was committed is not',
    async run({ blobs, another, halfWritten }) {
      await put(blobs, 'whole')
      const crashed = await blobs.create()
      await crashed.write(Buffer.from('half'))
      assert.equal(await halfWritten(), 1)
      const next = another()
      await next.prepare()
      await next.prepare()
      assert.equal(await halfWritten(), 0)
      assert.deepEqual(await Array.fromAsync(next.list()), [sha256('whole')])
      assert.equal((await contentOf(next, sha256('whole')))?.toString(), 'whole')
      await crashed.discard()
    },
  },
  {
    claim: 'how much can still be written is a number, or there is no end of it',
    async run({ blobs }) {
      const free = await blobs.freeBytes()
      assert.ok(free === null || (Number.isSafeInteger(free) && free > 0), String(free))
    },
  },
]
