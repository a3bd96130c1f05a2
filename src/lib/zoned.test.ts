import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isTimeZone, momentOf, wallTimeAt } from './zoned.ts'

const iso = (at: number) => new Date(at).toISOString().slice(0, 16)
const at = (text: string) => {
  const [, year, month, day, hour, minute] = /(\d+)-(\d+)-(\d+)T(\d+):(\d+)/.exec(text)!.map(Number)
  return { year: year!, month: month!, day: day!, minutes: hour! * 60 + minute! }
}

for (const [wall, zone, utc] of [
  ['2026-12-31T18:00', 'UTC', '2026-12-31T18:00'],
  ['2026-12-31T18:00', 'Europe/Oslo', '2026-12-31T17:00'],
  ['2026-07-01T18:00', 'Europe/Oslo', '2026-07-01T16:00'],
  ['2027-01-01T00:00', 'Pacific/Auckland', '2026-12-31T11:00'],
  ['2026-12-31T00:00', 'America/New_York', '2026-12-31T05:00'],
  ['2026-06-01T12:00', 'Asia/Kathmandu', '2026-06-01T06:15'],
  // Comes twice: the first.
  ['2026-10-25T02:30', 'Europe/Oslo', '2026-10-25T00:30'],
  // Never comes: when the clocks are put forward.
  ['2026-03-29T02:30', 'Europe/Oslo', '2026-03-29T01:00'],
] as const) {
  test(`${wall} in ${zone} is ${utc} UTC`, () => {
    assert.equal(iso(momentOf(at(wall), zone)), utc)
  })
}

test('a moment in every zone goes there and back', () => {
  for (const zone of Intl.supportedValuesOf('timeZone')) {
    for (const moment of [Date.UTC(2026, 0, 15, 9, 30), Date.UTC(2026, 6, 15, 21, 45)])
      assert.equal(momentOf(wallTimeAt(moment, zone), zone), moment, zone)
  }
  assert.equal(wallTimeAt(Date.UTC(2026, 11, 31, 23, 30), 'Europe/Oslo').weekday, 5, 'a Friday in 2027')
})

test('names that are no time zones', () => {
  assert.ok(isTimeZone('Europe/Oslo'))
  for (const name of ['Europe/Atlantis', '', 'local']) assert.ok(!isTimeZone(name), name)
})
