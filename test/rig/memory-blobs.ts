// Blobs that are in no file: a second implementation, which shows what of the first others may rely on.
import { Readable } from 'node:stream'
import { Hasher, type Sha256 } from '../../src/lib/digest.ts'
import type { BlobEntry, Blobs, BlobWriter, OpenBlob } from '../../src/store/blobs.ts'

/** What several holders have in common. */
export class Bucket {
  readonly blobs = new Map<Sha256, { readonly bytes: Buffer; usedAt: number }>()
  readonly writers = new Set<MemoryWriter>()
}

export class MemoryBlobs implements Blobs {
  protected readonly bucket: Bucket

  constructor(bucket: Bucket) {
    this.bucket = bucket
  }

  async prepare(): Promise<void> {
    this.bucket.writers.clear()
  }

  async clear(): Promise<void> {
    this.bucket.blobs.clear()
  }

  async create(): Promise<BlobWriter> {
    const writer = new MemoryWriter(this.bucket)
    this.bucket.writers.add(writer)
    return writer
  }

  async open(sha256: Sha256): Promise<OpenBlob | null> {
    const found = this.bucket.blobs.get(sha256)
    return found === undefined ? null : new OpenMemory(found.bytes)
  }

  async sizeOf(sha256: Sha256): Promise<number | null> {
    return this.bucket.blobs.get(sha256)?.bytes.length ?? null
  }

  isHere(sha256: Sha256): boolean {
    return this.bucket.blobs.has(sha256)
  }

  async delete(sha256: Sha256): Promise<void> {
    this.bucket.blobs.delete(sha256)
  }

  async touch(sha256: Sha256, usedAt: number): Promise<void> {
    const found = this.bucket.blobs.get(sha256)
    if (found !== undefined) found.usedAt = usedAt
  }

  async *entries(): AsyncGenerator<BlobEntry> {
    for await (const sha256 of this.list()) {
      const found = this.bucket.blobs.get(sha256)
      if (found !== undefined) yield { sha256, sizeBytes: found.bytes.length, usedAt: found.usedAt }
    }
  }

  async *list(): AsyncGenerator<Sha256> {
    yield* [...this.bucket.blobs.keys()].sort()
  }

  async freeBytes(): Promise<null> {
    return null
  }
}

export class MemoryWriter implements BlobWriter {
  readonly #bucket: Bucket
  readonly #hasher = new Hasher()
  #chunks: Buffer[] = []
  #isOpen = true

  constructor(bucket: Bucket) {
    this.#bucket = bucket
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new Error('Internal error: this writer has ended')
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#checkOpen()
    this.#hasher.update(chunk)
    this.#chunks.push(Buffer.from(chunk))
  }

  async read(start: number, count: number): Promise<Buffer> {
    this.#checkOpen()
    return exactly(Buffer.concat(this.#chunks), start, count)
  }

  async commit(): Promise<{ sha256: Sha256; sizeBytes: number }> {
    this.#checkOpen()
    const { sizeBytes } = this.#hasher
    const sha256 = this.#hasher.digest()
    this.#bucket.blobs.set(sha256, { bytes: Buffer.concat(this.#chunks), usedAt: Date.now() })
    this.#end()
    return { sha256, sizeBytes }
  }

  async discard(): Promise<void> {
    this.#end()
  }

  #end(): void {
    this.#isOpen = false
    this.#chunks = []
    this.#bucket.writers.delete(this)
  }
}

export class OpenMemory implements OpenBlob {
  readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get sizeBytes(): number {
    return this.bytes.length
  }

  async read(start: number, count: number): Promise<Buffer> {
    return exactly(this.bytes, start, count)
  }

  async readInto(buffer: Buffer, start: number): Promise<void> {
    exactly(this.bytes, start, buffer.length).copy(buffer)
  }

  stream(start: number, end: number, chunkBytes = 256 << 10): Readable {
    const { bytes } = this
    return Readable.from(
      (function* () {
        for (let at = start; at < end; at += chunkBytes)
          yield bytes.subarray(at, Math.min(end, at + chunkBytes))
      })(),
      { objectMode: false },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function exactly(bytes: Buffer, start: number, count: number): Buffer {
  if (start + count > bytes.length) throw new Error(`Internal error: it ends at ${bytes.length}`)
  return Buffer.from(bytes.subarray(start, start + count))
}
