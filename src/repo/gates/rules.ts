// Gate `rules`: what a rule of the configuration keeps out unless a person says otherwise.
import type { Gate } from './gate.ts'

export const rules: Gate = ({ item, rule, decision, approvers }) => {
  const gate = 'rules'
  if (rule === null) return { gate, state: 'pass', sentence: 'No rule matches' }
  const { number, acts } = rule
  const { action } = rule.rule
  if (!acts)
    return {
      gate,
      state: 'pass',
      sentence: `Rule ${number} (${action}) leaves it alone: it waited before the rule was there`,
    }
  const isApproved = decision?.verb === 'approve' || approvers.length > 0
  if ((action === 'hold' || action === 'decline' || action === 'ignore') && !isApproved) {
    const words = { hold: 'holds it', decline: 'declines it', ignore: 'ignores it' }[action]
    return {
      gate,
      state: action === 'hold' ? 'needs' : 'blocked',
      sentence: `Rule ${number} ${words}; "uus approve ${item.source}=${item.version}" lets it in`,
    }
  }
  const words = {
    approve: 'lets it in by itself',
    require: 'asks for approvals',
    hold: 'held it, and it was approved',
    decline: 'declined it, and it was approved',
    ignore: 'ignored it, and it was approved',
  }
  return { gate, state: 'pass', sentence: `Rule ${number} ${words[action]}` }
}
