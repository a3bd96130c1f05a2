// Gate `freeze`: spans of time in which nothing enters.
import { formatIso } from '../../lib/units.ts'
import type { Gate } from './gate.ts'

export const freeze: Gate = ({ now, gates }) => {
  const gate = 'freeze'
  const inForce = gates.freezes.filter(({ from, until }) => from <= now && now < until)
  if (inForce.length === 0) return { gate, state: 'pass', sentence: 'No freeze' }
  const until = endOf(gates.freezes, now)
  const reasons = [...new Set(inForce.map(({ reason }) => reason))].join('; ')
  return { gate, state: 'waiting', until, sentence: `Frozen until ${formatIso(until)}: ${reasons}` }
}

/** When no freeze is in force any more. */
function endOf(freezes: readonly { readonly from: number; readonly until: number }[], now: number): number {
  let at = now
  for (const { from, until } of [...freezes].sort((a, b) => a.from - b.from))
    if (from <= at && at < until) at = until
  return at
}
