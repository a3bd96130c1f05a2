// What a running slave does all the time: waits for news of each channel, tells its master how it is, and passes on what
// clients told it. When the master is away it serves on, and asks again and again.
import type { Clock } from '../../lib/clock.ts'
import { type ErrorValue, UpstreamError, UusError } from '../../lib/errors.ts'
import type { Emit } from '../../lib/events.ts'
import type { Log } from '../../lib/log.ts'
import type { SlaveReport } from '../../store/slaves.ts'
import type { EventBatch } from '../protocol/messages.ts'
import { isOvertaken, type Synchronizer, type SyncOutcome } from './synchronizer.ts'

/** What the jobs process does for it. */
export interface FollowerJobs {
  /** `channel` is empty for the way to the master. */
  failed(channel: string, error: ErrorValue): Promise<void>
  resolved(channel: string): Promise<void>
  /** Notes down what clients told since the last time. */
  queue(): Promise<void>
  /** The next batch for the master; null if there is none. */
  nextBatch(): Promise<EventBatch | null>
  delivered(id: string): Promise<void>
}

export interface FollowerOptions {
  readonly synchronizer: Synchronizer
  readonly jobs: FollowerJobs
  readonly clock: Clock
  readonly log: Log
  readonly emit: Emit
  describeSelf(): Promise<SlaveReport>
  /** A snapshot came. */
  onNew(): void
}

/** How long the master may wait for news: well within what proxies take for a dead connection. */
const waitSeconds = 50
/** An answer without news sooner than this means that nobody waits there: then we do. */
const hastyMs = 5000
const pollMs = 30_000
const helloEveryMs = 600_000
const reportEveryMs = 60_000
const queueEveryMs = 15_000
const firstPauseMs = 1000
const maxPauseMs = 60_000

export class Follower implements AsyncDisposable {
  readonly #options: FollowerOptions
  readonly #stop = new AbortController()
  /** By channel: ends its loop. */
  readonly #loops = new Map<string, { readonly stop: AbortController; readonly first: Promise<void> }>()
  readonly #running: Promise<void>[] = []
  #isReportDue = false
  #wakeReporter: () => void = () => {}

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  /** Resolves when every channel was tried once. */
  start(): Promise<unknown> {
    const first = this.#greet()
      .then(() => Promise.all([...this.#loops.values()].map((loop) => loop.first)))
      .finally(() => this.#reportSoon())
    this.#running.push(
      this.#repeat('', helloEveryMs, async () => void (await this.#greet()), first),
      this.#repeatReports(),
      this.#repeat('', queueEveryMs, () => this.#passOn()),
    )
    return first
  }

  /** Asks what there is to follow, and begins or ends following it. False if the master could not be asked. */
  async #greet(): Promise<boolean> {
    try {
      const { channels } = await this.#options.synchronizer.link.hello(this.#stop.signal)
      await this.#options.jobs.resolved('')
      for (const [name, { stop }] of this.#loops) {
        if (channels.includes(name)) continue
        stop.abort()
        this.#loops.delete(name)
        await this.#fail(name, gone(name))
      }
      for (const name of channels) if (!this.#loops.has(name)) this.#follow(name)
      return true
    } catch (error) {
      await this.#fail('', error)
      return false
    }
  }

  #follow(channel: string): void {
    const stop = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, stop.signal])
    const first = Promise.withResolvers<void>()
    this.#loops.set(channel, { stop, first: first.promise })
    this.#running.push(this.#loop(channel, signal, first.resolve))
  }

