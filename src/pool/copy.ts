// One growing copy of a file: bytes come in at its end and are hashed, readers follow at their own pace. Who is at
// the head gets the very buffers that were hashed, who is behind reads the file.
import type { BufferPool, Lease } from '../lib/buffers.ts'
import { Hasher, type Sha256 } from '../lib/digest.ts'
import type { PartialFile } from '../store/partials.ts'

/** Bytes for a client. To be released once they are sent, or not needed after all. */
export interface Piece {
  readonly buffers: readonly Buffer[]
  readonly sizeBytes: number
  release(): void
}

interface Recent {
  readonly start: number
  readonly bytes: Buffer
}

/** What may wait to be written. More, and upstream has to wait for the disk. */
const unwrittenBytes = 4 << 20
const batchBytes = 1 << 20
/** Drips of a few bytes each must not add up either. */
const maxRecent = 1024
const hashBytes = 1 << 20

export class Copy {
  readonly #file: PartialFile
  readonly #sizeBytes: number
  readonly #windowBytes: () => number
  readonly #onChange: () => void
  readonly #hasher = new Hasher()
  /** The newest bytes, in order and without gaps: all that are not written yet, and some more. */
  readonly #recent: Recent[] = []
  #doneBytes = 0
  #writtenBytes = 0
  #writing: Promise<void> | null = null
  #isVerified = false
  #failure: unknown = null

  /** `windowBytes`: how much stays in memory behind the head; asked anew each time. */
  constructor(file: PartialFile, sizeBytes: number, windowBytes: () => number, onChange: () => void) {
    this.#file = file
    this.#sizeBytes = sizeBytes
    this.#windowBytes = windowBytes
    this.#onChange = onChange
  }

  get doneBytes(): number {
    return this.#doneBytes
  }

  /** What readers may have: the last byte is held back until the digest is right, so that a wrong file never completes. */
  get availableBytes(): number {
    return this.#isVerified ? this.#sizeBytes : Math.max(0, Math.min(this.#doneBytes, this.#sizeBytes - 1))
  }

  get isVerified(): boolean {
    return this.#isVerified
  }

  /** Why nothing more will come; null while it may. */
  get failure(): unknown {
    return this.#failure
  }

  /** Takes over what an earlier flight left: it counts like bytes that just came. */
  async restore(): Promise<void> {
    const left = Math.min(this.#file.sizeBytes, this.#sizeBytes)
    this.#writtenBytes = left
    const buffer = Buffer.allocUnsafe(Math.min(hashBytes, left))
    while (this.#doneBytes < left) {
      const bytes = buffer.subarray(0, Math.min(buffer.length, left - this.#doneBytes))
      await this.#file.readInto(bytes, this.#doneBytes)
      this.#hasher.update(bytes)
      this.#doneBytes += bytes.length
      this.#onChange()
    }
  }

  /** The next bytes. The chunk is the copy's from now on. Waits while the disk is behind; throws if it fails. */
  async append(chunk: Buffer): Promise<void> {
    this.#hasher.update(chunk)
    this.#recent.push({ start: this.#doneBytes, bytes: chunk })
    this.#doneBytes += chunk.length
    this.#onChange()
    this.#writing ??= this.#write()
    if (this.#doneBytes - this.#writtenBytes > unwrittenBytes || this.#recent.length > 2 * maxRecent) {
      await this.#writing
    }
    if (this.#failure !== null) throw this.#failure
  }

  /** Writes until nothing is unwritten. A failure is kept, for `append` and `verify`. */
  async #write(): Promise<void> {
    try {
      while (this.#writtenBytes < this.#doneBytes) {
        const batch = this.#batch()
        await this.#file.writeAll(batch)
        for (const { length } of batch) this.#writtenBytes += length
        this.#trim()
      }
    } catch (error) {
      this.fail(error)
    } finally {
      this.#writing = null
    }
  }

  #batch(): Buffer[] {
    const batch: Buffer[] = []
    let bytes = 0
    for (let index = this.#find(this.#writtenBytes); index < this.#recent.length; index++) {
      const next = this.#recent[index]!.bytes
      if (bytes > 0 && bytes + next.length > batchBytes) break
      batch.push(next)
      bytes += next.length
    }
    return batch
  }

  /** Forgets what is written and lies far enough behind. */
  #trim(): void {
    const keepFrom = this.#doneBytes - this.#windowBytes()
    let count = 0
    for (const { start, bytes } of this.#recent) {
      const isTooMany = this.#recent.length - count > maxRecent
      if (start + bytes.length > this.#writtenBytes || (start >= keepFrom && !isTooMany)) break
      count++
    }
    this.#recent.splice(0, count)
  }

  /** The last bytes have come: all are written now. Whether they are the file. */
  async verify(sha256: Sha256): Promise<boolean> {
    await this.#writing
    if (this.#failure !== null) throw this.#failure
    this.#isVerified = this.#doneBytes === this.#sizeBytes && this.#hasher.digest() === sha256
    this.#onChange()
    return this.#isVerified
  }

  /** Resolves when what came is written, or cannot be. */
  async settled(): Promise<void> {
    await this.#writing
  }

  /** Nothing more will come, and what came is not to be read any more. */
  fail(error: unknown): void {
    this.#failure ??= error
    this.#onChange()
  }

  /** Bytes from `at`, up to `end` and as many as are there and a lease allows; null if none are there yet. */
  async read(at: number, end: number, buffers: BufferPool, wantedBytes: number): Promise<Piece | null> {
    if (this.availableBytes <= at) return null
    const lease = await buffers.lease(Math.min(wantedBytes, Math.min(end, this.availableBytes) - at))
    const recent = this.#slices(at, lease.sizeBytes)
    if (recent !== null)
      return { buffers: recent, sizeBytes: lease.sizeBytes, release: () => lease.release() }
    return this.#readFile(at, lease)
  }

  async #readFile(at: number, lease: Lease): Promise<Piece> {
    try {
      const bytes = lease.buffer()
      await this.#file.readInto(bytes, at)
      return { buffers: [bytes], sizeBytes: bytes.length, release: () => lease.release() }
    } catch (error) {
      lease.release()
      throw error
    }
  }

  /** The bytes as parts of recent buffers; null if they lie further back. */
  #slices(at: number, count: number): Buffer[] | null {
    const slices: Buffer[] = []
    let from = at
    for (let index = this.#find(at); index < this.#recent.length && from < at + count; index++) {
      const { start, bytes } = this.#recent[index]!
      const slice = bytes.subarray(from - start, Math.min(bytes.length, at + count - start))
      slices.push(slice)
      from += slice.length
    }
    return from === at + count ? slices : null
  }

  /** The index of the recent buffer that holds a position; the length if it lies further back or ahead. */
  #find(position: number): number {
    const first = this.#recent[0]
    if (first === undefined || position < first.start) return this.#recent.length
    let low = 0
    let high = this.#recent.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.#recent[middle]!.start <= position) low = middle
      else high = middle
    }
    return low
  }
}
