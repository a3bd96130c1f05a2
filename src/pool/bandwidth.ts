// How fast one upstream host is read: a rate that may depend on the time of day, kept over all its connections.

/** A part of the day (UTC). `to` at or before `from` means the next day. */
export interface TimeWindow {
  /** Minutes since midnight. */
  readonly from: number
  readonly to: number
  /** 0 is Sunday; the day on which the window begins. */
  readonly days: readonly number[]
}

/** One with a rate of its own. */
export interface RateWindow extends TimeWindow {
  /** Null: no limit. */
  readonly bytesPerSecond: number | null
}

export interface RatePlan {
  /** The first that fits counts. */
  readonly windows: readonly RateWindow[]
  /** Outside of them. Null: no limit. */
  readonly otherwise: number | null
}

export const unlimited: RatePlan = { windows: [], otherwise: null }

/** The rate at a time (milliseconds); null means no limit. */
export function rateAt(plan: RatePlan, now: number): number | null {
  const found = plan.windows.find((window) => isWithin(window, now))
  return found === undefined ? plan.otherwise : found.bytesPerSecond
}

/** Whether a time (milliseconds) is in the window. */
export function isWithin({ from, to, days }: TimeWindow, now: number): boolean {
  const date = new Date(now)
  const minute = date.getUTCHours() * 60 + date.getUTCMinutes()
  const day = date.getUTCDay()
  if (from < to) return days.includes(day) && minute >= from && minute < to
  const yesterday = (day + 6) % 7
  return (days.includes(day) && minute >= from) || (days.includes(yesterday) && minute < to)
}

/** How much may run ahead of the rate, so that small files need not wait at all. */
const burstMs = 200

/** Says how long to wait for bytes that were just read. Every reader of the host asks the same one. */
export class Bandwidth {
  readonly #plan: RatePlan
  /** When everything that was read so far is paid for at the rate. */
  #paidAt = 0

  constructor(plan: RatePlan) {
    this.#plan = plan
  }

  /** Milliseconds to wait before reading on. */
  spend(bytes: number, now: number): number {
    const rate = rateAt(this.#plan, now)
    if (rate === null) return 0
    this.#paidAt = Math.max(this.#paidAt, now) + (bytes / rate) * 1000
    return Math.max(0, this.#paidAt - now - burstMs)
  }
}
