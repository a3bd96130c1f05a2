import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bandwidth, type RatePlan, rateAt } from './bandwidth.ts'

const everyDay = [0, 1, 2, 3, 4, 5, 6]
const workdays = [1, 2, 3, 4, 5]
// 23 November 2026 is a Monday.
const at = (day: number, hour: number, minute = 0) => Date.UTC(2026, 10, day, hour, minute)

test('the first window that fits says the rate', () => {
  const plan: RatePlan = {
    windows: [
      { from: 8 * 60, to: 18 * 60, days: workdays, bytesPerSecond: 1000 },
      { from: 22 * 60, to: 5 * 60, days: workdays, bytesPerSecond: null },
    ],
    otherwise: 5000,
  }
  for (const [time, rate] of [
    [at(23, 7, 59), 5000],
    [at(23, 8), 1000],
    [at(23, 17, 59), 1000],
    [at(23, 18), 5000],
    [at(23, 22), null],
    [at(24, 4, 59), null],
    [at(24, 5), 5000],
    // Saturday night belongs to no workday, the hours after Friday's midnight do.
    [at(28, 4), null],
    [at(28, 23), 5000],
    [at(29, 4), 5000],
    [at(28, 10), 5000],
  ] as const) {
    assert.equal(rateAt(plan, time), rate, new Date(time).toISOString())
  }
})

test('over all readers of a host the rate is kept, and a pause earns nothing', () => {
  const bandwidth = new Bandwidth({
    windows: [{ from: 0, to: 0, days: everyDay, bytesPerSecond: 1000 }],
    otherwise: null,
  })
  let now = at(23, 0)
  const began = now
  for (let chunk = 0; chunk < 100; chunk++) now += bandwidth.spend(500, now)
  assert.ok(Math.abs(now - began - 50_000) <= 300, `${now - began} ms for 50 kB`)
  now += 3_600_000
  assert.equal(bandwidth.spend(100, now), 0)
  assert.ok(bandwidth.spend(10_000, now) > 9000)
})

test('without a limit nobody waits', () => {
  const bandwidth = new Bandwidth({ windows: [], otherwise: null })
  assert.equal(bandwidth.spend(1e12, 0), 0)
})
