// How much of the disk package files may take: what was not used for the longest time makes room for what comes.
// When a file was last used is kept in memory and written down now and then, as the file's own time.
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../lib/clock.ts'
import type { Sha256 } from '../lib/digest.ts'
import { UusError } from '../lib/errors.ts'
import { Turns } from '../lib/turns.ts'
import { formatSize } from '../lib/units.ts'
import type { BlobEntry, Blobs } from '../store/blobs.ts'
import type { Partials } from '../store/partials.ts'

export interface RoomOptions {
  readonly blobs: Blobs
  readonly partials: Partials
  /** Null: as much as the disk has. */
  readonly maxBytes: number | null
  readonly minFreeBytes: number
  readonly clock: Clock
  /** Must stay, whatever it costs; as of the last `learnProtected`. */
  protects(sha256: Sha256): boolean
  /** Learns what must stay now. Nothing goes if that fails. */
  learnProtected?(): Promise<unknown>
  /** Is being fetched. */
  isBusy(sha256: Sha256): boolean
  /** Told of what goes wrong in the background. */
  onError(error: unknown): void
}

export interface RoomReport {
  /** Null until it was looked through once. */
  readonly usedBytes: number | null
  readonly protectedBytes: number
  readonly files: number
  readonly maxBytes: number | null
  readonly evictedFiles: number
  readonly evictedBytes: number
}

export interface RoomAlarm {
  readonly key: string
  readonly since: number
  readonly message: string
  readonly hint: string
}

/** A file that may go. */
interface Candidate extends BlobEntry {
  readonly isPartial: boolean
}

/** More than is needed is cleared, so that it is not done for every file. */
const slackShare = 0.05
const maxCandidates = 20_000
const maxTouched = 10_000
const writeDownEveryMs = 60_000
const surveyEveryMs = 24 * 3_600_000
/** How long a refusal counts as an alarm. */
const alarmMs = 3_600_000
/** Files between two pauses: others want the disk too. */
const filesInTurn = 100

export class Room implements AsyncDisposable {
  readonly #options: RoomOptions
  /** Last uses that are not written down yet. */
  #touched = new Map<Sha256, number>()
  readonly #turns = new Turns()
  readonly #timers: NodeJS.Timeout[] = []
  #isStopped = false
  #usedBytes: number | null = null
  #protectedBytes = 0
  #surveyedAt = 0
  #files = 0
  /** What came while a survey is under way that may have passed its place already. */
  #landedMeanwhile = 0
  #reservedBytes = 0
  #evictedFiles = 0
  #evictedBytes = 0
  #refusedAt = Number.NEGATIVE_INFINITY

  constructor(options: RoomOptions) {
    this.#options = options
  }

  /** A server runs on it. */
  get isStarted(): boolean {
    return this.#timers.length > 0
  }

  /** Begins to look through what is there, in the background. */
  start(): void {
    const often = (act: () => Promise<unknown>, everyMs: number) =>
      this.#timers.push(setInterval(() => this.#inBackground(act), everyMs).unref())
    often(() => this.writeDown(), writeDownEveryMs)
    often(() => this.lookThrough(), surveyEveryMs)
    this.#inBackground(() => this.lookThrough())
  }

  /** Learns anew what is there, and removes what is too much. */
  lookThrough(): Promise<void> {
    this.#usedBytes = null
    return this.#clear(0)
  }

  #inBackground(act: () => Promise<unknown>): void {
    act().catch((error) => this.#options.onError(error))
  }

  /** Somebody got the file. */
  used(sha256: Sha256): void {
    this.#touched.set(sha256, this.#options.clock.now())
    if (this.#touched.size > maxTouched) this.#inBackground(() => this.writeDown())
  }

  /** Makes the last uses durable. */
  async writeDown(): Promise<void> {
    const touched = this.#touched
    this.#touched = new Map()
    for (const [sha256, usedAt] of touched) await this.#options.blobs.touch(sha256, usedAt)
  }

  /** Makes sure that a file can be written; throws CACHE_FULL where it cannot. Held until the file is here. */
  async reserve(bytes: number): Promise<Disposable> {
    if ((await this.#missingFree(bytes)) > 0) {
      await this.#clear(bytes)
      if ((await this.#missingFree(bytes)) > 0) throw this.#refusal(bytes)
    }
    this.#reservedBytes += bytes
    let isHeld = true
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#reservedBytes -= bytes
        isHeld = false
      },
    }
  }

  #refusal(bytes: number): UusError {
    this.#refusedAt = this.#options.clock.now()
    return new UusError('CACHE_FULL', `The disk has no room for a package file of ${formatSize(bytes)}`, {
      hint: 'Free some space, or move "data" to a larger disk; "cache.min-free" says what stays free',
    })
  }

  /** How much more would have to be free. */
  async #missingFree(bytes: number): Promise<number> {
    const { blobs, minFreeBytes } = this.#options
    const freeBytes = await blobs.freeBytes()
    return freeBytes === null ? 0 : minFreeBytes + this.#reservedBytes + bytes - freeBytes
  }

