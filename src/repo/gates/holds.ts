// Gate `holds`: sources on hold and declined versions stay out.
import { formatIso } from '../../lib/units.ts'
import type { Decision } from '../../store/decisions.ts'
import type { Gate } from './gate.ts'

export const holds: Gate = ({ item, channel, hold, decision }) => {
  if (hold !== null) {
    return {
      gate: 'holds',
      state: 'blocked',
      sentence: `${item.source} is on hold in ${channel} ${since(hold)}; "uus unhold ${item.source}" ends it`,
    }
  }
  if (decision?.verb === 'decline') {
    return {
      gate: 'holds',
      state: 'blocked',
      sentence: `${item.source} ${decision.version} was declined for ${channel} ${since(decision)}; a newer version may enter, or "uus approve ${item.source}=${decision.version}"`,
    }
  }
  return { gate: 'holds', state: 'pass', sentence: 'Neither on hold nor declined' }
}

function since(decision: Decision): string {
  const reason = decision.reason === null ? '' : `: ${decision.reason}`
  return `since ${formatIso(decision.at)} (${decision.actor}${reason})`
}
