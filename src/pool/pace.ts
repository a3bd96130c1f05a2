// Watches that a body keeps coming: not a word for too long, or bytes that drip, end the request.
import type { Limits } from './hosts.ts'

const tickMs = 1000

/** Counts only the time in which we wait for upstream; what we do with its bytes is not its fault. */
export class Pace implements Disposable {
  readonly #limits: Limits
  readonly #onTooSlow: (why: string) => void
  readonly #timer: NodeJS.Timeout
  #waitingSince: number | null = performance.now()
  #waitedMs = 0
  #bytes = 0

  constructor(limits: Limits, onTooSlow: (why: string) => void) {
    this.#limits = limits
    this.#onTooSlow = onTooSlow
    const everyMs = Math.min(tickMs, limits.silenceSeconds * 500, limits.minRateOverSeconds * 500)
    this.#timer = setInterval(() => this.#tick(), everyMs).unref()
  }

  /** Bytes came; the time until `wait` is ours. */
  came(bytes: number): void {
    this.#bytes += bytes
    if (this.#waitingSince !== null) this.#waitedMs += performance.now() - this.#waitingSince
    this.#waitingSince = null
  }

  wait(): void {
    this.#waitingSince = performance.now()
  }

  #tick(): void {
    const { silenceSeconds, minBytesPerSecond, minRateOverSeconds } = this.#limits
    const silentMs = this.#waitingSince === null ? 0 : performance.now() - this.#waitingSince
    if (silentMs >= silenceSeconds * 1000) {
      this.#onTooSlow('no more bytes in time')
      return
    }
    const waitedMs = this.#waitedMs + silentMs
    if (waitedMs < minRateOverSeconds * 1000) return
    const rate = (this.#bytes / waitedMs) * 1000
    if (rate < minBytesPerSecond) this.#onTooSlow(`${Math.round(rate)} bytes a second`)
    this.#bytes = 0
    this.#waitedMs = -silentMs
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
