// Promotion: chosen source versions enter a gated channel, judged together, in one snapshot.
import type { Json } from '../lib/canonical-json.ts'
import type { Emit } from '../lib/events.ts'
import { formatIso } from '../lib/units.ts'
import type { Actor } from '../store/audit.ts'
import type { Snapshot } from '../store/channels.ts'
import type { Decision } from '../store/decisions.ts'
import type { Placed } from '../store/views.ts'
import { indexChanges } from './changes.ts'
import { isEntry } from './classify.ts'
import { isSamePlace, planEntry } from './entry.ts'
import { companionsOf, familiesOf, groupsOf } from './families.ts'
import { obstacles, type Verdict } from './gates/gate.ts'
import { objectionsTo } from './guards.ts'
import type { Uninstallable } from './installability.ts'
import { listPending } from './pending.ts'
import { type PendingItem, type PendingScope, subjectKey } from './pending-item.ts'
import type { Repo } from './repo.ts'
import { newestPerSuite } from './selectors.ts'

/** An item that the gates keep out, with why. */
export interface Refusal {
  readonly item: PendingItem
  readonly obstacles: readonly Verdict[]
}

export interface PromotionPlan {
  readonly scope: PendingScope
  /** What was chosen and may enter, with what has to come along. */
  readonly items: readonly PendingItem[]
  /** Of these, what comes along because it belongs together, or is needed. */
  readonly companions: readonly PendingItem[]
  readonly refused: readonly Refusal[]
  readonly enter: readonly Placed[]
  readonly leave: readonly Placed[]
  /** Why so great a loss needs to be forced. */
  readonly objections: readonly string[]
  /** What could be installed and could not be afterwards. */
  readonly regressions: readonly Uninstallable[]
  /** Who would have to come along so that nothing breaks; null if that would not help, or nothing breaks. */
  readonly mending: readonly PendingItem[] | null
}

export interface PlanOptions {
  /** Overrides the gates. */
  readonly isForced: boolean
  /** Takes along what is needed so that nothing breaks. */
  readonly withDeps: boolean
}

export const plainly: PlanOptions = { isForced: false, withDeps: false }

/** Decides which of the items may enter, and what exactly would change. They are judged as one. */
export function planPromotion(
  repo: Repo,
  scope: PendingScope,
  chosen: readonly PendingItem[],
  options: PlanOptions,
): PromotionPlan {
  const companions = companionsOf(repo, scope, chosen)
  const plan = planItems(repo, scope, [...chosen, ...companions], options.isForced)
  if (options.isForced || plan.regressions.length === 0) return { ...plan, companions, mending: null }
  const mending = findMenders(repo, scope, plan)
  if (!options.withDeps || mending === null || mending.length === 0) return { ...plan, companions, mending }
  const whole = planPromotion(repo, scope, [...chosen, ...mending], { ...options, withDeps: false })
  return { ...whole, companions: [...mending, ...whole.companions] }
}

type ItemsPlan = Omit<PromotionPlan, 'companions' | 'mending'>

function planItems(
  repo: Repo,
  scope: PendingScope,
  chosen: readonly PendingItem[],
  isForced: boolean,
): ItemsPlan {
  const refused = isForced ? [] : refusals(repo, scope, chosen)
  const items = chosen.filter((item) => !refused.some((one) => one.item === item))
  const change = planStanzas(scope, items)
  const objections = objectionsTo(scope.store, scope.target.id, indexChanges(change))
  return { scope, items, refused, ...change, objections, regressions: regressionsOf(repo, scope, change) }
}

/** What the gates keep out, and what moves together with that. */
export function refusals(repo: Repo, scope: PendingScope, items: readonly PendingItem[]): Refusal[] {
  const groups = groupsOf(repo, scope)
  const found = items.flatMap((item): Refusal[] => {
    const why = obstacles(item.verdicts)
    return why.length > 0 ? [{ item, obstacles: why }] : []
  })
  const relatives = items.flatMap((item): Refusal[] => {
    if (found.some((one) => one.item === item)) return []
    const families = familiesOf(item.source, groups)
    const other = found.find(
      (one) =>
        one.item.release === item.release &&
        familiesOf(one.item.source, groups).some((family) => families.includes(family)),
    )
    if (other === undefined) return []
    const sentence = `Moves together with ${other.item.source}: ${other.obstacles[0]!.sentence}`
    return [{ item, obstacles: [{ gate: 'together', state: 'blocked', sentence }] }]
  })
  return [...found, ...relatives]
}

