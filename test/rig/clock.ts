// A clock that stands still until it is told, or until somebody sleeps.
import type { Clock } from '../../src/lib/clock.ts'

export class FakeClock implements Clock {
  #now: number

  constructor(now: number = Date.UTC(2026, 10, 23, 12, 0, 0)) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  /** Time passes at once. */
  async sleep(ms: number): Promise<void> {
    this.#now += ms
  }

  advance(ms: number): void {
    this.#now += ms
  }
}

export const minute = 60_000
export const hour = 60 * minute
export const day = 24 * hour
