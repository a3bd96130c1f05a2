// Blobs: the contract, held by both ways of keeping them in files and by one that knows no files; that it would tell a wrong
// implementation; and what only files have, which is when they are durable.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { type BlobPlace, blobContract, checks, type MakePlace } from '../../test/rig/blob-contract.ts'
import { Died, DyingDisk } from '../../test/rig/dying-disk.ts'
import { Bucket, MemoryBlobs, OpenMemory } from '../../test/rig/memory-blobs.ts'
import { type Sha256, sha256 } from '../lib/digest.ts'
import { RealDisk } from '../lib/disk.ts'
import type { BlobEntry, Blobs, BlobWriter, OpenBlob } from './blobs.ts'
import { FileBlobs } from './file-blobs.ts'

const inFiles =
  (options: { transient?: boolean }): MakePlace =>
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'uus-blobs-'))
    const another = () => new FileBlobs(folder, new RealDisk(), options)
    const blobs = another()
    await blobs.prepare()
    return {
      blobs,
      another,
      halfWritten: async () => (await readdir(join(folder, 'tmp'))).length,
      async [Symbol.asyncDispose]() {
        rmSync(folder, { recursive: true })
      },
    }
  }

function inMemory(make: (bucket: Bucket) => Blobs = (bucket) => new MemoryBlobs(bucket)): BlobPlace {
  const bucket = new Bucket()
  return {
    blobs: make(bucket),
    another: () => make(bucket),
    halfWritten: async () => bucket.writers.size,
    async [Symbol.asyncDispose]() {},
  }
}

blobContract('durable files', inFiles({}))
blobContract('transient files', inFiles({ transient: true }))
blobContract('memory', async () => inMemory())

