// Package files: here already, or fetched while they are read. The seam between serving and fetching.
import type { BufferPool } from '../lib/buffers.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sha256 } from '../lib/digest.ts'
import type { UpstreamError } from '../lib/errors.ts'
import { Slots } from '../lib/slots.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Partials } from '../store/partials.ts'
import { BlobReader } from './blob-reader.ts'
import { Flight, type Origin, type WantedFile } from './flight.ts'
import type { FileReader, FlightReader } from './flight-reader.ts'
import type { Room } from './room.ts'

/** A package file that can be read. To be closed by who opened it. */
export interface PoolReader extends FileReader {
  readonly outcome: Outcome
  /** Resolves when bytes come; throws what keeps them away. */
  ready(): Promise<void>
}

export type Outcome =
  /** It was here before. */
  | 'hit'
  /** This reader had it fetched. */
  | 'miss'
  /** It was being fetched already. */
  | 'joined'

export interface PoolOptions {
  readonly blobs: Blobs
  readonly partials: Partials
  readonly buffers: BufferPool
  readonly clock: Clock
  readonly deadlineSeconds: number
  /** What keeps the disk bounded; without it nothing does. */
  readonly room?: Pick<Room, 'reserve' | 'landed' | 'wasFull'>
  onBytes?(archive: string, bytes: number): void
  onTrouble?(archive: string, error: UpstreamError): void
}

/** What stays in memory behind the head of a flight. Small, so that the same memory is used again while it is quick. */
const windowBytes = 2 << 20
const leastWindow = 256 << 10
/** What may wait for the disk: of one flight, and of all together. More, and upstream has to wait too. */
const unwrittenBytes = 16 << 20
const allUnwrittenBytes = 32 << 20
const landingsAtATime = 2

/** So long nobody may complete a part that was fetched of it: the part may be of wrong bytes. apt retries at once. */
const suspicionMs = 15 * 60_000

export class Pool implements AsyncDisposable {
  readonly #options: PoolOptions
  readonly #flights = new Map<Sha256, Flight>()
  readonly #suspects = new Map<Sha256, number>()
  readonly #landing = new Slots(landingsAtATime)
  #landings = 0

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** Opens a file; `origin` says where to fetch it from if it is not here. */
  async open(file: WantedFile, origin: () => Origin): Promise<PoolReader> {
    for (;;) {
      const known = this.#underWay(file.sha256)
      if (known !== undefined) return opened(known.join(), 'joined')
      const landings = this.#landings
      const blob = await this.#options.blobs.open(file.sha256)
      if (blob !== null) return opened(new BlobReader(blob, this.#options.buffers), 'hit')
      // What landed since the look is not fetched again.
      if (landings !== this.#landings) continue
      const other = this.#underWay(file.sha256)
      if (other !== undefined) return opened(other.join(), 'joined')
      return opened(this.#start(file, origin()).join(), 'miss')
    }
  }

  /** Has a file fetched that nobody reads yet. Resolves when it is here durably, rejects if it cannot be had. */
  async obtain(file: WantedFile, origin: () => Origin): Promise<void> {
    const reader = await this.open(file, origin)
    try {
      await this.#flights.get(file.sha256)?.landed
    } finally {
      reader.close()
    }
  }

  #underWay(sha256: Sha256): Flight | undefined {
    const flight = this.#flights.get(sha256)
    return flight?.isUnderWay === true ? flight : undefined
  }

  #start(file: WantedFile, origin: Origin): Flight {
    const { sha256 } = file
    const before = this.#flights.get(sha256)?.landed ?? Promise.resolve()
    const flight = new Flight(
      file,
      origin,
      this.#flightContext,
      before.catch(() => {}),
    )
    this.#flights.set(sha256, flight)
    // A failure is for those who wait now; whoever asks later starts anew.
    const forget = () => {
      if (this.#flights.get(sha256) === flight) this.#flights.delete(sha256)
    }
    flight.landed.then(forget, forget)
    return flight
  }

  get #flightContext() {
    const { partials, buffers, clock, deadlineSeconds, room, onBytes, onTrouble } = this.#options
    return {
      partials,
      buffers,
      clock,
      deadlineSeconds,
      landing: this.#landing,
      memory: () => {
        const share = allUnwrittenBytes / Math.max(1, this.#flights.size)
        return {
          windowBytes: Math.max(leastWindow, Math.min(windowBytes, share / 4)),
          unwrittenBytes: Math.max(leastWindow, Math.min(unwrittenBytes, share)),
        }
      },
      onBytes: onBytes ?? (() => {}),
      onTrouble: onTrouble ?? (() => {}),
      reserve: async (bytes: number) => (await room?.reserve(bytes)) ?? unbounded,
      onLanded: ({ sha256, sizeBytes }: WantedFile) => {
        this.#landings++
        room?.landed(sha256, sizeBytes)
      },
      onFull: (bytes: number) => room?.wasFull(bytes),
      onWrongBytes: ({ sha256 }: WantedFile) => {
        this.#suspects.set(sha256, clock.now() + suspicionMs)
      },
    }
  }

  /** Some clients hold a part of this file that is not of it: only the whole is to be sent. */
  isSuspect(sha256: Sha256): boolean {
    if (this.#suspects.size === 0) return false
    const now = this.#options.clock.now()
    for (const [one, until] of this.#suspects) if (until <= now) this.#suspects.delete(one)
    return this.#suspects.has(sha256)
  }

  isFetching(sha256: Sha256): boolean {
    return this.#flights.has(sha256)
  }

  /** How many files are being fetched, by archive. */
  inFlight(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const { archive } of this.#flights.values()) counts.set(archive, (counts.get(archive) ?? 0) + 1)
    return counts
  }

  /** Ends when no fetch is under way. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#flights.values()].map((flight) => flight.landed))
  }

  /** Gives up what is being fetched; the next process goes on with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const flight of this.#flights.values()) flight.cancel('the server stops')
    await this.idle()
  }
}

const unbounded: Disposable = { [Symbol.dispose]: () => {} }

function opened(reader: FlightReader | BlobReader, outcome: Outcome): PoolReader {
  return {
    outcome,
    ready: () => reader.ready(),
    read: (at, end, wantedBytes) => reader.read(at, end, wantedBytes),
    close: () => reader.close(),
  }
}
