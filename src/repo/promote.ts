// Promotion: chosen source versions enter a gated channel, judged together, in one snapshot.
import type { Json } from '../lib/canonical-json.ts'
import { UusError } from '../lib/errors.ts'
import type { Emit } from '../lib/events.ts'
import type { Actor } from '../store/audit.ts'
import type { Channel, Snapshot } from '../store/channels.ts'
import type { Placed } from '../store/views.ts'
import { indexChanges } from './changes.ts'
import { isSamePlace, planEntry } from './entry.ts'
import { obstacles, type Verdict } from './gates/gate.ts'
import { objectionsTo } from './guards.ts'
import type { PendingItem, PendingScope } from './pending.ts'
import type { Repo } from './repo.ts'

/** An item that the gates keep out, with why. */
export interface Refusal {
  readonly item: PendingItem
  readonly obstacles: readonly Verdict[]
}

export interface PromotionPlan {
  readonly scope: PendingScope
  readonly items: readonly PendingItem[]
  readonly refused: readonly Refusal[]
  readonly enter: readonly Placed[]
  readonly leave: readonly Placed[]
  /** Why so great a loss needs to be forced. */
  readonly objections: readonly string[]
}

/** Decides which of the items may enter (`force` overrides the gates), and what exactly would change. */
export function planPromotion(
  scope: PendingScope,
  chosen: readonly PendingItem[],
  force: boolean,
): PromotionPlan {
  const refused: Refusal[] = []
  const items = chosen.filter((item) => {
    const found = force ? [] : obstacles(item.verdicts)
    if (found.length > 0) refused.push({ item, obstacles: found })
    return found.length === 0
  })
  const change = planStanzas(scope, items)
  const objections = objectionsTo(scope.store, scope.target.id, indexChanges(change))
  return { scope, items, refused, ...change, objections }
}

function planStanzas(
  scope: PendingScope,
  items: readonly PendingItem[],
): { enter: Placed[]; leave: Placed[] } {
  const { store, target, feeding, revision } = scope
  const leave: Placed[] = items.flatMap((item) => item.gone)
  const enter: Placed[] = []
  for (const [release, here] of Map.groupBy(items, (item) => item.release)) {
    const entering = here.flatMap((item) => item.arrived)
    const names = new Set(entering.map((stanza) => stanza.name))
    const shown = [...names]
      .flatMap((name) => store.views.byName(target.id, name))
      .filter((stanza) => stanza.release === release)
    const plan = planEntry(entering, shown, (stanza) => {
      const view = store.views.find(feeding.id, stanza.indexId)
      return view !== null && store.views.holds(view.id, stanza.id, revision)
    })
    enter.push(...plan.enter)
    for (const stanza of plan.leave) if (!leave.some((one) => isSamePlace(one, stanza))) leave.push(stanza)
  }
  return { enter, leave }
}

export interface PromotionOrder {
  readonly actor: Actor
  readonly reason: string | null
  readonly force: boolean
  /** The snapshot of the feeding channel that was named, if any. */
  readonly asOf: string | null
}

/**
 * Carries a plan out. The plan must have been made after the last commit. Null if there is nothing to change, or if a
 * guard objects and is not overridden.
 */
export async function promote(
  repo: Repo,
  plan: PromotionPlan,
  order: PromotionOrder,
  emit: Emit,
): Promise<Snapshot | null> {
  if (plan.enter.length === 0 && plan.leave.length === 0) return null
  if (plan.objections.length > 0 && !order.force) return null
  const { target, feeding } = plan.scope
  return repo.committer.commit(
    {
      channel: target,
      changes: indexChanges(plan),
      kind: 'promote',
      reason: order.reason,
      audit: {
        actor: order.actor,
        action: order.force ? 'promote --force' : 'promote',
        subject: target.name,
        details: {
          from: feeding.name,
          ...(order.asOf === null ? {} : { asOf: order.asOf }),
          ...(plan.objections.length === 0 ? {} : { overridden: plan.objections }),
          items: plan.items.map((item) => describeItem(item, order.force)),
        },
      },
    },
    emit,
  )
}

function describeItem(item: PendingItem, isForced: boolean): Json {
  const overridden = isForced ? obstacles(item.verdicts).map((verdict) => verdict.sentence) : []
  return {
    source: item.source,
    version: item.version,
    previous: item.from,
    kind: item.kind,
    archive: item.archive,
    release: item.release,
    suites: item.suites,
    files: [...new Set(item.arrived.map((stanza) => stanza.sha256))].sort(),
    ...(overridden.length === 0 ? {} : { overridden }),
  }
}

/** The gated channel that is meant, and the one that feeds it. */
export function scopeOf(repo: Repo, to: string | null): { target: Channel; feeding: Channel } {
  const { channels } = repo.store
  const gated = channels
    .list()
    .filter((channel) => channel.parentId !== null && !channel.follows && channel.isConfigured)
  const name = to ?? (gated.some((channel) => channel.name === 'approved') ? 'approved' : null)
  const target = name === null && gated.length === 1 ? gated[0]! : name === null ? null : channels.find(name)
  if (target === null || target.parentId === null) {
    if (name === null) {
      const names = gated.map((channel) => channel.name).join(', ')
      throw new UusError(
        'USAGE',
        gated.length === 0 ? 'No channel is gated' : 'There are several gated channels',
        {
          hint: gated.length === 0 ? 'Add one under "channels"' : `Say which: --to, one of ${names}`,
        },
      )
    }
    throw unknownChannel(repo, name)
  }
  if (target.follows) {
    throw new UusError(
      'USAGE',
      `Channel ${target.name} is not gated: it takes over ${channels.get(target.parentId).name} by itself`,
      {
        hint: 'Promote to a gated channel; "uus channel list" shows which they are',
      },
    )
  }
  return { target, feeding: channels.get(target.parentId) }
}

export function unknownChannel(repo: Repo, name: string): UusError {
  const known = repo.store.channels.list().map((channel) => channel.name)
  return new UusError('UNKNOWN_NAME', `There is no channel "${name}"`, {
    hint: `Channels are: ${known.join(', ')}`,
  })
}
