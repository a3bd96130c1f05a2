// The dates of Release files: RFC 1123 as apt reads it (apt strutl.cc, RFC1123StrToTime), with the
// oddities that real archives emit, and the one form that we write.

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * `Sat, 11 Jul 2026 10:16:37 UTC` → milliseconds; null if apt would not read it. The zone must be zero;
 * one-digit days and blank-padded hours (`Fri, 18 Sep 2026  9:51:49 UTC`) occur on Ubuntu.
 */
export function parseReleaseDate(text: string): number | null {
  const match =
    /^(?:[A-Z][a-z]{2}, *)?(\d{1,2}) +([A-Z][a-z]{2}) +(\d{4}) +(\d{1,2}):(\d\d):(\d\d) +(?:GMT|UTC|Z|[+-]0000)$/.exec(
      text.trim(),
    )
  if (match === null) return null
  const [, day, monthName, year, hour, minute, second] = match
  const month = months.indexOf(monthName!)
  if (month < 0) return null
  const date = new Date(0)
  date.setUTCFullYear(Number(year), month, Number(day))
  date.setUTCHours(Number(hour), Number(minute), Number(second))
  const isReal =
    date.getUTCDate() === Number(day) && Number(hour) < 24 && Number(minute) < 60 && Number(second) < 61
  return isReal ? date.getTime() : null
}

/** Milliseconds → `Sat, 11 Jul 2026 10:16:37 UTC`. */
export function formatReleaseDate(ms: number): string {
  return new Date(ms).toUTCString().replace(/GMT$/, 'UTC')
}

/** Milliseconds → RFC 9110 HTTP date; apt knows no other form. */
export function formatHttpDate(ms: number): string {
  return new Date(ms).toUTCString()
}

/**
 * The dates of changelogs and uploads, with any zone: `Mon, 23 Nov 2026 17:05:47 +0100` → milliseconds; null if it is none.
 * The day's name is not looked at: it is wrong in many an old entry.
 */
export function parseMailDate(text: string): number | null {
  const match =
    /^(?:[A-Za-z]{3,9}, *)?(\d{1,2} +[A-Z][a-z]{2} +\d{4} +\d{1,2}:\d\d:\d\d) +([+-])(\d\d)(\d\d)(?: *\([^()]*\))?$/.exec(
      text.trim(),
    )
  if (match === null) return null
  const [, local, sign, hours, minutes] = match
  const date = parseReleaseDate(`${local} UTC`)
  if (date === null || Number(minutes) > 59) return null
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000
  return sign === '+' ? date - offset : date + offset
}
