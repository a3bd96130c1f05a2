// One fetch of one package file, however many ask for it. The fetch belongs to nobody: readers come and go, it goes
// on until the file is here, every address failed, or nobody wants it any more.
import type { BufferPool } from '../lib/buffers.ts'
import type { Clock } from '../lib/clock.ts'
import type { Sha256 } from '../lib/digest.ts'
import { UpstreamError, UusError } from '../lib/errors.ts'
import type { Slots } from '../lib/slots.ts'
import { formatDuration } from '../lib/units.ts'
import type { PartialFile, Partials } from '../store/partials.ts'
import { Copy, type CopyMemory, explainDisk } from './copy.ts'
import type { Body, Part } from './fetcher.ts'
import { FlightReader } from './flight-reader.ts'
import { Itinerary } from './itinerary.ts'
import { wrongBytes } from './upstream-errors.ts'

/** A file known by its digest. */
export interface WantedFile {
  readonly sha256: Sha256
  readonly sizeBytes: number
}

/** Where a file can be had. */
export interface Origin {
  /** Whose counters it goes by. */
  readonly archive: string
  /** Tried in this order. */
  readonly urls: readonly string[]
  /** Further addresses, which are asked for only when none of those has the file. */
  lastResorts?(): Promise<readonly string[]>
  /** Fetches from one of them; see Fetcher.fetchPart. */
  fetch(url: string, part: Part, signal: AbortSignal): Promise<Body>
  /** Takes back memory of bodies; see Fetcher.recycle. */
  recycle?(bytes: Buffer): void
}

export interface FlightContext {
  readonly partials: Partials
  readonly buffers: BufferPool
  readonly clock: Clock
  readonly deadlineSeconds: number
  /** Who may write out a file. */
  readonly landing: Slots
  /** How much of a flight may be in memory. */
  memory(): CopyMemory
  /** Bytes came from upstream. */
  onBytes(archive: string, bytes: number): void
  /** An address failed, or sent something else than the file; the flight may go on with another. */
  onTrouble(archive: string, error: UpstreamError): void
  /** Makes sure that there is room for a file; throws CACHE_FULL. */
  reserve(bytes: number): Promise<Disposable>
  /** The file is here durably. */
  onLanded(file: WantedFile): void
  /** The disk was full in the middle of a file. */
  onFull(bytes: number): void
  /** Clients got bytes that turned out wrong: what they keep of them must not be completed. */
  onWrongBytes(file: WantedFile): void
}

/** When the last reader leaves, the fetch goes on if so much is here already, or so little is missing. */
const finishShare = 0.5
const finishBytes = 1 << 20

/** Stands for the bytes that an earlier flight left. */
const earlier = 'earlier'

export class Flight {
  readonly file: WantedFile
  readonly #origin: Origin
  readonly #context: FlightContext
  readonly #stop = new AbortController()
  readonly #itinerary: Itinerary
  #partial: PartialFile | null = null
  #copy: Copy | null = null
  /** Whose bytes the present copy is made of. */
  readonly #contributors = new Set<string>()
  /** What each address may be shown as If-Range. */
  readonly #validators = new Map<string, string | null>()
  /** The bytes of the present copy are not the file. */
  #isSpoilt = false
  #canResume = true
  #askedLastResorts = false
  #readers = 0
  #isOver = false
  #failure: unknown = null
  #waiters: (() => void)[] = []
  #isWaking = false
  /** Resolves when the file is here durably; rejects when it will not come by this flight. */
  readonly landed: Promise<void>

  /** `before`: what must have ended first, because it holds the same partial file. */
  constructor(file: WantedFile, origin: Origin, context: FlightContext, before: Promise<void>) {
    this.file = file
    this.#origin = origin
    this.#context = context
    this.#itinerary = new Itinerary(origin.urls)
    this.landed = this.#run(before)
    this.landed.catch(() => {}) // readers and waiters meet it
  }

