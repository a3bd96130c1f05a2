// Clock times in time zones: what people write into plans, and the moments that they mean.

export interface WallTime {
  readonly year: number
  /** 1 is January. */
  readonly month: number
  readonly day: number
  /** Since midnight; 1440 is the end of the day. */
  readonly minutes: number
}

const formats = new Map<string, Intl.DateTimeFormat>()

export function isTimeZone(name: string): boolean {
  try {
    formatOf(name)
    return true
  } catch {
    return false
  }
}

/** What a clock in the zone shows at a moment (milliseconds). */
export function wallTimeAt(at: number, zone: string): WallTime & { readonly weekday: number } {
  const parts = Object.fromEntries(
    formatOf(zone)
      .formatToParts(at)
      .map(({ type, value }) => [type, Number(value)]),
  )
  const { year, month, day, hour, minute } = parts as Record<
    'year' | 'month' | 'day' | 'hour' | 'minute',
    number
  >
  return {
    year,
    month,
    day,
    minutes: hour * 60 + minute,
    /** 0 is Sunday. */
    weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay(),
  }
}

/**
 * The moment at which a clock in the zone shows a time. Where clocks are put forward past it, the moment they are;
 * where it comes twice, the first.
 */
export function momentOf({ year, month, day, minutes }: WallTime, zone: string): number {
  const asIfUtc = Date.UTC(year, month - 1, day) + minutes * 60_000
  const candidates = [-dayMs, dayMs]
    .map((shift) => asIfUtc - offsetAt(asIfUtc + shift, zone))
    .sort((a, b) => a - b)
  const exact = candidates.find((at) => at + offsetAt(at, zone) === asIfUtc)
  if (exact !== undefined) return exact
  // The gap: from the earlier candidate on the clock shows more than was asked for.
  let [low, high] = [candidates[0]! - dayMs / 8, candidates[1]! + dayMs / 8]
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2)
    if (middle + offsetAt(middle, zone) < asIfUtc) low = middle
    else high = middle
  }
  return Math.round(high / 60_000) * 60_000
}

const dayMs = 86_400_000

function offsetAt(at: number, zone: string): number {
  const { year, month, day, minutes } = wallTimeAt(at, zone)
  return Date.UTC(year, month - 1, day) + minutes * 60_000 - Math.floor(at / 60_000) * 60_000
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    calendar: 'gregory',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  formats.set(zone, made)
  return made
}
