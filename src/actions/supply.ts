// Fetching before a client asks: the last chance to get what upstream dropped, what was promoted, and what clients will
// want next. Whatever is to be done follows from the catalogue and from what is here: a restart forgets nothing.

import type { Clock } from '../lib/clock.ts'
import type { Sha256 } from '../lib/digest.ts'
import { UpstreamError, UusError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { Repeated } from '../lib/repeated.ts'
import { isWithin, type TimeWindow } from '../pool/bandwidth.ts'
import type { Ahead, AheadFile } from '../repo/ahead-files.ts'
import type { NeededFile } from '../repo/needed-files.ts'
import type { MissingFile } from '../store/supplies.ts'
import type { Call, JobsPort, PackageFiles } from './action.ts'
import {
  aheadStep,
  type Needs,
  needsReceiver,
  needsStep,
  type SupplyOutcome,
  supplyStep,
  usedStep,
} from './supplies.ts'
import { settleStep } from './update.ts'

export interface SupplyOptions {
  readonly jobs: JobsPort
  readonly packages: PackageFiles
  readonly clock: Clock
  readonly log: Log
  readonly call: Call
  readonly prefetch: { readonly files: number; readonly window: TimeWindow }
}

export interface SupplyReport {
  /** Files that upstream does not offer any more and that are here. */
  readonly keptFiles: number
  readonly keptBytes: number
  /** Not here yet, or not to be had at present. */
  readonly atRisk: readonly SupplyEntry[]
  /** Every address says that it has no such file. */
  readonly lost: readonly SupplyEntry[]
  /** Files that wait to be fetched before a client asks; since the start. */
  readonly waitingFiles: number
  readonly prefetchedFiles: number
  readonly prefetchedBytes: number
}

export interface SupplyEntry {
  readonly channel: string
  readonly archive: string
  readonly path: string
  readonly source: string
  readonly version: string
  /** Why it is not here; null if it was not tried yet. */
  readonly error: string | null
}

/** Last chances at a time: more than those of prefetching, fewer than connections. */
const urgentAtATime = 4
const tickMs = 60_000
const settleMs = 500
const firstPauseMs = 60_000
const maxPauseMs = 3_600_000
/** What no address has may still turn up: a mirror that lags, a snapshot service that is behind. */
const lostPauseMs = 24 * 3_600_000
const maxUsed = 100_000

interface Failure {
  readonly at: number
  readonly tries: number
  readonly isFinal: boolean
  readonly error: string
}

export class Supply implements AsyncDisposable {
  readonly #options: SupplyOptions
  readonly #urgent: Repeated
  readonly #ahead: Repeated
  readonly #timers: NodeJS.Timeout[] = []
  #soon: NodeJS.Timeout | null = null
  #isStopped = false
  readonly #needed = needsReceiver()
  /** What was needed when the last look ended: all of it has been looked for on the disk. */
  #looked: readonly NeededFile[] = []
  /** One look at a time; never rejects. */
  #lastLook: Promise<unknown> = Promise.resolve()
  #toFetchAhead: Ahead = { files: [], marks: [] }
  /** What was seen here; what is needed stays. */
  readonly #here = new Set<Sha256>()
  readonly #failures = new Map<Sha256, Failure>()
  /** Files without a claim are tried once. */
  readonly #tried = new Set<Sha256>()
  /** By channel: what clients got, and whether it is written down. */
  #used = new Map<string, Map<Sha256, boolean>>()
  /** Archives whose credentials open no package file, with why. */
  readonly #locked = new Map<string, { readonly since: number; readonly why: string }>()
  #waitingFiles = 0
  #prefetchedFiles = 0
  #prefetchedBytes = 0

  constructor(options: SupplyOptions) {
    this.#options = options
    this.#urgent = new Repeated(() => this.#guarded(() => this.#fetchNeeded()))
    this.#ahead = new Repeated(() => this.#guarded(() => this.#fetchAhead()))
  }

  /** From now on it also looks by itself, now and then. */
  start(): void {
    const often = (act: () => unknown) => this.#timers.push(setInterval(act, tickMs).unref())
    often(() => this.#failures.size + this.#waitingFiles + this.#locked.size > 0 && this.wake())
    often(() => void this.#guarded(() => this.writeDown()))
    this.wake()
  }

  /** Something changed: looks what is to be fetched, in the background. */
  wake(): void {
    if (this.#isStopped) return
    // In a server commits come in rows, and each look costs the jobs process some tenths of a second.
    if (this.#timers.length === 0) this.#urgent.wake()
    else this.#soon ??= setTimeout(() => this.#lookSoon(), settleMs).unref()
  }

  #lookSoon(): void {
    this.#soon = null
    if (!this.#isStopped) this.#urgent.wake()
  }

  /** Ends when nothing more is being fetched. */
  async idle(): Promise<void> {
    await this.#urgent.idle()
    await this.#ahead.idle()
  }

  /** Must stay on the disk. */
  protects(sha256: Sha256): boolean {
    return this.#needed.items.has(sha256)
  }

  /** Learns anew what is needed, and which of that is here. */
  look(): Promise<Omit<Needs, 'needed'>> {
    const look = this.#lastLook.then(() => this.#look())
    this.#lastLook = look.catch(() => {})
    return look
  }

  async #look(): Promise<Omit<Needs, 'needed'>> {
    const { jobs, call, packages } = this.#options
    const { needed, ...others } = await jobs.run(needsStep, { known: this.#needed.state }, call)
    this.#needed.take(needed)
    const { items } = this.#needed
    for (const { sha256, triedAt, isFinal, error } of others.missing) {
      if (!this.#failures.has(sha256)) this.#failures.set(sha256, { at: triedAt, tries: 1, isFinal, error })
    }
    for (const { sha256 } of items.values()) {
      if (!this.#here.has(sha256) && (await packages.has(sha256))) this.#here.add(sha256)
    }
    for (const sha256 of this.#here) if (!items.has(sha256)) this.#here.delete(sha256)
    for (const sha256 of this.#failures.keys()) if (!items.has(sha256)) this.#failures.delete(sha256)
    this.#looked = [...items.values()]
    this.#toFetchAhead = others.ahead
    return others
  }

  /** Clients of a channel got a file. Nothing is written for it now. */
  used(channel: string, sha256: Sha256): void {
    const files = this.#used.get(channel)
    if (files === undefined) this.#used.set(channel, new Map([[sha256, false]]))
    else if (!files.has(sha256) && files.size < maxUsed) files.set(sha256, false)
  }

  /** Makes what clients got durable. */
  async writeDown(): Promise<void> {
    const { jobs, call } = this.#options
    const used = [...this.#used].map(([channel, files]) => {
      const fresh = [...files].filter(([, isWritten]) => !isWritten).map(([sha256]) => sha256)
      return { channel, files: fresh }
    })
    const fresh = used.filter(({ files }) => files.length > 0)
    if (fresh.length === 0) return
    await jobs.run(usedStep, fresh, call)
    for (const { channel, files } of fresh) for (const one of files) this.#used.get(channel)!.set(one, true)
    for (const [channel, files] of this.#used) if (files.size >= maxUsed) this.#used.delete(channel)
  }

  /** Fetches what a promotion or a rollback needs, at once. What cannot be had is for the gates to tell. */
  async obtain(files: readonly NeededFile[], call: Call): Promise<void> {
    if (files.length === 0) return
    const count = files.length === 1 ? 'a file' : `${files.length} files`
    call.emit({ type: 'note', message: `Fetching ${count} that upstream does not offer any more` })
    await this.#fetchClaimed(files)
  }

  async report(): Promise<SupplyReport> {
    await this.look()
    const { here, absent } = this.#sorted()
    const describe = ({ channel, archive, path, source, version, sha256, isFrozen }: NeededFile) => {
      const why = isFrozen ? 'upstream has its index no more' : null
      return { channel, archive, path, source, version, error: this.#failures.get(sha256)?.error ?? why }
    }
    const list = (files: readonly NeededFile[]) =>
      files.map(describe).sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))
    return {
      keptFiles: here.length,
      keptBytes: here.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      atRisk: list(absent.filter((file) => !this.#isLost(file))),
      lost: list(absent.filter((file) => this.#isLost(file))),
      ...this.#progress(),
    }
  }

  /** In numbers, as of the last look. */
  counts() {
    const { here, absent } = this.#sorted()
    const lostFiles = absent.filter((file) => this.#isLost(file)).length
    return {
      keptFiles: here.length,
      lostFiles,
      atRiskFiles: absent.length - lostFiles,
      ...this.#progress(),
    }
  }

  #sorted() {
    return {
      here: this.#looked.filter(({ sha256 }) => this.#here.has(sha256)),
      absent: this.#looked.filter(({ sha256 }) => !this.#here.has(sha256)),
    }
  }

  #isLost({ sha256 }: NeededFile): boolean {
    return this.#failures.get(sha256)?.isFinal === true
  }

  #progress() {
    return {
      waitingFiles: this.#waitingFiles,
      prefetchedFiles: this.#prefetchedFiles,
      prefetchedBytes: this.#prefetchedBytes,
    }
  }

  async #guarded(act: () => Promise<unknown>): Promise<void> {
    try {
      await act()
    } catch (error) {
      if (!this.#isStopped) this.#options.log('error', UusError.from(error).message)
    }
  }

  async #fetchNeeded(): Promise<void> {
    const { retained, missing, probes } = await this.look()
    const due = this.#sorted().absent.filter((file) => !file.isFrozen && this.#isDue(file))
    const hasCome = await this.#fetchClaimed(due)
    const isNeeded = ({ sha256 }: MissingFile) => this.#needed.items.has(sha256) && !this.#here.has(sha256)
    const over = missing.filter((file) => !isNeeded(file))
    if (over.length > 0) await this.#record({ failed: [], settled: over.map(({ sha256 }) => sha256) })
    // What was approved and only waited for its files may enter now.
    if (hasCome) await this.#options.jobs.run(settleStep, { unchanged: [] }, this.#options.call)
    await this.#fetchUnclaimed(retained)
    await this.#probe(probes)
    this.#ahead.wake()
  }

  #isDue({ sha256 }: NeededFile): boolean {
    const failure = this.#failures.get(sha256)
    if (failure === undefined) return true
    const pauseMs = failure.isFinal
      ? lostPauseMs
      : Math.min(maxPauseMs, firstPauseMs * 2 ** (failure.tries - 1))
    return this.#options.clock.now() - failure.at >= pauseMs
  }

  /** True if something came. */
  async #fetchClaimed(files: readonly NeededFile[]): Promise<boolean> {
    const failed: SupplyOutcome['failed'][number][] = []
    const settled: Sha256[] = []
    await eachOf(files, urgentAtATime, async (file) => {
      if (this.#isStopped) return
      const failure = await this.#fetch(file)
      if (failure === null) {
        this.#here.add(file.sha256)
        this.#failures.delete(file.sha256)
        settled.push(file.sha256)
      } else if (!this.#isStopped) {
        const { isFrozen: _, ...what } = file
        failed.push({ ...what, ...this.#remember(file, failure) })
      }
    })
    if (failed.length > 0 || settled.length > 0) await this.#record({ failed, settled })
    return settled.length > 0
  }

  #remember({ sha256 }: NeededFile, thrown: UusError): Pick<MissingFile, 'isFinal' | 'error'> {
    const isFinal = thrown instanceof UpstreamError && thrown.isAbsent
    const error = thrown.message
    const tries = (this.#failures.get(sha256)?.tries ?? 0) + 1
    this.#failures.set(sha256, { at: this.#options.clock.now(), tries, isFinal, error })
    return { isFinal, error }
  }

  #record(outcome: SupplyOutcome): Promise<void> {
    return this.#options.jobs.run(supplyStep, outcome, this.#options.call)
  }

  /** Null, or why the file did not come. */
  async #fetch({ archive, path, sha256, sizeBytes }: AheadFile): Promise<UusError | null> {
    try {
      await this.#options.packages.obtain(archive, path, { sha256, sizeBytes })
      return null
    } catch (error) {
      return UusError.from(error)
    }
  }

  async #fetchUnclaimed(files: readonly AheadFile[]): Promise<void> {
    const due = files.filter(({ sha256 }) => !this.#tried.has(sha256))
    await eachOf(due, urgentAtATime, async (file) => {
      this.#tried.add(file.sha256)
      if (!this.#isStopped && !(await this.#options.packages.has(file.sha256))) await this.#fetch(file)
    })
  }

  /** Whether an archive's credentials open package files. One that failed is tried again each time. */
  async #probe(probes: readonly AheadFile[]): Promise<void> {
    for (const file of probes) {
      const isLocked = this.#locked.has(file.archive)
      if (this.#isStopped || (this.#tried.has(file.sha256) && !isLocked)) continue
      this.#tried.add(file.sha256)
      const failure = (await this.#options.packages.has(file.sha256)) ? null : await this.#fetch(file)
      if (failure === null) this.#locked.delete(file.archive)
      else if (!isLocked)
        this.#locked.set(file.archive, { since: this.#options.clock.now(), why: failure.message })
    }
  }

  /** What only this process knows. */
  alarms() {
    return [...this.#locked].map(([archive, { since, why }]) => ({
      key: `auth:${archive}`,
      since,
      message: `${archive}: its credentials open no package file: ${why}`,
      hint: 'Check "auth" of the archive, and the file that holds its token',
    }))
  }

  /** Only within its time; what is left waits for the next. */
  async #fetchAhead(): Promise<void> {
    const { files, marks } = this.#toFetchAhead
    const { packages, prefetch, jobs, call } = this.#options
    let isWhole = true
    this.#waitingFiles = files.length
    await eachOf(files, prefetch.files, async (file) => {
      if (!isWhole || this.#isStopped || !this.#isOpen()) {
        isWhole = false
        return
      }
      this.#waitingFiles--
      if (await packages.has(file.sha256)) return
      const failure = await this.#fetch(file)
      if (failure === null) {
        this.#prefetchedFiles++
        this.#prefetchedBytes += file.sizeBytes
      } else if (!(failure instanceof UpstreamError && failure.isAbsent)) isWhole = false
    })
    if (isWhole && marks.length > 0) await jobs.run(aheadStep, marks, call)
  }

  #isOpen(): boolean {
    return isWithin(this.#options.prefetch.window, this.#options.clock.now())
  }

  /** What is being fetched is the pool's to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    if (this.#soon !== null) clearTimeout(this.#soon)
    await this.#guarded(() => this.writeDown())
    this.#isStopped = true
  }
}

function placeOf({ channel, archive, path }: SupplyEntry): string {
  return [channel, archive, path].join('\n')
}

/** Acts on every item, so many at a time. */
async function eachOf<T>(
  items: readonly T[],
  atATime: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values()
  const worker = async () => {
    for (const item of rest) await act(item)
  }
  await Promise.all(Array.from({ length: Math.min(atATime, items.length) }, worker))
}
