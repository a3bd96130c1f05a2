// What the server does by itself: updates when archives are due, and keeping alarms true in between.
import { UusError } from '../lib/errors.ts'
import type { Emit } from '../lib/events.ts'
import type { Log } from '../lib/log.ts'
import type { Call, ServerContext } from './action.ts'
import { alarmsStep } from './status.ts'
import { update } from './update.ts'

const system = { name: 'uus', via: 'schedule' } as const
/** How often it looks whether something is due. */
const tickMs = 15_000
const alarmsEveryMs = 300_000

export class Scheduler implements AsyncDisposable {
  readonly #context: ServerContext
  readonly #log: Log
  readonly #call: Call
  readonly #stop = new AbortController()
  /** When each archive was tried last, whatever came of it. */
  readonly #triedAt = new Map<string, number>()
  #alarmsAt = 0

  /** `checkedAt`: when an archive was last known to be up to date; null if it is not. */
  constructor(context: ServerContext, emit: Emit, log: Log, checkedAt: (archive: string) => number | null) {
    this.#context = context
    this.#log = log
    for (const { name } of context.config.archives) {
      const at = checkedAt(name)
      if (at !== null) this.#triedAt.set(name, at)
    }
    this.#call = { actor: system, emit }
  }

  /** Resolves when what is due at the start has been tried; goes on until disposed. */
  start(): Promise<void> {
    const first = this.#tick()
    void first.then(() => this.#loop())
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
      await this.#tick()
    }
  }

  async #tick(): Promise<void> {
    const now = this.#context.clock.now()
    const due = this.#context.config.archives.filter((archive) => {
      const triedAt = this.#triedAt.get(archive.name)
      return triedAt === undefined || now - triedAt >= archive.refreshSeconds * 1000
    })
    try {
      if (due.length > 0) await this.#update(due.map((archive) => archive.name))
      else if (now - this.#alarmsAt >= alarmsEveryMs) await this.#context.jobs.run(alarmsStep, {}, this.#call)
      else return
      this.#alarmsAt = this.#context.clock.now()
    } catch (error) {
      if (this.#stop.signal.aborted) return
      const { message, hint } = UusError.from(error)
      this.#log('error', message, hint === undefined ? {} : { hint })
    }
  }

  async #update(archives: string[]): Promise<void> {
    for (const name of archives) this.#triedAt.set(name, this.#context.clock.now())
    await update.run(this.#context, { archives, accept: [], reason: null }, this.#call)
  }

  /** An update that is under way is not waited for: cut off it leaves the old or the new state. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
  }
}