function regressionsOf(
  repo: Repo,
  { target, feeding, judging }: PendingScope,
  change: { readonly enter: readonly Placed[]; readonly leave: readonly Placed[] },
): Uninstallable[] {
  if (!judging.gates.isInstallable) return []
  return byRelease(change).flatMap(
    ([release, part]) => repo.installability.judge(target, feeding, release, part).regressions,
  )
}

/** Would something become uninstallable, or so much be lost that it has to be forced? */
export function breaks(repo: Repo, scope: PendingScope, items: readonly PendingItem[]): boolean {
  const { store, target, feeding, judging } = scope
  const change = planStanzas(scope, items)
  if (objectionsTo(store, target.id, indexChanges(change)).length > 0) return true
  if (!judging.gates.isInstallable) return false
  return byRelease(change).some(([release, part]) =>
    repo.installability.breaks(target, feeding, release, part),
  )
}

function byRelease(change: { readonly enter: readonly Placed[]; readonly leave: readonly Placed[] }) {
  const releases = new Set([...change.enter, ...change.leave].map((stanza) => stanza.release))
  const of = (stanzas: readonly Placed[], release: string) =>
    stanzas.filter((stanza) => stanza.release === release)
  return [...releases].map(
    (release) => [release, { enter: of(change.enter, release), leave: of(change.leave, release) }] as const,
  )
}

/** Further waiting sources, as few as can be, with which nothing breaks. */
function findMenders(repo: Repo, scope: PendingScope, plan: ItemsPlan): PendingItem[] | null {
  const { target, feeding } = scope
  const taken = new Set(plan.items.map((item) => item.source))
  const waiting = listPending(scope).filter(
    (item) =>
      !taken.has(item.source) &&
      isEntry(item.kind) &&
      item.verdicts.every((verdict) => verdict.gate !== 'holds' || verdict.state === 'pass'),
  )
  const menders: PendingItem[] = []
  for (const [release, change] of byRelease(plan)) {
    const here = waiting.filter((item) => item.release === release)
    const newest = [...Map.groupBy(here, subjectKey).values()]
    const candidates = newest.flatMap(newestPerSuite).map((item) => ({ item, ...planStanzas(scope, [item]) }))
    const found = repo.installability.mend(target, feeding, release, change, candidates)
    if (found === null) return null
    menders.push(...found.map(({ item }) => item))
  }
  return menders
}

export function planStanzas(
  scope: PendingScope,
  items: readonly PendingItem[],
): { enter: Placed[]; leave: Placed[] } {
  const { store, target, feeding } = scope
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
      const mine = here.find((item) => item.source === stanza.source)
      return view !== null && store.views.holds(view.id, stanza.id, mine?.revision ?? scope.revision)
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
  if ((plan.objections.length > 0 || plan.regressions.length > 0) && !order.force) return null
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
          ...describeOverridden(plan),
          items: plan.items.map((item) => describeItem(item, order.force)),
        },
      },
    },
    emit,
  )
}

function describeOverridden({ objections, regressions }: PromotionPlan): { overridden?: Json } {
  const overridden = [
    ...objections,
    ...regressions.map((one) => `${one.name} ${one.version}: ${one.sentence}`),
  ]
  return overridden.length === 0 ? {} : { overridden: overridden.slice(0, 100) }
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
    ...(item.decision?.verb === 'approve' ? { approvedBy: [describeApproval(item.decision)] } : {}),
    ...(item.approvers.length === 0 ? {} : { approvers: item.approvers }),
    ...(item.rule?.acts === true ? { rule: item.rule.number } : {}),
    ...(overridden.length === 0 ? {} : { overridden }),
  }
}

function describeApproval({ actor, at, reason }: Decision): Json {
  return { actor, at: formatIso(at), reason }
}
