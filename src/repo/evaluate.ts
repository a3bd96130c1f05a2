// What moves by itself: versions that people approved or a rule lets in enter as soon as every gate lets them, all
// together in one snapshot.
import { compareVersions } from '../debian/version.ts'
import type { Emit } from '../lib/events.ts'
import type { Actor } from '../store/audit.ts'
import { bringsVersion } from './classify.ts'
import { companionsOf } from './families.ts'
import { obstacles } from './gates/gate.ts'
import { Waiting } from './pending.ts'
import { type PendingItem, type PendingScope, pendingKey, subjectKey } from './pending-item.ts'
import { breaks, plainly, planPromotion, planStanzas, promote, refusals } from './promote.ts'
import type { Repo } from './repo.ts'
import { scopeTo } from './scope.ts'
import { newestPerSuite } from './selectors.ts'

/** Promotes, in every gated channel, what may; parents before children. */
export async function evaluate(repo: Repo, actor: Actor, emit: Emit): Promise<void> {
  for (const channel of repo.store.channels.list()) {
    if (channel.parentId === null || channel.follows || !channel.isConfigured) continue
    const scope = scopeTo(repo, channel)
    const items = admissible(repo, scope, eligible(repo, scope))
    if (items.length === 0) continue
    const plan = planPromotion(repo, scope, items, plainly)
    await promote(repo, plan, { actor, reason: null, force: false, asOf: null }, emit)
  }
}

/** What is wanted and kept out by nothing of its own; of each source the newest. */
export function eligible(repo: Repo, scope: PendingScope): PendingItem[] {
  const waiting = new Waiting(scope)
  const sources = wantedSources(scope, waiting)
  const present = waiting.of(sources)
  const older = waiting
    .superseded(sources)
    .filter((item) => item.from === null || compareVersions(item.version, item.from) > 0)
  const wanted = [...present, ...older].filter(
    (item) => isWanted(item) && obstacles(item.verdicts).length === 0 && !isBack(repo, scope, item),
  )
  return [...Map.groupBy(wanted, subjectKey).values()].flatMap(newestPerSuite)
}

/** A person approved these very files, or a rule acts. What a rule only asks approvals for, the gates judge. */
export function isWanted(item: PendingItem): boolean {
  const action = item.rule?.acts === true ? item.rule.rule.action : null
  return item.approvers.length > 0 || action === 'approve'
}

/** So many are looked at one by one sooner than two whole channels are compared. */
const fewSources = 200

/** Where something could be wanted. Most of what ever was approved has entered, and is not looked at again. */
function wantedSources({ store, target, judging }: PendingScope, waiting: Waiting): string[] {
  if (judging.rules.length > 0) return waiting.sources()
  const approved = new Set(store.decisions.approvals(target.id).map((one) => one.source))
  return approved.size <= fewSources ? [...approved] : waiting.sources().filter((one) => approved.has(one))
}

/** What the channel had already and has no more was taken out on purpose: only a person brings it back. */
function isBack({ store }: Repo, { target }: PendingScope, item: PendingItem): boolean {
  return (
    item.approvers.length === 0 &&
    bringsVersion(item.kind) &&
    store.history.lastRevisionOf(target.id, item.source, item.version) !== null
  )
}

/**
 * As many of the items as can enter together without breaking anything: all if they can; else one family after the
 * other, and what needs others of them along with these.
 */
export function admissible(
  repo: Repo,
  scope: PendingScope,
  items: readonly PendingItem[],
): readonly PendingItem[] {
  const families = unhindered(repo, scope, items)
  const whole = families.flat()
  if (!breaks(repo, scope, whole)) return whole
  const admitted: PendingItem[] = []
  const left: (readonly PendingItem[])[] = []
  // By halves: what breaks something is rare, and each look costs more the more is looked at.
  const admit = (some: readonly (readonly PendingItem[])[]): void => {
    if (!breaks(repo, scope, [...admitted, ...some.flat()])) admitted.push(...some.flat())
    else if (some.length === 1) left.push(some[0]!)
    else {
      const half = Math.ceil(some.length / 2)
      admit(some.slice(0, half))
      admit(some.slice(half))
    }
  }
  admit(families)
  for (const family of left) {
    if (admitted.includes(family[0]!)) continue
    const others = left.filter((one) => one !== family && !admitted.includes(one[0]!))
    const needed = helpers(repo, scope, [...admitted, ...family], others)
    if (needed === null) continue
    const whole = [...admitted, ...family, ...needed.flat()]
    if (!breaks(repo, scope, whole)) admitted.push(...family, ...needed.flat())
  }
  return admitted
}

/** With what has to come along, if the gates let all of that in. */
function unhindered(repo: Repo, scope: PendingScope, items: readonly PendingItem[]): PendingItem[][] {
  const taken = new Set<string>()
  return items.flatMap((item) => {
    if (taken.has(pendingKey(item))) return []
    const whole = [item, ...companionsOf(repo, scope, [item])]
    if (refusals(repo, scope, whole).length > 0) return []
    const family = whole.filter((one) => !taken.has(pendingKey(one)))
    for (const one of family) taken.add(pendingKey(one))
    return [family]
  })
}

function helpers(
  repo: Repo,
  scope: PendingScope,
  items: readonly PendingItem[],
  others: readonly (readonly PendingItem[])[],
): (readonly PendingItem[])[] | null {
  const needed: (readonly PendingItem[])[] = []
  for (const release of releasesOf(items)) {
    const isHere = (item: PendingItem) => item.release === release
    const candidates = others.map((family) => ({ family, ...planStanzas(scope, family.filter(isHere)) }))
    const change = planStanzas(scope, items.filter(isHere))
    const found = repo.installability.mend(scope.target, scope.feeding, release, change, candidates)
    if (found === null) return null
    needed.push(...found.map(({ family }) => family).filter((family) => !needed.includes(family)))
  }
  return needed
}

function releasesOf(items: readonly PendingItem[]): string[] {
  return [...new Set(items.map((item) => item.release))]
}
