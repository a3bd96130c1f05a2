// Following a flight at one's own pace.
import type { BufferPool } from '../lib/buffers.ts'
import { UusError } from '../lib/errors.ts'
import type { Copy, Piece } from './copy.ts'
import type { Flight } from './flight.ts'

/** What can be read from, piece by piece. One read at a time. */
export interface FileReader {
  /** Bytes from `at`, not beyond `end`; waits for the first of them. Throws what keeps them away. */
  read(at: number, end: number, wantedBytes: number): Promise<Piece>
  /** Ends a read that waits. To be called once the reader is of no more use; again does no harm. */
  close(): void
}

export class FlightReader implements FileReader {
  readonly #flight: Flight
  readonly #buffers: BufferPool
  readonly #onClose: () => void
  /** The copy that bytes were read of. Who has seen bytes that turned out wrong cannot go on with others. */
  #seen: Copy | null = null
  #isClosed = false

  constructor(flight: Flight, buffers: BufferPool, onClose: () => void) {
    this.#flight = flight
    this.#buffers = buffers
    this.#onClose = onClose
  }

  /** Resolves with the first byte (or the whole, if that is nothing); rejects if none will come. */
  async ready(): Promise<void> {
    while (!this.#isReady()) await this.#flight.change()
  }

  #isReady(): boolean {
    const { copy } = this.#flight
    this.#check(copy)
    return copy !== null && copy.failure === null && (copy.isVerified || copy.availableBytes > 0)
  }

  async read(at: number, end: number, wantedBytes: number): Promise<Piece> {
    for (;;) {
      const { copy } = this.#flight
      this.#check(copy)
      if (copy === null || copy.failure !== null || copy.availableBytes <= at) {
        await this.#flight.change()
        continue
      }
      this.#seen = copy
      const piece = await this.#readFrom(copy, at, end, wantedBytes)
      if (piece !== null) return piece
    }
  }

  #check(copy: Copy | null): void {
    if (this.#isClosed) throw new UusError('CANCELLED', 'The reader left')
    if (this.#seen !== null && (this.#seen !== copy || copy.failure !== null)) throw this.#seen.failure
    if (this.#flight.failure !== null) throw this.#flight.failure
  }

  /** A copy that fails closes its file under its readers: its failure is the reason, not what the file says. */
  async #readFrom(copy: Copy, at: number, end: number, wantedBytes: number): Promise<Piece | null> {
    try {
      return await copy.read(at, end, this.#buffers, wantedBytes)
    } catch (error) {
      throw copy.failure ?? error
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClose()
  }
}
