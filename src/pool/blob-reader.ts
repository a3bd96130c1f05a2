// Reading a file that is here, piece by piece.
import type { BufferPool } from '../lib/buffers.ts'
import type { OpenBlob } from '../store/blobs.ts'
import type { Piece } from './copy.ts'
import type { FileReader } from './flight-reader.ts'

/** Owns the open blob. */
export class BlobReader implements FileReader {
  readonly #blob: OpenBlob
  readonly #buffers: BufferPool
  #isClosed = false

  constructor(blob: OpenBlob, buffers: BufferPool) {
    this.#blob = blob
    this.#buffers = buffers
  }

  async ready(): Promise<void> {}

  async read(at: number, end: number, wantedBytes: number): Promise<Piece> {
    const lease = await this.#buffers.lease(Math.min(wantedBytes, end - at))
    try {
      const bytes = lease.buffer()
      await this.#blob.readInto(bytes, at)
      return { buffers: [bytes], sizeBytes: bytes.length, release: () => lease.release() }
    } catch (error) {
      lease.release()
      throw error
    }
  }

  /** A read that is under way comes to its end. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    void this.#blob[Symbol.asyncDispose]()
  }
}