/** How an implementation could be wrong: in one thing each. */
const wrong: Record<string, (bucket: Bucket) => Blobs> = {
  'shows what is not committed': (bucket) =>
    writersOf(bucket, (writer) => {
      let content = Buffer.alloc(0)
      return {
        ...methodsOf(writer),
        async write(chunk) {
          await writer.write(chunk)
          content = Buffer.concat([content, chunk])
          bucket.blobs.set(sha256(content), { bytes: content, usedAt: Date.now() })
        },
      }
    }),
  'keeps chunks instead of their bytes': (bucket) =>
    writersOf(bucket, (writer) => {
      const chunks: Uint8Array[] = []
      return {
        ...methodsOf(writer),
        async write(chunk) {
          chunks.push(chunk)
          await writer.write(chunk)
        },
        async commit() {
          const result = await writer.commit()
          bucket.blobs.set(result.sha256, { bytes: Buffer.concat(chunks), usedAt: Date.now() })
          return result
        },
      }
    }),
  'reads behind the head': (bucket) =>
    writersOf(bucket, (writer) => ({
      ...methodsOf(writer),
      read: async (start, count) => (await writer.read(0, start + count)).subarray(0, count),
    })),
  'leaves what was discarded': (bucket) =>
    writersOf(bucket, (writer) => ({ ...methodsOf(writer), discard: async () => {} })),
  'takes back what was committed': (bucket) =>
    writersOf(bucket, (writer) => {
      let committed: Sha256 | null = null
      return {
        ...methodsOf(writer),
        async commit() {
          const result = await writer.commit()
          committed = result.sha256
          return result
        },
        async discard() {
          if (committed !== null) bucket.blobs.delete(committed)
          await writer.discard()
        },
      }
    }),
  'refuses what is there already': (bucket) =>
    writersOf(bucket, (writer) => ({
      ...methodsOf(writer),
      async commit() {
        const before = new Set(bucket.blobs.keys())
        const result = await writer.commit()
        if (before.has(result.sha256)) throw new Error('EEXIST')
        return result
      },
    })),
  'does not count writing as use': (bucket) =>
    writersOf(bucket, (writer) => ({
      ...methodsOf(writer),
      async commit() {
        const before = new Map(bucket.blobs)
        const result = await writer.commit()
        const known = before.get(result.sha256)
        if (known !== undefined) bucket.blobs.set(result.sha256, known)
        return result
      },
    })),
  'loses what is open when it is deleted': (bucket) =>
    readersOf(bucket, (blob, digest) => ({
      read: async (start, count) => {
        if (!bucket.blobs.has(digest)) throw new Error('NoSuchKey')
        return blob.read(start, count)
      },
    })),
  'gives less than was asked for': (bucket) =>
    readersOf(bucket, (blob) => ({
      read: async (start, count) => Buffer.from(blob.bytes.subarray(start, start + count)),
    })),
  'fills less than the buffer': (bucket) =>
    readersOf(bucket, (blob) => ({
      readInto: async (buffer, start) => void blob.bytes.copy(buffer, 0, start),
    })),
  'moves one position for all who read': (bucket) =>
    readersOf(bucket, (blob) => {
      let position = 0
      return {
        async read(start, count) {
          position = start
          await Promise.resolve()
          return blob.read(position, count)
        },
      }
    }),
  'has no notion of an empty range': (bucket) =>
    readersOf(bucket, (blob) => ({
      stream(start, end, chunkBytes) {
        if (end <= start) throw new RangeError('InvalidRange')
        return blob.stream(start, end, chunkBytes)
      },
    })),
  'counts the end in': (bucket) =>
    readersOf(bucket, (blob) => ({ stream: (start, end) => blob.stream(start, end + 1) })),
  'streams in pieces of its own size': (bucket) =>
    readersOf(bucket, (blob) => ({ stream: (start, end) => blob.stream(start, end) })),
  'ends the stream with the block': (bucket) =>
    readersOf(bucket, (blob) => {
      const streams: Readable[] = []
      return {
        stream(start, end, chunkBytes) {
          const stream = blob.stream(start, end, chunkBytes)
          streams.push(stream)
          return stream
        },
        async [Symbol.asyncDispose]() {
          for (const stream of streams) stream.destroy()
        },
      }
    }),
  'complains of what is absent': (bucket) =>
    variant(bucket, {
      async delete(digest) {
        if (!bucket.blobs.delete(digest)) throw new Error('NoSuchKey')
      },
    }),
  'makes what it touches': (bucket) =>
    variant(bucket, {
      async touch(digest, usedAt) {
        const bytes = bucket.blobs.get(digest)?.bytes ?? Buffer.alloc(0)
        bucket.blobs.set(digest, { bytes, usedAt })
      },
    }),
  'forgets when it was used': (bucket) => variant(bucket, { async touch() {} }),
  'lists in no order': (bucket) =>
    variant(bucket, {
      async *list() {
        yield* [...bucket.blobs.keys()].sort().reverse()
      },
    }),
  'tells of entries that are gone': (bucket) =>
    variant(bucket, {
      async *entries(): AsyncGenerator<BlobEntry> {
        const all = [...bucket.blobs].sort(([a], [b]) => (a < b ? -1 : 1))
        for (const [digest] of all) {
          const { bytes, usedAt } = bucket.blobs.get(digest) ?? { bytes: Buffer.alloc(0), usedAt: 0 }
          if (!bucket.blobs.has(digest) && all.length > 1) throw new Error('NoSuchKey')
          yield { sha256: digest, sizeBytes: bytes.length - 1, usedAt }
        }
      },
    }),
  'answers from what it alone knows': (bucket) => {
    const known = new Set<Sha256>()
    const own = writersOf(bucket, (writer) => ({
      ...methodsOf(writer),
      async commit() {
        const result = await writer.commit()
        known.add(result.sha256)
        return result
      },
    }))
    return Object.assign(own, { isHere: (digest: Sha256) => known.has(digest) && bucket.blobs.has(digest) })
  },
  'clears what is being written': (bucket) => {
    let age = 0
    const own = writersOf(bucket, (writer) => {
      const born = age
      return {
        ...methodsOf(writer),
        async commit() {
          if (age !== born) throw new Error('NoSuchUpload')
          return writer.commit()
        },
      }
    })
    return Object.assign(own, {
      async clear() {
        age++
        bucket.blobs.clear()
      },
    })
  },
  'clears nothing': (bucket) => variant(bucket, { async clear() {} }),
  'lets what a crash left lie': (bucket) => variant(bucket, { async prepare() {} }),
  'begins anew at each start': (bucket) =>
    variant(bucket, {
      async prepare() {
        bucket.writers.clear()
        bucket.blobs.clear()
      },
    }),
  'has no room': (bucket) => variant(bucket, { freeBytes: async () => 0 }),
}

function variant(bucket: Bucket, change: Partial<Blobs>): Blobs {
  return Object.assign(new MemoryBlobs(bucket), change)
}

function writersOf(bucket: Bucket, change: (writer: BlobWriter) => BlobWriter): Blobs {
  const right = new MemoryBlobs(bucket)
  return variant(bucket, { create: async () => change(await right.create()) })
}

function readersOf(bucket: Bucket, change: (blob: OpenMemory, digest: Sha256) => Partial<OpenBlob>): Blobs {
  return variant(bucket, {
    async open(digest) {
      const found = bucket.blobs.get(digest)
      if (found === undefined) return null
      const right = new OpenMemory(found.bytes)
      return Object.assign(new OpenMemory(found.bytes), change(right, digest))
    },
  })
}