  get archive(): string {
    return this.#origin.archive
  }

  /** The present copy; another one takes its place when its bytes turn out wrong. */
  get copy(): Copy | null {
    return this.#copy
  }

  /** Why the file will not come; null while it may. */
  get failure(): unknown {
    return this.#failure
  }

  /** It goes on, or is just about to end well. Who comes to one that is not needs another one. */
  get isUnderWay(): boolean {
    return !this.#isOver && this.#failure === null && !this.#stop.signal.aborted
  }

  /** A reader, to be closed. While there is one the fetch goes on. */
  join(): FlightReader {
    this.#readers++
    return new FlightReader(this, this.#context.buffers, () => this.#leave())
  }

  /** Resolves when something changed. The caller looks before it waits, without an `await` in between. */
  change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  /** Ends it. What was fetched is kept for the next one. */
  cancel(why: string): void {
    this.#stop.abort(
      new UusError('CANCELLED', `Fetching was given up: ${why}`, {
        hint: 'Ask again: it goes on from there',
      }),
    )
  }

  async #run(before: Promise<void>): Promise<void> {
    try {
      await before
      using _room = await this.#context.reserve(this.file.sizeBytes)
      await this.#land()
    } catch (thrown) {
      const error = explainDisk(thrown)
      // A refusal beforehand has no cause.
      if (error instanceof UusError && error.code === 'CACHE_FULL' && error.cause !== undefined) {
        this.#context.onFull(this.file.sizeBytes)
      }
      this.#failure = error
      await this.#putAway(error)
      throw error
    } finally {
      this.#isOver = true
      this.#wake()
      if (this.#readers === 0) await this.#close()
    }
  }

