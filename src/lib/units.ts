// Durations, sizes and points in time, as people write them and as files want them. All times are UTC.

const durationUnits: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** `30m`, `7d`, `1h30m` → seconds; null if it is not a duration. */
export function parseDuration(text: string): number | null {
  if (!/^(\d+[smhdw])+$/.test(text)) return null
  let seconds = 0
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw])/g)) {
    seconds += Number(count) * (durationUnits[unit!] ?? 0)
  }
  return Number.isSafeInteger(seconds) ? seconds : null
}

/** Seconds in the largest two units that say something: `3d 4h`, `12m`, `45s`. */
export function formatDuration(seconds: number): string {
  const parts: string[] = []
  let rest = Math.max(0, Math.round(seconds))
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0 && parts.length < 2) parts.push(`${count}${unit}`)
    else if (parts.length > 0) break
  }
  return parts.join(' ') || '0s'
}

/** Bytes for a person: `12.1 MB`. */
export function formatSize(bytes: number): string {
  let value = bytes
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (value < 1000) return `${unit === 'B' || value >= 100 ? Math.round(value) : value.toFixed(1)} ${unit}`
    value /= 1000
  }
  return `${value.toFixed(1)} TB`
}

/** Milliseconds → `2026-11-23T17:05:47Z`. */
export function formatIso(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** Milliseconds → apt's snapshot id, `20261123T170547Z`. */
export function formatSnapshotId(ms: number): string {
  return formatIso(ms).replace(/[-:]/g, '')
}

/** `20261123T170547Z` → milliseconds; null if it is no such time. */
export function parseSnapshotId(text: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) return null
  const [, year, month, day, hour, minute, second] = match
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(ms) ? null : ms
}

/** `3h ago`, `in 2d 4h`, `just now`, relative to `now` (both in milliseconds). */
export function formatRelative(ms: number, now: number): string {
  const seconds = (now - ms) / 1000
  if (Math.abs(seconds) < 5) return 'just now'
  return seconds > 0 ? `${formatDuration(seconds)} ago` : `in ${formatDuration(-seconds)}`
}