  async #loop(channel: string, signal: AbortSignal, onFirst: () => void): Promise<void> {
    const { synchronizer, clock, emit } = this.#options
    let pauseMs = 0
    for (let round = 0; !signal.aborted; round++) {
      const startedAt = performance.now()
      try {
        const isFirst = round === 0
        const outcome = await synchronizer.sync({
          channel,
          waitSeconds: isFirst ? 0 : waitSeconds,
          looksThrough: isFirst,
          signal,
          emit,
        })
        const isHasty = !isFirst && outcome.outcome === 'unchanged' && performance.now() - startedAt < hastyMs
        pauseMs = isHasty ? pollMs : 0
        await this.#worked(channel, outcome)
      } catch (error) {
        if (signal.aborted) break
        // The master moved on while we asked: what it has now is asked for at once.
        const isFast = isOvertaken(error) && pauseMs === 0
        if (!isFast) await this.#fail(channel, error)
        pauseMs = isFast ? firstPauseMs : nextPause(pauseMs, error)
      }
      onFirst()
      if (pauseMs > 0) await clock.sleep(pauseMs, signal).catch(() => {})
    }
    onFirst()
  }

  async #worked(channel: string, result: SyncOutcome): Promise<void> {
    // An answer without news has been written down as a check, which ends a failure too.
    if (result.outcome === 'unchanged') return
    await this.#options.jobs.resolved(channel)
    const { flipped } = result
    if (result.outcome === 'new') {
      const { snapshot: id, revision, kind, entered, left } = flipped
      this.#options.emit({ type: 'snapshot', channel, id, revision, kind, entered, left })
      this.#options.onNew()
    }
    this.#reportSoon()
  }

  async #fail(channel: string, error: unknown): Promise<void> {
    if (this.#stop.signal.aborted) return
    const known = UusError.from(error)
    const { message, hint, code } = known
    const fields = { ...(channel === '' ? {} : { channel }), code, ...(hint === undefined ? {} : { hint }) }
    this.#options.log(code === 'INTERNAL' ? 'error' : 'warn', message, fields)
    try {
      await this.#options.jobs.failed(channel, known.toValue())
    } catch (failure) {
      this.#options.log('error', UusError.from(failure).message)
    }
    this.#reportSoon()
  }

  #reportSoon(): void {
    this.#isReportDue = true
    this.#wakeReporter()
  }

  /** At once where something happened, else now and then. Failing, it leaves the complaint to the loops. */
  async #repeatReports(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      if (!this.#isReportDue) {
        const soon = new AbortController()
        this.#wakeReporter = () => soon.abort()
        const until = AbortSignal.any([signal, soon.signal])
        await this.#options.clock.sleep(reportEveryMs, until).catch(() => {})
      }
      if (signal.aborted) return
      this.#isReportDue = false
      await this.#report().catch(() => {})
    }
  }

  async #report(): Promise<void> {
    const { synchronizer, describeSelf } = this.#options
    await synchronizer.link.report(await describeSelf(), this.#stop.signal)
  }

  /** What clients told becomes durable here first; it is the master's only once that says so. */
  async #passOn(): Promise<void> {
    const { jobs, synchronizer } = this.#options
    await jobs.queue()
    for (let batch = await jobs.nextBatch(); batch !== null; batch = await jobs.nextBatch()) {
      await synchronizer.link.events(batch, this.#stop.signal)
      await jobs.delivered(batch.id)
    }
  }

  /** Does something again and again; quickly at first if it fails, because of somebody who is away. */
  async #repeat(
    _what: string,
    everyMs: number,
    act: () => Promise<void>,
    after: Promise<unknown> = Promise.resolve(),
  ): Promise<void> {
    const { signal } = this.#stop
    await after.catch(() => {})
    while (!signal.aborted) {
      // Nobody is followed as long as the master could not be asked.
      const pauseMs = this.#loops.size === 0 ? Math.min(everyMs, maxPauseMs / 4) : everyMs
      await this.#options.clock.sleep(pauseMs, signal).catch(() => {})
      if (signal.aborted) return
      try {
        await act()
      } catch (error) {
        if (!(error instanceof UpstreamError) && !signal.aborted)
          this.#options.log('warn', UusError.from(error).message)
      }
    }
  }

  /** What is under way is cut off: it leaves the old state or the new one. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled(this.#running)
    await this.#options.jobs.queue().catch(() => {}) // counts of the last seconds
  }
}

/** Growing pauses, or as long as the master wants. */
function nextPause(pauseMs: number, error: unknown): number {
  const wanted = error instanceof UpstreamError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
  return Math.min(maxPauseMs, Math.max(firstPauseMs, pauseMs * 2, wanted))
}

function gone(channel: string): UusError {
  return new UusError('SYNC_REFUSED', `The master gives channel ${channel} to this slave no more`, {
    hint: 'See "uus slave list" on the master; what is here is served on until it expires',
  })
}
