// What waits between a channel and the one that feeds it: the facts from the store, classified.
import { compareVersions, highestVersion } from '../debian/version.ts'
import type { Channel } from '../store/channels.ts'
import type { Decision, DecisionSubject } from '../store/decisions.ts'
import type { Store } from '../store/store.ts'
import { now, type Placed } from '../store/views.ts'
import { classify, type PendingKind, type SourceChange } from './classify.ts'
import { type Facts, judge, type Verdict } from './gates/gate.ts'

/** One source version that could move into a channel. */
export interface PendingItem extends SourceChange<Placed> {
  readonly kind: PendingKind
  readonly release: string
  readonly archiveId: number
  readonly archive: string
  readonly source: string
  /** The highest version that clients of the channel see, over all suites of the release; null if none. */
  readonly from: string | null
  /** Names of the suites it concerns. */
  readonly suites: readonly string[]
  /** Since when the feeding channel shows it (or, for what is gone, does not any more); milliseconds. */
  readonly since: number | null
  readonly verdicts: readonly Verdict[]
}

/** Where to look, and as of when. */
export interface PendingScope {
  readonly store: Store
  /** The gated channel. */
  readonly target: Channel
  /** The channel that feeds it. */
  readonly feeding: Channel
  /** The feeding channel's revision; present unless told. */
  readonly revision?: number
}

/** All that waits, by source name. */
export function listPending(scope: PendingScope): PendingItem[] {
  const reader = new PendingReader(scope)
  return reader.differingSources().flatMap((source) => reader.pendingOf(source))
}

/** What waits of some sources. */
export function pendingOf(scope: PendingScope, sources: readonly string[]): PendingItem[] {
  const reader = new PendingReader(scope)
  return sources.flatMap((source) => reader.pendingOf(source))
}

class PendingReader {
  readonly #scope: PendingScope
  readonly #revision: number
  /** Only indexes that the target shows: what waits for its seed is not pending. */
  readonly #liveIndexes: ReadonlySet<number>
  readonly #suites: ReadonlyMap<number, { name: string; suiteClass: string }>
  readonly #archives: ReadonlyMap<number, string>
  readonly #holds: ReadonlyMap<string, Decision>
  readonly #verdicts: ReadonlyMap<string, Decision>

  constructor(scope: PendingScope) {
    const { store, target } = scope
    this.#scope = scope
    this.#revision = scope.revision ?? now
    const live = store.views.list(target.id).filter((view) => view.liveSince !== null)
    this.#liveIndexes = new Set(live.map((view) => view.indexId))
    this.#suites = new Map(
      store.archives.suites().map((suite) => {
        const { notAutomatic, butAutomaticUpgrades } = suite.adopted?.identity ?? {}
        return [suite.id, { name: suite.name, suiteClass: `${notAutomatic} ${butAutomaticUpgrades}` }]
      }),
    )
    this.#archives = new Map(store.archives.list().map((archive) => [archive.id, archive.name]))
    this.#holds = new Map(store.decisions.holds(target.id).map((hold) => [subjectKey(hold), hold]))
    this.#verdicts = new Map(
      store.decisions
        .verdicts(target.id)
        .map((verdict) => [`${subjectKey(verdict)} ${verdict.version}`, verdict]),
    )
  }

  differingSources(): string[] {
    const { store, target, feeding } = this.#scope
    const sources = new Set<string>()
    for (const indexId of this.#liveIndexes) {
      const to = store.views.find(target.id, indexId)
      const from = store.views.find(feeding.id, indexId)
      if (to === null || from === null) continue
      const differing = [
        ...store.views.missing(from.id, to.id, this.#revision, now),
        ...store.views.missing(to.id, from.id, now, this.#revision),
      ]
      for (const source of store.views.sourcesOf(differing)) sources.add(source)
    }
    return [...sources].sort()
  }

  pendingOf(source: string): PendingItem[] {
    const { store, target, feeding } = this.#scope
    const isLive = (stanza: Placed) => this.#liveIndexes.has(stanza.indexId)
    const fed = store.views.bySource(feeding.id, source, this.#revision).filter(isLive)
    const shown = store.views.bySource(target.id, source).filter(isLive)
    const items: PendingItem[] = []
    for (const [release, all] of Map.groupBy([...fed, ...shown], (stanza) => stanza.release)) {
      const known = shown.filter((stanza) => stanza.release === release)
      for (const archiveId of new Set(all.map((stanza) => stanza.archiveId))) {
        const isHere = (stanza: Placed) => stanza.release === release && stanza.archiveId === archiveId
        const changes = classify({
          feeding: fed.filter(isHere),
          target: shown.filter(isHere),
          isKnown: known.length > 0,
          classOf: (suiteId) => this.#suites.get(suiteId)?.suiteClass ?? '',
        })
        const from = highestVersion(known.map((stanza) => stanza.sourceVersion)) ?? null
        for (const change of changes) items.push(this.#item(source, release, archiveId, from, change))
      }
    }
    return items
  }

  #item(
    source: string,
    release: string,
    archiveId: number,
    from: string | null,
    change: SourceChange<Placed>,
  ): PendingItem {
    const suiteIds = new Set([...change.arrived, ...change.gone].map((stanza) => stanza.suiteId))
    const item: Omit<PendingItem, 'verdicts'> = {
      ...change,
      release,
      archiveId,
      archive: this.#archives.get(archiveId)!,
      source,
      from,
      suites: [...suiteIds].map((id) => this.#suites.get(id)!.name).sort(),
      since: this.#since(change),
    }
    return { ...item, verdicts: judge(this.#facts(item)) }
  }

  #facts(item: Omit<PendingItem, 'verdicts'>): Facts {
    const key = subjectKey(item)
    return {
      item,
      channel: this.#scope.target.name,
      hold: this.#holds.get(key) ?? null,
      decision: this.#verdicts.get(`${key} ${item.version}`) ?? null,
      isWithdrawn:
        item.arrived.length > 0 && isWithdrawn(offeredVersions(this.#scope.store, item), item.version),
    }
  }

  #since(change: SourceChange<Placed>): number | null {
    if (change.arrived.length === 0) return null
    const first = Math.min(...change.arrived.map((stanza) => stanza.since))
    return this.#scope.store.channels.snapshotOfRevision(first)?.at ?? null
  }
}

/** The versions that upstream offers of a source, in an archive and release. */
function offeredVersions(
  store: Store,
  subject: { release: string; archiveId: number; source: string },
): string[] {
  return store.views
    .bySource(store.channels.upstream().id, subject.source)
    .filter((stanza) => stanza.release === subject.release && stanza.archiveId === subject.archiveId)
    .map((stanza) => stanza.sourceVersion)
}

/** Did the version leave upstream without a higher successor? */
export function isWithdrawn(offered: readonly string[], version: string): boolean {
  const highest = highestVersion(offered)
  return highest === undefined || (!offered.includes(version) && compareVersions(highest, version) < 0)
}

function subjectKey(subject: Pick<DecisionSubject, 'release' | 'archiveId' | 'source'>): string {
  return `${subject.release} ${subject.archiveId} ${subject.source}`
}
