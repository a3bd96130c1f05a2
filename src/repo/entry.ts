// What a promotion does to a channel, stanza by stanza. Pure: the rules (a) to (c) of docs/meaning.md.
import { compareVersions } from '../debian/version.ts'
import type { Placed } from '../store/views.ts'

/** A stanza in an index, as far as the rules look at it. */
export type Stanza = Pick<
  Placed,
  | 'id'
  | 'indexId'
  | 'indexArchitecture'
  | 'suiteId'
  | 'archiveId'
  | 'name'
  | 'version'
  | 'architecture'
  | 'source'
  | 'sourceVersion'
  | 'sha256'
>

/** What a stanza is, whatever else it says and wherever it stands: package, version, architecture and file. */
export function identityOf(stanza: Pick<Stanza, 'name' | 'version' | 'architecture' | 'sha256'>): string {
  return `${stanza.name} ${stanza.version} ${stanza.architecture} ${stanza.sha256}`
}

export interface EntryPlan<S extends Stanza> {
  readonly enter: readonly S[]
  readonly leave: readonly S[]
}

export function isSamePlace(a: Stanza, b: Stanza): boolean {
  return a.id === b.id && a.indexId === b.indexId
}

/**
 * (a) All of `entering` enter. (b) A stanza that the target shows leaves if its package, on that architecture, is
 * among those entering, whatever its source, and the feeding channel no longer holds that very stanza: in the same
 * suite in any case, in another suite of the archive if it is lower. (c) Everything else stays.
 *
 * `shown` are the target's stanzas of the entering packages, in the release; `isStillHeld` asks the feeding channel.
 */
export function planEntry<S extends Stanza>(
  entering: readonly S[],
  shown: readonly S[],
  isStillHeld: (stanza: S) => boolean,
): EntryPlan<S> {
  const byPackage = Map.groupBy(entering, packageKey)
  const leave = shown.filter((stanza) => {
    const successors = byPackage.get(packageKey(stanza)) ?? []
    if (successors.some((one) => isSamePlace(one, stanza)) || isStillHeld(stanza)) return false
    return successors.some(
      (one) => one.suiteId === stanza.suiteId || compareVersions(stanza.version, one.version) < 0,
    )
  })
  const enter = entering.filter((stanza) => !shown.some((one) => isSamePlace(one, stanza)))
  return { enter, leave }
}

/**
 * One package on one architecture of an archive. The index's architecture, not the stanza's: a package that turns
 * from `amd64` to `all` succeeds itself.
 */
export function packageKey(stanza: Stanza): string {
  return `${stanza.archiveId} ${stanza.name} ${stanza.indexArchitecture}`
}
