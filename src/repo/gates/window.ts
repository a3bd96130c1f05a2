// Gate `window`: times of day and week in which changes may enter.
import { formatIso } from '../../lib/units.ts'
import { momentOf, wallTimeAt } from '../../lib/zoned.ts'
import type { Window } from '../options.ts'
import type { Gate } from './gate.ts'

export const window: Gate = ({ now, gates }) => {
  const gate = 'window'
  if (gates.windows.length === 0) return { gate, state: 'pass', sentence: 'May enter at any time' }
  const spans = gates.windows.flatMap((one) => spansOf(one, now))
  const open = spans.find(({ from, until }) => from <= now && now < until)
  if (open !== undefined)
    return { gate, state: 'pass', sentence: `The window is open until ${formatIso(open.until)}` }
  const next = Math.min(...spans.filter(({ from }) => from > now).map(({ from }) => from))
  return {
    gate,
    state: 'waiting',
    until: next,
    sentence: `Outside the window, which opens at ${formatIso(next)}`,
  }
}

// Of yesterday, because it may still be open, and of a week from today, because one day of a week it opens.
const days = [-1, 0, 1, 2, 3, 4, 5, 6, 7]

function spansOf({ days: open, from, to, zone }: Window, now: number): { from: number; until: number }[] {
  const { year, month, day } = wallTimeAt(now, zone)
  return days.flatMap((shift) => {
    const date = new Date(Date.UTC(year, month - 1, day + shift))
    if (!open.includes(date.getUTCDay())) return []
    const at = (minutes: number, more: number) => {
      const other = new Date(Date.UTC(year, month - 1, day + shift + more))
      const wall = {
        year: other.getUTCFullYear(),
        month: other.getUTCMonth() + 1,
        day: other.getUTCDate(),
        minutes,
      }
      return momentOf(wall, zone)
    }
    return [{ from: at(from, 0), until: at(to, to > from ? 0 : 1) }]
  })
}
