// What waits between a channel and the one that feeds it: the facts from the store, classified.
import { compareVersions, highestVersion } from '../debian/version.ts'
import type { Suite } from '../store/archives.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Channel } from '../store/channels.ts'
import type { Decision, DecisionSubject } from '../store/decisions.ts'
import type { Store } from '../store/store.ts'
import type { NamedRecordFile } from '../store/supplies.ts'
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
  /** The highest version that clients of the channel see, over the suites that compete; null if none. */
  readonly from: string | null
  /** Names of the suites it concerns. */
  readonly suites: readonly string[]
  /** Since when the feeding channel shows it (or, for what is gone, does not any more); milliseconds. */
  readonly since: number | null
  /** The newest verdict of a person on the version, if there is one. */
  readonly decision: Decision | null
  /** Files of what arrived that upstream does not offer any more, and that are not here. */
  readonly absentFiles: readonly NamedRecordFile[]
  readonly verdicts: readonly Verdict[]
}

/** The same item, found again. */
export function pendingKey(
  item: Pick<PendingItem, 'release' | 'archiveId' | 'source' | 'version' | 'kind'>,
): string {
  return `${item.release} ${item.archiveId} ${item.source} ${item.version} ${item.kind}`
}

/** Where to look, and as of when. */
export interface PendingScope {
  readonly store: Store
  /** Package files that are here. */
  readonly packages: Pick<Blobs, 'isHere'>
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
      store.archives
        .suites()
        .map((suite) => [suite.id, { name: suite.name, suiteClass: suiteClassOf(suite) }]),
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
          isHeldNow: (stanza) => this.#isHeldNow(stanza),
          classOf: (suiteId) => this.#classOf(suiteId),
        })
        for (const change of changes) items.push(this.#item(source, release, archiveId, known, change))
      }
    }
    return items
  }

  #item(
    source: string,
    release: string,
    archiveId: number,
    known: readonly Placed[],
    change: SourceChange<Placed>,
  ): PendingItem {
    const suiteIds = new Set([...change.arrived, ...change.gone].map((stanza) => stanza.suiteId))
    const classes = new Set([...suiteIds].map((id) => this.#classOf(id)))
    const competing = known.filter((stanza) => classes.has(this.#classOf(stanza.suiteId)))
    const from = highestVersion(competing.map((stanza) => stanza.sourceVersion)) ?? null
    const key = subjectKey({ release, archiveId, source })
    const offered = this.#offered(source)
    const item: Omit<PendingItem, 'verdicts'> = {
      ...change,
      release,
      archiveId,
      archive: this.#archives.get(archiveId)!,
      source,
      from,
      suites: [...suiteIds].map((id) => this.#suites.get(id)!.name).sort(),
      since: this.#since(source, change),
      decision: this.#verdicts.get(`${key} ${change.version}`) ?? null,
      absentFiles: this.#absentFiles(archiveId, offered, change.arrived),
    }
    return { ...item, verdicts: judge(this.#facts(item, offered, classes)) }
  }

  #classOf(suiteId: number): string {
    return this.#suites.get(suiteId)?.suiteClass ?? ''
  }

  /** As of an earlier state: is what it lacks in the feeding channel by now? */
  #isHeldNow(stanza: Placed): boolean {
    const { store, feeding, revision } = this.#scope
    if (revision === undefined) return false
    const view = store.views.find(feeding.id, stanza.indexId)
    return view !== null && store.views.holds(view.id, stanza.id)
  }

  #facts(
    item: Omit<PendingItem, 'verdicts'>,
    offered: readonly Placed[],
    classes: ReadonlySet<string>,
  ): Facts {
    const { supplies } = this.#scope.store
    const competing = offered.filter(
      (one) => one.release === item.release && classes.has(this.#classOf(one.suiteId)),
    )
    return {
      item,
      channel: this.#scope.target.name,
      hold: this.#holds.get(subjectKey(item)) ?? null,
      decision: item.decision,
      isWithdrawn:
        item.arrived.length > 0 &&
        isWithdrawn(
          competing.map((one) => one.sourceVersion),
          item.version,
        ),
      absentFiles: item.absentFiles.map(({ path, sha256 }) => ({
        path,
        tried: supplies.findMissing(sha256),
      })),
    }
  }

  /** What upstream offers of a source, in all archives and releases. */
  #offered(source: string): Placed[] {
    const { store } = this.#scope
    return store.views.bySource(store.channels.upstream().id, source)
  }

  #absentFiles(archiveId: number, offered: readonly Placed[], arrived: readonly Placed[]): NamedRecordFile[] {
    const { store, packages } = this.#scope
    const isOffered = ({ name, sha256 }: Placed) =>
      offered.some((one) => one.archiveId === archiveId && one.name === name && one.sha256 === sha256)
    const gone = arrived.filter((stanza) => !isOffered(stanza))
    if (gone.length === 0) return []
    const files = store.supplies.filesOf(gone.map((stanza) => stanza.id))
    return files.filter(({ sha256 }) => !packages.isHere(sha256))
  }

  /** Changed fields, a rebuild or another architecture make a version no younger. */
  #since(source: string, change: SourceChange<Placed>): number | null {
    const { store, feeding } = this.#scope
    const [one] = change.arrived
    if (one === undefined) return null
    const first = store.views.firstRevisionOf(feeding.id, one.archiveId, source, change.version) ?? one.since
    return store.channels.snapshotOfRevision(first)?.at ?? null
  }
}

/** Suites of one class compete by version; apt takes from NotAutomatic ones (backports) only what it is told to. */
export function suiteClassOf(suite: Suite): string {
  const { notAutomatic, butAutomaticUpgrades } = suite.adopted?.identity ?? {}
  return `${notAutomatic ?? ''} ${butAutomaticUpgrades ?? ''}`
}

/** Did the version leave upstream without a higher successor? */
export function isWithdrawn(offered: readonly string[], version: string): boolean {
  const highest = highestVersion(offered)
  return highest === undefined || (!offered.includes(version) && compareVersions(highest, version) < 0)
}

function subjectKey(subject: Pick<DecisionSubject, 'release' | 'archiveId' | 'source'>): string {
  return `${subject.release} ${subject.archiveId} ${subject.source}`
}
