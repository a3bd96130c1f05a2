// What moves from a channel to the next without anybody's decision. Pure.
import { compareVersions } from '../debian/version.ts'
import { type EntryPlan, identityOf, isSamePlace, packageKey, type Stanza } from './entry.ts'

/**
 * A gated channel takes over by itself what changes nothing for its clients: stanzas whose identity the release shows there
 * already (a copy from security to updates, a point release, a move between components, changed fields).
 *
 * `arrived` and `gone` are what the feeding channel has more and less; `shown` are the target's stanzas of all
 * these packages, in the release.
 */
export function planUngated<S extends Stanza>(
  arrived: readonly S[],
  gone: readonly S[],
  shown: readonly S[],
): EntryPlan<S> {
  const visible = new Set(shown.map(identityOf))
  const enter = arrived.filter((stanza) => visible.has(identityOf(stanza)))
  const successors = Map.groupBy(enter, packageKey)
  // What stays visible in a place which the feeding channel still has.
  const kept = new Set(enter.map(identityOf))
  for (const stanza of shown) if (!gone.some((one) => isSamePlace(one, stanza))) kept.add(identityOf(stanza))
  const leave = gone.filter(
    (stanza) =>
      kept.has(identityOf(stanza)) ||
      (successors.get(packageKey(stanza)) ?? []).some(
        // A higher version that the feeding channel gave up is a downgrade, which waits for a person.
        (one) => one.suiteId === stanza.suiteId && compareVersions(stanza.version, one.version) <= 0,
      ),
  )
  return { enter, leave }
}

export interface FollowRules<S extends Stanza> {
  isHeld(stanza: S): boolean
  isDeclined(stanza: S): boolean
}

/**
 * A following channel takes over everything, but for sources on hold and declined versions; of a source whose only
 * news is declined, what is there stays.
 */
export function planFollow<S extends Stanza>(
  arrived: readonly S[],
  gone: readonly S[],
  rules: FollowRules<S>,
): EntryPlan<S> {
  const enter = arrived.filter((stanza) => !rules.isHeld(stanza) && !rules.isDeclined(stanza))
  const entering = new Set(enter.map(sourceKey))
  const declined = new Set(arrived.filter((stanza) => rules.isDeclined(stanza)).map(sourceKey))
  const leave = gone.filter(
    (stanza) =>
      !rules.isHeld(stanza) && (!declined.has(sourceKey(stanza)) || entering.has(sourceKey(stanza))),
  )
  return { enter, leave }
}

function sourceKey(stanza: Stanza): string {
  return `${stanza.archiveId} ${stanza.source}`
}
