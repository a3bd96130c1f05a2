// Gate `approvals`: so many different people have to approve the very files that would enter.
import type { Facts, Gate } from './gate.ts'

export const approvals: Gate = (facts) => {
  const { item, uploaders } = facts
  const approvers = facts.approvers.filter((name) => !uploaders.includes(name))
  const gate = 'approvals'
  const wanted = approvalsWanted(facts)
  const by = approvers.length === 0 ? '' : `approved by ${approvers.join(', ')}`
  if (approvers.length >= wanted)
    return { gate, state: 'pass', sentence: by === '' ? 'Needs no approval' : capital(by) }
  const own =
    approvers.length < facts.approvers.length ? ` (who added it does not count: ${uploaders.join(', ')})` : ''
  const missing = wanted - approvers.length
  const more = by === '' ? '' : ' more'
  const people = missing === 1 ? `one${more} person` : `${missing}${more} people`
  return {
    gate,
    state: 'needs',
    sentence: `Needs the approval of ${people}${by === '' ? '' : `; ${by}`}${own}: "uus approve ${item.source}=${item.version}"`,
  }
}

export function approvalsWanted({ gates, rule }: Pick<Facts, 'gates' | 'rule'>): number {
  return rule?.acts === true && rule.rule.approvals !== null ? rule.rule.approvals : gates.approvals
}

function capital(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}`
}
