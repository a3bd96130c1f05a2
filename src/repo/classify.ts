// What waits for promotion, of one source in one archive and release, and of which kind. Pure.
import { compareVersions, highestVersion } from '../debian/version.ts'
import { isSamePlace, packageKey, type Stanza } from './entry.ts'

export const pendingKinds = ['update', 'new', 'late-binaries', 'republished', 'downgrade', 'remove'] as const
export type PendingKind = (typeof pendingKinds)[number]

/** A version enters that was not there. */
export function bringsVersion(kind: PendingKind): boolean {
  return kind === 'update' || kind === 'new'
}

/** Something enters, and nothing is taken from clients but what it succeeds. */
export function isEntry(kind: PendingKind): boolean {
  return bringsVersion(kind) || kind === 'late-binaries'
}

/** One source version that could move, and what is between the two channels because of it. */
export interface SourceChange<S extends Stanza> {
  readonly kind: PendingKind
  /** The source version that would enter; of a removal, the one that would leave. */
  readonly version: string
  /** What the feeding channel has more. */
  readonly arrived: readonly S[]
  /** What a removal or downgrade takes out; of a republished file, the one it replaces. */
  readonly gone: readonly S[]
}

export interface SourceState<S extends Stanza> {
  /** What the feeding channel shows of the source, in this archive and release. */
  readonly feeding: readonly S[]
  /** What the target shows of it there. */
  readonly target: readonly S[]
  /** The target shows the source in the release at all, in whatever archive. */
  readonly isKnown: boolean
  /** What an earlier state of the feeding channel lacks, but the present one has: that is not gone. */
  isHeldNow(stanza: S): boolean
  /** Suites of one class compete by version; NotAutomatic ones (backports) are a class of their own. */
  classOf(suiteId: number): string
}

/** Newest first; empty if nothing waits. */
export function classify<S extends Stanza>(state: SourceState<S>): SourceChange<S>[] {
  const arrived = state.feeding.filter((stanza) => !state.target.some((one) => isSamePlace(one, stanza)))
  const gone = state.target.filter(
    (stanza) => !state.feeding.some((one) => isSamePlace(one, stanza)) && !state.isHeldNow(stanza),
  )
  const changes = [...classifyArrived(arrived, state), ...classifyGone(arrived, gone, state)]
  return changes.sort(
    (a, b) =>
      compareVersions(b.version, a.version) || pendingKinds.indexOf(a.kind) - pendingKinds.indexOf(b.kind),
  )
}

function classifyArrived<S extends Stanza>(arrived: readonly S[], state: SourceState<S>): SourceChange<S>[] {
  const changes: SourceChange<S>[] = []
  for (const [version, stanzas] of Map.groupBy(arrived, (stanza) => stanza.sourceVersion)) {
    const replaced = new Set<S>()
    const [republished, others] = partition(stanzas, (stanza) => {
      const twins = state.target.filter((one) => isSameIdentity(one, stanza) && one.sha256 !== stanza.sha256)
      for (const twin of twins) if (!state.feeding.some((one) => isSamePlace(one, twin))) replaced.add(twin)
      return twins.length > 0
    })
    if (republished.length > 0) {
      changes.push({ kind: 'republished', version, arrived: republished, gone: [...replaced] })
    }
    if (others.length === 0) continue
    if (state.target.some((stanza) => stanza.sourceVersion === version)) {
      changes.push({ kind: 'late-binaries', version, arrived: others, gone: [] })
      continue
    }
    const news = others.filter((stanza) => isNews(stanza, state))
    if (news.length > 0) {
      changes.push({ kind: state.isKnown ? 'update' : 'new', version, arrived: news, gone: [] })
    }
  }
  return changes
}

/** Newer than all that the target has in suites of that class. */
function isNews<S extends Stanza>(stanza: S, state: SourceState<S>): boolean {
  const highest = highestIn(state.target, stanza.suiteId, state)
  return highest === undefined || compareVersions(stanza.sourceVersion, highest) > 0
}

function classifyGone<S extends Stanza>(
  arrived: readonly S[],
  gone: readonly S[],
  state: SourceState<S>,
): SourceChange<S>[] {
  const changes: SourceChange<S>[] = []
  for (const [version, stanzas] of Map.groupBy(gone, (stanza) => stanza.sourceVersion)) {
    const [removed, downgraded] = partition(stanzas, (stanza) => {
      const highest = highestIn(state.feeding, stanza.suiteId, state)
      return highest === undefined || compareVersions(version, highest) <= 0
    })
    // What a waiting version will succeed is no news of its own.
    const leftovers = removed.filter((stanza) => {
      if (arrived.some((one) => packageKey(one) === packageKey(stanza))) return false
      const highest = highestIn(state.feeding, stanza.suiteId, state)
      return highest === undefined || state.target.some((one) => one.sourceVersion === highest)
    })
    if (leftovers.length > 0) changes.push({ kind: 'remove', version, arrived: [], gone: leftovers })
    for (const [suiteClass, group] of Map.groupBy(downgraded, (stanza) => state.classOf(stanza.suiteId))) {
      const to = highestVersion(
        state.feeding
          .filter((one) => state.classOf(one.suiteId) === suiteClass)
          .map((one) => one.sourceVersion),
      )!
      const lower = arrived.filter(
        (one) => one.sourceVersion === to && state.classOf(one.suiteId) === suiteClass,
      )
      changes.push({ kind: 'downgrade', version: to, arrived: lower, gone: group })
    }
  }
  return changes
}

function highestIn<S extends Stanza>(
  stanzas: readonly S[],
  suiteId: number,
  state: SourceState<S>,
): string | undefined {
  const suiteClass = state.classOf(suiteId)
  return highestVersion(
    stanzas
      .filter((stanza) => state.classOf(stanza.suiteId) === suiteClass)
      .map((stanza) => stanza.sourceVersion),
  )
}

function isSameIdentity(a: Stanza, b: Stanza): boolean {
  return a.name === b.name && a.version === b.version && a.architecture === b.architecture
}

function partition<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  const first: T[] = []
  const second: T[] = []
  for (const item of items) (isFirst(item) ? first : second).push(item)
  return [first, second]
}
