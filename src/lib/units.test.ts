import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRate, parseSize, parseTimeOfDay } from './units.ts'

test('sizes, rates and times of the day as people write them', () => {
  for (const [text, bytes] of [
    ['10GiB', 10 * 2 ** 30],
    ['1.5GB', 1.5e9],
    ['500 MB', 5e8],
    ['64KiB', 65_536],
    ['3B', 3],
    ['0', 0],
    ['5', null],
    ['5gb', null],
    ['-5GB', null],
    ['9999999TiB', null],
    ['', null],
  ] as const) {
    assert.equal(parseSize(text), bytes, text)
  }
  assert.equal(parseRate('10MiB/s'), 10 << 20)
  assert.equal(parseRate('10MiB'), null)
  assert.equal(parseTimeOfDay('08:30'), 510)
  assert.equal(parseTimeOfDay('24:00'), 1440)
  assert.equal(parseTimeOfDay('24:01'), null)
  assert.equal(parseTimeOfDay('8:30'), null)
})