function methodsOf(writer: BlobWriter): BlobWriter {
  return {
    write: (chunk) => writer.write(chunk),
    read: (start, count) => writer.read(start, count),
    commit: () => writer.commit(),
    discard: () => writer.discard(),
  }
}

/** The claims that an implementation does not hold. */
async function failsOf(make: (bucket: Bucket) => Blobs): Promise<string[]> {
  const results = await Promise.allSettled(checks.map(({ run }) => run(inMemory(make))))
  return checks.flatMap(({ claim }, index) => (results[index]!.status === 'rejected' ? claim : []))
}

for (const [how, make] of Object.entries(wrong)) {
  test(`the contract tells an implementation that ${how}`, async () => {
    assert.notDeepEqual(await failsOf(make), [])
  })
}

test('no claim of the contract is for nothing: each is held against some of them', async () => {
  const failed = await Promise.all(Object.values(wrong).map(failsOf))
  assert.deepEqual(
    checks.map(({ claim }) => claim).filter((claim) => !failed.flat().includes(claim)),
    [],
  )
})

/** Notes what reaches the disk. */
class NotingDisk extends RealDisk {
  readonly done: string[] = []

  protected override async perform<T>(name: string, operation: () => Promise<T>): Promise<T> {
    const result = await operation()
    this.done.push(name)
    return result
  }
}

test('files are on the disk before they have their name; transient ones need not be', async () => {
  for (const transient of [false, true]) {
    const folder = mkdtempSync(join(tmpdir(), 'uus-blobs-'))
    try {
      const disk = new NotingDisk()
      const blobs = new FileBlobs(folder, disk, { transient })
      await blobs.prepare()
      disk.done.length = 0
      const writer = await blobs.create()
      await writer.write(Buffer.from('x'))
      await writer.commit()
      const durably = ['create', 'write', 'mkdir', 'fsync', 'rename', 'fsync folder']
      const inPassing = ['create', 'write', 'mkdir', 'rename']
      assert.deepEqual(disk.done, transient ? inPassing : durably)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
})

test('death at every step of writing a file leaves it whole or not at all', async () => {
  const content = Buffer.from('all or nothing')
  let deaths = 0
  for (const when of ['before', 'after'] as const) {
    for (let step = 1; ; step++) {
      const folder = mkdtempSync(join(tmpdir(), 'uus-blobs-'))
      try {
        const disk = new DyingDisk(step, when)
        try {
          const blobs = new FileBlobs(folder, disk)
          await blobs.prepare()
          const writer = await blobs.create()
          try {
            for (const byte of content) await writer.write(Buffer.of(byte))
            await writer.commit()
          } finally {
            // As the kernel would close its file.
            await writer.discard()
          }
        } catch (error) {
          assert.ok(error instanceof Died)
        }
        const next = new FileBlobs(folder, new RealDisk())
        await next.prepare()
        const listed = await Array.fromAsync(next.list())
        assert.ok(listed.length <= 1)
        for (const digest of listed) {
          await using blob = (await next.open(digest))!
          assert.equal(digest, sha256(content))
          assert.ok((await blob.read(0, blob.sizeBytes)).equals(content))
        }
        assert.deepEqual(readdirSync(join(folder, 'tmp')), [])
        if (disk.diedAt === null) {
          assert.equal(listed.length, 1)
          break
        }
        deaths++
      } finally {
        rmSync(folder, { recursive: true })
      }
    }
  }
  assert.ok(deaths > 30, `${deaths} deaths`)
})

test('a folder that somebody emptied under a running server is made again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'uus-blobs-'))
  try {
    const blobs = new FileBlobs(folder, new RealDisk())
    await blobs.prepare()
    for (let times = 0; times < 2; times++) {
      const writer = await blobs.create()
      await writer.write(Buffer.from('again'))
      assert.deepEqual(await writer.commit(), { sha256: sha256('again'), sizeBytes: 5 })
      assert.deepEqual(await Array.fromAsync(blobs.list()), [sha256('again')])
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** Open files of this process: a blob that is not closed shows. */
const openFiles = () =>
  readdirSync('/proc/self/fd').filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`).includes('uus-blobs-')
    } catch {
      return false // the one by which the folder is read
    }
  }).length

test('no file stays open: neither of writers, nor of readers, nor of streams that were left', async () => {
  for (const { run } of checks) {
    await using place = await inFiles({ transient: true })()
    await run(place)
  }
  // Streams close their files a moment after they were left.
  for (let turns = 0; turns < 50 && openFiles() > 0; turns++) await new Promise(setImmediate)
  assert.equal(openFiles(), 0)
})