  /** A file has come. */
  landed(sha256: Sha256, sizeBytes: number): void {
    this.used(sha256)
    this.#landedMeanwhile += sizeBytes
    if (this.#usedBytes === null) return
    this.#usedBytes += sizeBytes
    this.#files++
    const { maxBytes } = this.#options
    if (maxBytes !== null && this.#usedBytes > maxBytes) this.#inBackground(() => this.#clear(0))
  }

  /** The disk turned out to be full in the middle of a file. */
  wasFull(bytes: number): void {
    this.#refusedAt = this.#options.clock.now()
    this.#inBackground(() => this.#clear(bytes))
  }

  /** Removes what is too much, so that room for `bytes` more is left. */
  #clear(bytes: number): Promise<void> {
    return this.#turns.take('clear', async () => {
      const isEnough = async () => (await this.#tooMuch(bytes)) <= 0
      if (this.#usedBytes !== null && (await isEnough())) return
      for (;;) {
        const candidates = await this.#survey()
        const tooMuch = await this.#tooMuch(bytes)
        if (tooMuch <= 0 || (await this.#evict(candidates, tooMuch + this.#slack())) === 0) return
      }
    })
  }

  async #tooMuch(bytes: number): Promise<number> {
    return Math.max(this.#overLimit(this.#usedBytes ?? 0), await this.#missingFree(bytes))
  }

  #overLimit(usedBytes: number): number {
    return this.#options.maxBytes === null ? 0 : usedBytes - this.#options.maxBytes
  }

  #slack(): number {
    return Math.round(Math.min(this.#options.maxBytes ?? Number.POSITIVE_INFINITY, 20 * 2 ** 30) * slackShare)
  }

  /** Looks through everything; the files that were not used for the longest time, longest first. */
  async #survey(): Promise<Candidate[]> {
    await this.writeDown()
    await this.#options.learnProtected?.()
    this.#landedMeanwhile = 0
    let usedBytes = 0
    let protectedBytes = 0
    let files = 0
    let candidates: Candidate[] = []
    for await (const entry of this.#entries()) {
      if (this.#isStopped) break
      usedBytes += entry.sizeBytes
      files++
      if (files % filesInTurn === 0) await setImmediate()
      if (!entry.isPartial && this.#options.protects(entry.sha256)) protectedBytes += entry.sizeBytes
      else if (!this.#options.isBusy(entry.sha256)) candidates.push(entry)
      if (candidates.length > 2 * maxCandidates) candidates = longestUnused(candidates)
    }
    this.#usedBytes = usedBytes + this.#landedMeanwhile
    this.#protectedBytes = protectedBytes
    this.#surveyedAt = this.#options.clock.now()
    this.#files = files
    return longestUnused(candidates)
  }

  async *#entries(): AsyncGenerator<Candidate> {
    for await (const entry of this.#options.partials.entries()) yield { ...entry, isPartial: true }
    for await (const entry of this.#options.blobs.entries()) yield { ...entry, isPartial: false }
  }

  /** The bytes that were freed. */
  async #evict(candidates: readonly Candidate[], bytes: number): Promise<number> {
    const { blobs, partials, isBusy, protects } = this.#options
    let freedBytes = 0
    for (const { sha256, sizeBytes, isPartial } of candidates) {
      if (freedBytes >= bytes || this.#isStopped) break
      // It may have been asked for since, or upstream may have dropped it.
      if (isBusy(sha256) || this.#touched.has(sha256) || (!isPartial && protects(sha256))) continue
      await (isPartial ? partials : blobs).delete(sha256)
      freedBytes += sizeBytes
      this.#evictedFiles++
      this.#evictedBytes += sizeBytes
    }
    this.#usedBytes = Math.max(0, (this.#usedBytes ?? 0) - freedBytes)
    return freedBytes
  }

  report(): RoomReport {
    return {
      usedBytes: this.#usedBytes,
      protectedBytes: this.#protectedBytes,
      files: this.#files,
      maxBytes: this.#options.maxBytes,
      evictedFiles: this.#evictedFiles,
      evictedBytes: this.#evictedBytes,
    }
  }

  alarms(): RoomAlarm[] {
    const { maxBytes, clock } = this.#options
    const alarms: RoomAlarm[] = []
    if (maxBytes !== null && this.#protectedBytes > maxBytes) {
      alarms.push({
        key: 'cache/protected',
        since: this.#surveyedAt,
        message: `Package files that must stay take ${formatSize(this.#protectedBytes)}, and the cache may take ${formatSize(maxBytes)}`,
        hint: 'Raise "cache.max-size"; nothing else can be kept until then',
      })
    }
    if (clock.now() - this.#refusedAt < alarmMs) {
      alarms.push({
        key: 'cache/full',
        since: this.#refusedAt,
        message: 'The disk has no room for package files that clients asked for',
        hint: 'Free some space, or move "data" to a larger disk',
      })
    }
    return alarms
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true
    for (const timer of this.#timers) clearInterval(timer)
    await this.#turns.take('clear', () => this.writeDown())
  }
}

function longestUnused(candidates: readonly Candidate[]): Candidate[] {
  return [...candidates].sort((a, b) => a.usedAt - b.usedAt).slice(0, maxCandidates)
}
