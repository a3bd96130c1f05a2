// Gate `soak`: a version has to have stood in the feeding channel for a while.
import { formatDuration, formatIso } from '../../lib/units.ts'
import { matchesAny } from '../globs.ts'
import type { Facts, Gate } from './gate.ts'

export const soak: Gate = (facts) => {
  const { item, now, soakingSince, soakingFrom } = facts
  const gate = 'soak'
  const seconds = soakSeconds(facts)
  if (seconds === 0) return { gate, state: 'pass', sentence: 'Need not wait' }
  if (item.kind === 'remove') return { gate, state: 'pass', sentence: 'Nothing enters that could be tried' }
  if (soakingSince === null) {
    const sentence = `Nobody knows since when ${item.source} ${item.version} is there`
    return { gate, state: 'cannot-tell', sentence }
  }
  const counted = soakingFrom === null ? '' : ` (counted from ${soakingFrom}, which brought the fix)`
  const tried = `${formatDuration((now - soakingSince) / 1000)} of ${formatDuration(seconds)}${counted}`
  const until = soakingSince + seconds * 1000
  if (until <= now) return { gate, state: 'pass', sentence: `Waited for ${tried}` }
  return { gate, state: 'waiting', until, sentence: `Has waited for ${tried}, until ${formatIso(until)}` }
}

/** How long it has to wait: as its rule says, else the first entry of the gate that matches. */
export function soakSeconds({ item, gates, rule }: Pick<Facts, 'item' | 'gates' | 'rule'>): number {
  if (rule?.acts === true && rule.rule.soakSeconds !== null) return rule.rule.soakSeconds
  const entry = gates.soak.find(
    ({ suites, sources }) => matchesAny(suites, item.suites) && matchesAny(sources, [item.source]),
  )
  return entry?.seconds ?? 0
}
