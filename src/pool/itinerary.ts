// Which address is asked next for a file, and when to give up. Pure: no clock, no network.
import { UpstreamError } from '../lib/errors.ts'

export type Step =
  | { readonly type: 'ask'; readonly url: string }
  | { readonly type: 'wait'; readonly ms: number }
  | { readonly type: 'give-up'; readonly error: UpstreamError }

const rounds = 3
const firstPauseMs = 1000
/** Longer than this nobody waits: apt gives a silent server 30 s in all, the failures included. */
const maxPauseMs = 8000

/**
 * The addresses in their order, round after round with growing pauses. One that has no such file, or another one, is
 * not asked again; one that is busy or away is, a few times.
 */
export class Itinerary {
  #left: readonly string[]
  #next = 0
  #round = 1
  /** The shortest that an address of this round wants to be left alone. */
  #restSeconds = Number.POSITIVE_INFINITY
  /** What is told in the end: a failure that may pass says more than a file that is not there. */
  #passing: UpstreamError | null = null
  #final: UpstreamError | null = null

  constructor(urls: readonly string[]) {
    this.#left = urls
  }

  /** No address is left that might have the file. */
  get isExhausted(): boolean {
    return this.#left.length === 0
  }

  /** Further addresses, for when every one so far has no such file. */
  add(urls: readonly string[]): void {
    this.#left = [...this.#left, ...urls]
    this.#next = 0
    this.#round = 1
    this.#restSeconds = Number.POSITIVE_INFINITY
  }

  step(): Step {
    const url = this.#left[this.#next]
    if (url !== undefined) return { type: 'ask', url }
    const restMs = Number.isFinite(this.#restSeconds) ? this.#restSeconds * 1000 : 0
    const ms = Math.max(firstPauseMs * 2 ** (this.#round - 1), restMs)
    if (this.#left.length === 0 || this.#round === rounds || ms > maxPauseMs) {
      return { type: 'give-up', error: this.#passing ?? this.#final ?? noAddress() }
    }
    this.#round++
    this.#next = 0
    this.#restSeconds = Number.POSITIVE_INFINITY
    return { type: 'wait', ms }
  }

  /** The address that was asked failed. `hasHelped`: bytes came of it, so that it was no vain attempt. */
  failed(url: string, error: UpstreamError, hasHelped: boolean): void {
    if (hasHelped) this.#round = 1
    if (!isPassing(error)) {
      this.#left = this.#left.filter((one) => one !== url)
      if (this.#final === null || this.#final.isAbsent) this.#final = error
      return
    }
    this.#passing = error
    this.#restSeconds = Math.min(this.#restSeconds, error.retryAfterSeconds ?? 0)
    // Cut off in the middle of a file, the same server goes on best.
    if (!hasHelped || error.code !== 'UPSTREAM_UNREACHABLE') this.#next++
  }
}

/** Whether the same question may have another answer soon. */
function isPassing(error: UpstreamError): boolean {
  switch (error.code) {
    case 'UPSTREAM_UNREACHABLE':
    case 'UPSTREAM_TOO_SLOW':
    case 'UPSTREAM_RESTING':
      return true
    case 'UPSTREAM_STATUS':
      return error.status === 408 || error.status === 429 || (error.status ?? 0) >= 500
    default:
      return false
  }
}

function noAddress(): UpstreamError {
  return new UpstreamError('UPSTREAM_UNREACHABLE', '', 'No address is known for this file', {
    hint: 'Its archive left the configuration; see "uus archive list"',
  })
}
