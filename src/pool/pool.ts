// Package files: here already, or fetched while they are read. The seam between serving and fetching.
import { Readable } from 'node:stream'
import type { Sha256 } from '../lib/digest.ts'
import type { Blobs } from '../store/blobs.ts'
import { type FetchFrom, Flight, type WantedFile } from './flight.ts'

/** A package file that can be read. The caller reads one range of it, or disposes it. */
export interface PoolReader extends AsyncDisposable {
  readonly sizeBytes: number
  /** It was here before. */
  readonly isHit: boolean
  /** Resolves when bytes come; throws what keeps them away. */
  ready(): Promise<void>
  /** The bytes from `start` to before `end`. Ends with an error if they cannot be had after all. */
  stream(start: number, end: number): Readable
}

export class Pool {
  readonly #blobs: Blobs
  readonly #flights = new Map<Sha256, Flight>()

  constructor(blobs: Blobs) {
    this.#blobs = blobs
  }

  /** Opens a file; `urls` are where to fetch it from, in this order, if it is not here. */
  async open(file: WantedFile, urls: readonly string[], fetchFrom: FetchFrom): Promise<PoolReader> {
    const blob = await this.#blobs.open(file.sha256)
    if (blob !== null) {
      return {
        sizeBytes: blob.sizeBytes,
        isHit: true,
        ready: async () => {},
        stream: (start, end) => (end <= start ? Readable.from([]) : blob.stream(start, end)),
        [Symbol.asyncDispose]: () => blob[Symbol.asyncDispose](),
      }
    }
    const flight = this.#join(file, urls, fetchFrom)
    return {
      sizeBytes: file.sizeBytes,
      isHit: false,
      ready: () => flight.begun(),
      stream: (start, end) => Readable.from(flight.read(start, end), { objectMode: false }),
      [Symbol.asyncDispose]: async () => {},
    }
  }

  #join(file: WantedFile, urls: readonly string[], fetchFrom: FetchFrom): Flight {
    const known = this.#flights.get(file.sha256)
    if (known !== undefined) return known
    const flight = new Flight(file, urls, this.#blobs, fetchFrom)
    this.#flights.set(file.sha256, flight)
    // A failure is for those who wait now; whoever asks later starts anew.
    const forget = () => this.#flights.delete(file.sha256)
    flight.landed.then(forget, forget)
    return flight
  }

  /** Ends when no fetch is under way. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#flights.values()].map((flight) => flight.landed))
  }
}
