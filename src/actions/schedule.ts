// What the server does by itself: updates when archives are due, keeping alarms true in between, and collection.
import { UusError } from '../lib/errors.ts'
import type { Emit } from '../lib/events.ts'
import type { Log } from '../lib/log.ts'
import type { Call, ServerContext } from './action.ts'
import { gcStep } from './gc.ts'
import { slaveUpkeepStep } from './slave-steps.ts'
import { update, upkeepStep } from './update.ts'
import { upstreamArchives } from './upstream-archive.ts'

const system = { name: 'uus', via: 'schedule' } as const
/** How often it looks whether something is due. */
const tickMs = 15_000
const upkeepEveryMs = 300_000
const collectEveryMs = 24 * 3_600_000

export class Scheduler implements AsyncDisposable {
  readonly #context: ServerContext
  readonly #log: Log
  readonly #call: Call
  readonly #stop = new AbortController()
  /** When each archive was tried last, whatever came of it. */
  readonly #triedAt = new Map<string, number>()
  /** Archives whose update is under way: a slow one is not asked again, and keeps no other back. */
  readonly #underWay = new Set<string>()
  #upkeepAt = 0
  #collectAt: number

  /** `checkedAt`: when an archive was last known to be up to date; null if it is not. */
  constructor(context: ServerContext, emit: Emit, log: Log, checkedAt: (archive: string) => number | null) {
    this.#context = context
    this.#log = log
    for (const { name } of upstreamArchives(context.config)) {
      const at = checkedAt(name)
      if (at !== null) this.#triedAt.set(name, at)
    }
    this.#call = { actor: system, emit }
    // Not at the start, when everybody waits for updates.
    this.#collectAt = context.clock.now() - collectEveryMs + 3_600_000
  }

  /** Resolves when what is due at the start has been tried; goes on until disposed. */
  start(): Promise<unknown> {
    const first = Promise.all(this.#tick())
    void this.#loop()
    return first
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#context.clock.sleep(tickMs, signal)
      } catch {
        return // stopped
      }
      void this.#tick()
    }
  }

  /** Begins what is due. */
  #tick(): Promise<void>[] {
    const now = this.#context.clock.now()
    const begun = this.#context.config.archives
      .filter(({ name, local, refreshSeconds }) => {
        if (local !== null) return false
        const triedAt = this.#triedAt.get(name)
        const isDue = triedAt === undefined || now - triedAt >= refreshSeconds * 1000
        return isDue && !this.#underWay.has(name)
      })
      .map(({ name }) => this.#guarded(() => this.#update(name)))
    const { jobs } = this.#context
    if (now - this.#upkeepAt >= upkeepEveryMs) {
      this.#upkeepAt = now
      const isSlave = this.#context.config.role === 'slave'
      begun.push(this.#guarded(() => jobs.run(isSlave ? slaveUpkeepStep : upkeepStep, {}, this.#call)))
    }
    if (now - this.#collectAt >= collectEveryMs) {
      this.#collectAt = now
      begun.push(this.#guarded(() => jobs.run(gcStep, { dryRun: false }, this.#call)))
    }
    return begun
  }

  async #guarded(act: () => Promise<unknown>): Promise<void> {
    try {
      await act()
    } catch (error) {
      if (this.#stop.signal.aborted) return
      const { message, hint } = UusError.from(error)
      this.#log('error', message, hint === undefined ? {} : { hint })
    }
  }

  async #update(archive: string): Promise<void> {
    this.#triedAt.set(archive, this.#context.clock.now())
    this.#underWay.add(archive)
    try {
      await update.run(this.#context, { archives: [archive], accept: [], reason: null }, this.#call)
    } finally {
      this.#underWay.delete(archive)
    }
  }

  /** An update that is under way is not waited for: cut off it leaves the old or the new state. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
  }
}
