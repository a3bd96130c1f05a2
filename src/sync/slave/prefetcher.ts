// Package files that a slave fetches before anybody asks, one after the other, as the limits of the way to its master
// allow. What fails is left to whoever asks for it.
import { UusError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { Repeated } from '../../lib/repeated.ts'
import type { WantedFile } from '../../store/followed.ts'

export interface PrefetcherOptions {
  /** The smallest first. */
  wanted(): readonly WantedFile[]
  fetch(file: WantedFile): Promise<void>
  /** It is here, or will not come. */
  done(file: WantedFile): Promise<void>
  readonly log: Log
}

export class Prefetcher implements AsyncDisposable {
  readonly #options: PrefetcherOptions
  readonly #rounds = new Repeated(() => this.#fetchAll())
  #isStopped = false

  constructor(options: PrefetcherOptions) {
    this.#options = options
  }

  /** There may be more to fetch now. */
  wake(): void {
    if (!this.#isStopped) this.#rounds.wake()
  }

  async #fetchAll(): Promise<void> {
    const { log, wanted, fetch, done } = this.#options
    if (this.#isStopped) return
    for (const file of wanted()) {
      if (this.#isStopped) return
      try {
        await fetch(file)
        await done(file)
      } catch (error) {
        if (this.#isStopped) return
        const { message, code } = UusError.from(error)
        log('warn', `${file.path} is not fetched beforehand: ${message}`, { code })
        // A master that is away, or a full disk, is the same for all of them: the next snapshot tries again.
        return
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true
  }
}
