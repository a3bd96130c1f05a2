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

const sizeUnits: Record<string, number> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** `10GiB`, `1.5GB`, `0` → bytes; null if it is not a size. */
export function parseSize(text: string): number | null {
  if (text === '0') return 0
  const [, count, unit] = /^(\d+(?:\.\d+)?) ?([kMGTKi]{0,2}B)$/.exec(text) ?? []
  const scale = sizeUnits[unit ?? '']
  if (scale === undefined) return null
  const bytes = Math.round(Number(count) * scale)
  return Number.isSafeInteger(bytes) ? bytes : null
}

/** `10MiB/s` → bytes a second; null if it is not a rate. */
export function parseRate(text: string): number | null {
  const [, size] = /^(.+)\/s$/.exec(text) ?? []
  return size === undefined ? null : parseSize(size)
}

/** `08:30` → minutes since midnight; `24:00` is the end of the day. Null if it is no time of day. */
export function parseTimeOfDay(text: string): number | null {
  const [, hours, minutes] = /^(\d\d):([0-5]\d)$/.exec(text) ?? []
  const total = Number(hours) * 60 + Number(minutes)
  return Number.isNaN(total) || total > 24 * 60 ? null : total
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
