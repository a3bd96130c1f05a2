// One growing copy of a file: bytes come in at its end and are hashed, readers follow at their own pace. Who is at
// the head gets the very buffers that were hashed, who is behind reads the file.
import type { BufferPool, Lease } from '../lib/buffers.ts'
import { Hasher, type Sha256 } from '../lib/digest.ts'
import { systemCode, UusError } from '../lib/errors.ts'
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
  /** Pieces of it that are under way to readers. */
  readers: number
  /** It is not among the recent ones any more: free once the last reader is done. */
  isForgotten: boolean
}

export interface CopyMemory {
  /** What stays behind the head, for the readers there. */
  readonly windowBytes: number
  /** What may wait to be written. */
  readonly unwrittenBytes: number
}

export interface CopyOptions {
  readonly sizeBytes: number
  /** Asked anew each time: others come and go. */
  memory(): CopyMemory
  onChange(): void
  /** Nobody reads these bytes any more; see Fetcher.recycle. */
  onFree(bytes: Buffer): void
}

const batchBytes = 1 << 20
/** Drips of a few bytes each must not add up either. */
const maxRecent = 1024
const hashBytes = 1 << 20

export class Copy {
  readonly #file: PartialFile
  readonly #sizeBytes: number
  readonly #options: CopyOptions
  readonly #hasher = new Hasher()
  /** The newest bytes, in order and without gaps: all that are not written yet, and some more. */
  readonly #recent: Recent[] = []
  #doneBytes = 0
  #writtenBytes = 0
  #writing: Promise<void> | null = null
  #isVerified = false
  #failure: unknown = null

  constructor(file: PartialFile, options: CopyOptions) {
    this.#file = file
    this.#sizeBytes = options.sizeBytes
    this.#options = options
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
      this.#options.onChange()
    }
  }

  /** The next bytes. The chunk is the copy's from now on. Waits while the disk is behind; throws if it fails. */
  async append(chunk: Buffer): Promise<void> {
    this.#hasher.update(chunk)
    this.#recent.push({ start: this.#doneBytes, bytes: chunk, readers: 0, isForgotten: false })
    this.#doneBytes += chunk.length
    this.#options.onChange()
    this.#writing ??= this.#write()
    const waitingBytes = this.#doneBytes - this.#writtenBytes
    if (waitingBytes > this.#options.memory().unwrittenBytes || this.#recent.length > 2 * maxRecent) {
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
      this.fail(explainDisk(error))
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
    const keepFrom = this.#doneBytes - this.#options.memory().windowBytes
    let count = 0
    for (const { start, bytes } of this.#recent) {
      const isTooMany = this.#recent.length - count > maxRecent
      if (start + bytes.length > this.#writtenBytes || (start >= keepFrom && !isTooMany)) break
      count++
    }
    for (const one of this.#recent.splice(0, count)) this.#forget(one)
  }

  #forget(one: Recent): void {
    one.isForgotten = true
    this.#freeIfUnused(one)
  }

  #freeIfUnused({ isForgotten, readers, bytes }: Recent): void {
    if (isForgotten && readers === 0) this.#options.onFree(bytes)
  }

  /** Nothing more is read of it from memory; pieces that are under way stay good until they are released. */
  close(): void {
    for (const one of this.#recent.splice(0)) this.#forget(one)
  }

  /** The last bytes have come: all are written now. Whether they are the file. */
  async verify(sha256: Sha256): Promise<boolean> {
    await this.#writing
    if (this.#failure !== null) throw this.#failure
    this.#isVerified = this.#doneBytes === this.#sizeBytes && this.#hasher.digest() === sha256
    this.#options.onChange()
    return this.#isVerified
  }

  /** Resolves when what came is written, or cannot be. */
  async settled(): Promise<void> {
    await this.#writing
  }

  /** Nothing more will come, and what came is not to be read any more. */
  fail(error: unknown): void {
    this.#failure ??= error
    this.#options.onChange()
  }

  /** Bytes from `at`, up to `end` and as many as are there and a lease allows; null if none are there yet. */
  async read(at: number, end: number, buffers: BufferPool, wantedBytes: number): Promise<Piece | null> {
    if (this.availableBytes <= at) return null
    const lease = await buffers.lease(Math.min(wantedBytes, Math.min(end, this.availableBytes) - at))
    return this.#fromMemory(at, lease) ?? this.#fromFile(at, lease)
  }

  /** The bytes as parts of recent buffers; null if they lie further back. */
  #fromMemory(at: number, lease: Lease): Piece | null {
    const end = at + lease.sizeBytes
    const used: Recent[] = []
    const buffers: Buffer[] = []
    let from = at
    for (let index = this.#find(at); index < this.#recent.length && from < end; index++) {
      const one = this.#recent[index]!
      const slice = one.bytes.subarray(from - one.start, Math.min(one.bytes.length, end - one.start))
      used.push(one)
      buffers.push(slice)
      from += slice.length
    }
    if (from < end) return null
    for (const one of used) one.readers++
    let isHeld = true
    const release = () => {
      if (!isHeld) return
      isHeld = false
      lease.release()
      for (const one of used) {
        one.readers--
        this.#freeIfUnused(one)
      }
    }
    return { buffers, sizeBytes: lease.sizeBytes, release }
  }

  /** From the file, as far as it is written: what is not is recent, and the next read finds it there. */
  async #fromFile(at: number, lease: Lease): Promise<Piece> {
    try {
      const bytes = lease.buffer().subarray(0, Math.min(lease.sizeBytes, this.#writtenBytes - at))
      await this.#file.readInto(bytes, at)
      return { buffers: [bytes], sizeBytes: bytes.length, release: () => lease.release() }
    } catch (error) {
      lease.release()
      throw error
    }
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

/** A full disk is no fault of the program: it says so, with the next step. */
export function explainDisk(error: unknown): unknown {
  const code = systemCode(error instanceof UusError ? error.cause : error)
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return new UusError('CACHE_FULL', 'The disk of the package files is full', {
    cause: error,
    hint: 'Free some space, or move "data" to a larger disk',
  })
}