  async #land(): Promise<void> {
    const deadline = AbortSignal.timeout(this.#context.deadlineSeconds * 1000)
    const signal = AbortSignal.any([this.#stop.signal, deadline])
    try {
      await this.#open()
      while (!(await this.#isWhole())) await this.#goOn(signal)
    } catch (error) {
      // What is wrong with the copy counts, also if nobody waits for it any more.
      throw this.#copy?.failure ?? (signal.aborted ? this.#reasonOf(signal) : error)
    }
    // Writing out a large file may keep a slow disk busy: only few at a time, so that reading goes on.
    using _slot = await this.#context.landing.take()
    await this.#partial!.land()
    this.#context.onLanded(this.file)
  }

  async #goOn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const step = this.#itinerary.step()
    switch (step.type) {
      case 'give-up':
        if (!(await this.#addLastResorts())) throw step.error
        return
      case 'wait':
        await this.#context.clock.sleep(step.ms, signal)
        return
      case 'ask':
        await this.#ask(step.url, signal)
    }
  }

  /** False if there are none, or if an address may still have the file at another time. */
  async #addLastResorts(): Promise<boolean> {
    if (!this.#itinerary.isExhausted || this.#askedLastResorts) return false
    this.#askedLastResorts = true
    const urls = (await this.#origin.lastResorts?.()) ?? []
    this.#itinerary.add(urls)
    return urls.length > 0
  }

  /** A new copy, beginning with what an earlier flight left. */
  async #open(): Promise<void> {
    const { partials, memory } = this.#context
    this.#copy?.close()
    const { sha256, sizeBytes } = this.file
    this.#partial = await partials.open(sha256)
    if (this.#partial.sizeBytes > sizeBytes) {
      await this.#partial.discard()
      this.#partial = await partials.open(sha256)
    }
    this.#isSpoilt = false
    this.#contributors.clear()
    if (this.#partial.sizeBytes > 0) this.#contributors.add(earlier)
    this.#copy = new Copy(this.#partial, {
      sizeBytes,
      memory,
      onChange: () => this.#wake(),
      onFree: (bytes) => this.#origin.recycle?.(bytes),
    })
    this.#wake()
    await this.#copy.restore()
  }

  /** All bytes are here and right. If they are wrong it begins anew, without the address that is to blame. */
  async #isWhole(): Promise<boolean> {
    const copy = this.#copy!
    const { sha256, sizeBytes } = this.file
    if (copy.doneBytes < sizeBytes) return false
    if (await copy.verify(sha256)) return true
    // Where several had a part in it nobody is to blame yet: once more from the beginning, with one alone.
    const [blamed = '', ...others] = this.#contributors
    const error = wrongBytes(blamed, 'has another SHA-256 than the index says')
    if (blamed === '') throw error
    this.#context.onTrouble(this.archive, error)
    if (others.length === 0 && blamed !== earlier) this.#itinerary.failed(blamed, error, false)
    this.#isSpoilt = true
    this.#context.onWrongBytes(this.file)
    if (this.#itinerary.isExhausted && !(await this.#addLastResorts())) throw error
    copy.fail(error)
    await this.#partial!.discard()
    await this.#open()
    return false
  }

  async #ask(url: string, signal: AbortSignal): Promise<void> {
    const copy = this.#copy!
    const start = copy.doneBytes
    const ifRange = this.#validators.get(url) ?? null
    try {
      const body = await this.#origin.fetch(url, { sizeBytes: this.file.sizeBytes, start, ifRange }, signal)
      this.#validators.set(url, body.validator)
      this.#canResume = body.canResume
      for await (const chunk of body.chunks) {
        this.#contributors.add(url)
        this.#context.onBytes(this.archive, chunk.length)
        await copy.append(chunk)
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof UpstreamError)) throw error
      this.#context.onTrouble(this.archive, error)
      this.#itinerary.failed(url, error, copy.doneBytes > start)
    }
  }

  #reasonOf(signal: AbortSignal): unknown {
    if (this.#stop.signal.aborted) return signal.reason
    const url = this.#origin.urls[0] ?? ''
    const limit = formatDuration(this.#context.deadlineSeconds)
    return new UpstreamError('UPSTREAM_TOO_SLOW', url, `A package file did not come within ${limit}`, {
      hint: 'Ask again: it goes on from there. "limits.deadline" sets the time',
    })
  }

  /** What came is kept, unless it is wrong, or our own disk failed and needs the room. */
  async #putAway(error: unknown): Promise<void> {
    await this.#copy?.settled()
    this.#copy?.fail(error)
    this.#copy?.close()
    const partial = this.#partial
    this.#partial = null
    if (partial === null) return
    const ours = ['DATA_UNUSABLE', 'CACHE_FULL']
    const isOurFault = !(error instanceof UusError) || ours.includes(error.code)
    const isKept = !isOurFault && !this.#isSpoilt && partial.sizeBytes > 0
    await (isKept ? partial.keep() : partial.discard())
  }

  #leave(): void {
    this.#readers--
    this.#wake()
    if (this.#readers > 0) return
    if (this.#isOver) void this.#close()
    else if (!this.#isWorthFinishing()) this.cancel('nobody wants the file any more')
  }

  #isWorthFinishing(): boolean {
    const doneBytes = this.#copy?.doneBytes ?? 0
    const { sizeBytes } = this.file
    return !this.#canResume || doneBytes >= sizeBytes * finishShare || sizeBytes - doneBytes <= finishBytes
  }

  /** The file is placed; only who still reads it kept it open. */
  async #close(): Promise<void> {
    const partial = this.#partial
    this.#partial = null
    this.#copy?.close()
    await partial?.discard()
  }

  /** Readers are woken once for all that comes in one turn of the loop: fewer and larger writes to their sockets. */
  #wake(): void {
    if (this.#isWaking) return
    this.#isWaking = true
    setImmediate(() => {
      this.#isWaking = false
      const waiters = this.#waiters
      this.#waiters = []
      for (const waiter of waiters) waiter()
    })
  }
}
