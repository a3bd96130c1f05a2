// Acting on what people approved: an approved version enters as soon as every gate lets it.
import type { Emit } from '../lib/events.ts'
import type { Actor } from '../store/audit.ts'
import type { Channel } from '../store/channels.ts'
import type { Decision } from '../store/decisions.ts'
import { obstacles } from './gates/gate.ts'
import { type PendingItem, type PendingScope, pendingOf } from './pending.ts'
import { planPromotion, promote } from './promote.ts'
import type { Repo } from './repo.ts'

/** Promotes, in every gated channel, what was approved and waits for nothing else; parents before children. */
export async function evaluateApprovals(repo: Repo, actor: Actor, emit: Emit): Promise<void> {
  for (const channel of repo.store.channels.list()) {
    if (channel.parentId === null || channel.follows || !channel.isConfigured) continue
    const scope = {
      store: repo.store,
      packages: repo.packages,
      target: channel,
      feeding: repo.store.channels.get(channel.parentId),
    }
    const items = approvedItems(repo, scope, channel)
    if (items.length === 0) continue
    const plan = planPromotion(scope, items, false)
    await promote(repo, plan, { actor, reason: null, force: false, asOf: null }, emit)
  }
}

function approvedItems(repo: Repo, scope: PendingScope, channel: Channel): PendingItem[] {
  const approvals = repo.store.decisions
    .verdicts(channel.id)
    .filter((one) => one.verb === 'approve' && !isThere(repo, channel, one))
  const sources = [...new Set(approvals.map((one) => one.source))]
  return pendingOf(scope, sources).filter(
    (item) =>
      item.decision?.verb === 'approve' &&
      coversFiles(item.decision, item) &&
      obstacles(item.verdicts).length === 0,
  )
}

function isThere(repo: Repo, channel: Channel, { source, version }: Decision): boolean {
  return repo.store.views.lastRevisionOf(channel.id, source, version!) !== null
}

/** An approval binds the bytes that it saw. */
function coversFiles(approval: Decision, item: PendingItem): boolean {
  return item.arrived.every((stanza) => approval.files.includes(stanza.sha256))
}
