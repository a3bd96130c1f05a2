// Gate `phasing`: Ubuntu hands updates out to a growing share of machines, and halts at 0 % what turns out to be bad.
// Security suites are exempt: nobody phases them (https://wiki.ubuntu.com/PhasedUpdates).
import { isSecuritySuite } from '../../debian/names.ts'
import type { Gate } from './gate.ts'

export const phasing: Gate = ({ item, gates, phasedPercentage }) => {
  const gate = 'phasing'
  if (gates.phasing === 'ignore') return { gate, state: 'pass', sentence: 'Phasing is ignored' }
  if (phasedPercentage === null) return { gate, state: 'pass', sentence: 'Handed out to all machines' }
  if (isSecuritySuite(...item.suites))
    return { gate, state: 'pass', sentence: 'Security updates are not phased' }
  if (Number.isNaN(phasedPercentage))
    return { gate, state: 'cannot-tell', sentence: 'Upstream says of phasing what is no number' }
  if (phasedPercentage === 0)
    return { gate, state: 'blocked', sentence: 'Ubuntu halted this update (0 % of machines get it)' }
  if (phasedPercentage >= 100 || gates.phasing === 'started')
    return { gate, state: 'pass', sentence: `Handed out to ${phasedPercentage} % of machines` }
  return {
    gate,
    state: 'blocked',
    sentence: `Ubuntu hands it out to ${phasedPercentage} % of machines so far; waits for all of them`,
  }
}
