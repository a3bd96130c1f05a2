// What waits between a channel and the one that feeds it: the facts from the store, classified.
import { compareVersions, highestVersion } from '../debian/version.ts'
import type { Decision } from '../store/decisions.ts'
import type { NamedRecordFile } from '../store/supplies.ts'
import { now, type Placed } from '../store/views.ts'
import { bringsVersion, classify, type SourceChange } from './classify.ts'
import { type AppliedRule, eligibleAt, type Facts, judge, obstacles } from './gates/gate.ts'
import { isWithdrawn, type PendingItem, type PendingScope, subjectKey, suiteClassOf } from './pending-item.ts'
import { ruleFor } from './rules.ts'

/** All that waits, by source name. */
export function listPending(scope: PendingScope): PendingItem[] {
  return new Waiting(scope).all()
}

/** What waits of some sources. */
export function pendingOf(scope: PendingScope, sources: readonly string[]): PendingItem[] {
  return new Waiting(scope).of(sources)
}

/** What waits, for who asks time and again in one transaction: decisions and the like are read once. */
export class Waiting {
  readonly #scope: PendingScope
  #tables: Tables | undefined
  #expecting: PendingReader | undefined

  constructor(scope: PendingScope) {
    this.#scope = scope
  }

  /** Sources that will be asked for one by one. */
  expect(sources: readonly string[]): void {
    this.#expecting = this.#reader()
    for (const some of inPortions(sources)) this.#expecting.load(some)
  }

  all(): PendingItem[] {
    return this.of(this.sources())
  }

  /** The sources of which the two channels show different stanzas, by name. */
  sources(): string[] {
    return this.#reader().differingSources()
  }

  /** `revision`: as of an earlier state of the feeding channel. */
  of(sources: readonly string[], revision = this.#scope.revision): PendingItem[] {
    const expecting = revision === this.#scope.revision ? this.#expecting : undefined
    if (expecting?.hasLoaded(sources)) return sources.flatMap((source) => expecting.pendingOf(source))
    return inPortions(sources).flatMap((some) => {
      const reader = this.#reader(revision)
      reader.load(some)
      return some.flatMap((source) => reader.pendingOf(source))
    })
  }

  /**
   * What waited of some sources and was superseded in the feeding channel before it entered: older than what waits
   * now, newer than what the target has. Newest first, for each source.
   */
  superseded(sources: readonly string[]): PendingItem[] {
    const { store, feeding, judging } = this.#scope
    return sources.flatMap((source) =>
      store.history
        .supersededOf(feeding.id, source, judging.retainedSince)
        .sort((a, b) => compareVersions(b.version, a.version))
        .flatMap(({ version, revision }) =>
          this.of([source], revision).filter((item) => item.version === version && bringsVersion(item.kind)),
        ),
    )
  }

  /** Of each source the newest version that may enter now, if the newest that waits must still soak. */
  ripeInstead(items: readonly PendingItem[]): PendingItem[] {
    const soaking = items.filter((item) => {
      const found = obstacles(item.verdicts)
      return found.length > 0 && found.every(({ gate }) => gate === 'soak')
    })
    const older = this.superseded([...new Set(soaking.map((item) => item.source))])
    return soaking.flatMap((item) => {
      const ripe = older.find(
        (one) => subjectKey(one) === subjectKey(item) && obstacles(one.verdicts).length === 0,
      )
      return ripe === undefined ? [] : [ripe]
    })
  }

  #reader(revision = this.#scope.revision): PendingReader {
    this.#tables ??= readTables(this.#scope)
    return new PendingReader(
      revision === undefined ? this.#scope : { ...this.#scope, revision },
      this.#tables,
    )
  }
}

/** So many sources are read at once: one by one they take longer, all together too much memory. */
const portionSources = 500

function inPortions(sources: readonly string[]): string[][] {
  const count = Math.ceil(sources.length / portionSources)
  return Array.from({ length: count }, (_, at) =>
    sources.slice(at * portionSources, (at + 1) * portionSources),
  )
}

/** Of one source. */
interface Stanzas {
  readonly fed: Placed[]
  readonly shown: Placed[]
  /** By upstream, in all archives and releases. */
  readonly offered: Placed[]
}

type Change = Pick<PendingItem, 'kind' | 'source' | 'version' | 'since'>
type Judged = Omit<PendingItem, 'verdicts' | 'eligibleAt'>

/** What is the same for every state of the feeding channel. */
interface Tables {
  /** Only indexes that the target shows: what waits for its seed is not pending. */
  readonly liveIndexes: ReadonlySet<number>
  readonly suites: ReadonlyMap<number, { name: string; suiteClass: string }>
  readonly archives: ReadonlyMap<number, string>
  readonly holds: ReadonlyMap<string, Decision>
  readonly verdicts: ReadonlyMap<string, Decision>
  readonly approvals: ReadonlyMap<string, readonly Decision[]>
}

function readTables({ store, target }: PendingScope): Tables {
  const live = store.views.list(target.id).filter((view) => view.liveSince !== null)
  const { decisions, archives } = store
  return {
    liveIndexes: new Set(live.map((view) => view.indexId)),
    suites: new Map(
      archives.suites().map((suite) => [suite.id, { name: suite.name, suiteClass: suiteClassOf(suite) }]),
    ),
    archives: new Map(archives.list().map((archive) => [archive.id, archive.name])),
    holds: new Map(decisions.holds(target.id).map((hold) => [subjectKey(hold), hold])),
    verdicts: new Map(
      decisions.verdicts(target.id).map((verdict) => [`${subjectKey(verdict)} ${verdict.version}`, verdict]),
    ),
    approvals: Map.groupBy(decisions.approvals(target.id), subjectKey),
  }
}

class PendingReader {
  readonly #scope: PendingScope
  readonly #revision: number
  readonly #tables: Tables
  readonly #stanzas = new Map<string, Stanzas>()

  constructor(scope: PendingScope, tables: Tables) {
    this.#scope = scope
    this.#revision = scope.revision ?? now
    this.#tables = tables
  }

  differingSources(): string[] {
    const { store, target, feeding } = this.#scope
    const sources = new Set<string>()
    for (const indexId of this.#tables.liveIndexes) {
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

  /** To be called before `pendingOf`. */
  load(wanted: readonly string[]): void {
    const { store, target, feeding } = this.#scope
    const sources = [...new Set(wanted)].filter((source) => !this.#stanzas.has(source))
    const isLive = (stanza: Placed) => this.#tables.liveIndexes.has(stanza.indexId)
    for (const source of sources) this.#stanzas.set(source, { fed: [], shown: [], offered: [] })
    const { views, channels } = store
    for (const one of views.bySources(feeding.id, sources, this.#revision).filter(isLive))
      this.#stanzas.get(one.source)!.fed.push(one)
    for (const one of views.bySources(target.id, sources).filter(isLive))
      this.#stanzas.get(one.source)!.shown.push(one)
    for (const one of views.bySources(channels.upstream().id, sources))
      this.#stanzas.get(one.source)!.offered.push(one)
  }

  hasLoaded(sources: readonly string[]): boolean {
    return sources.every((source) => this.#stanzas.has(source))
  }

  pendingOf(source: string): PendingItem[] {
    const { fed, shown } = this.#stanzas.get(source)!
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
    const suites = [...suiteIds].map((id) => this.#tables.suites.get(id)!.name).sort()
    const archive = this.#tables.archives.get(archiveId)!
    const since = this.#since(source, change)
    const claims = this.#scope.store.claims.find({ archiveId, source, version: change.version, since: from })
    const rule = this.#ruleFor({ ...change, archive, suites, source, from, since, claims })
    const { offered } = this.#stanzas.get(source)!
    const item: Judged = {
      ...change,
      release,
      archiveId,
      archive,
      source,
      from,
      suites,
      since,
      revision: this.#scope.revision ?? null,
      decision: this.#tables.verdicts.get(`${key} ${change.version}`) ?? null,
      approvers: this.#approvers(key, { ...change, source, since }, from, rule),
      rule,
      claims,
      absentFiles: this.#absentFiles(archiveId, offered, change.arrived),
    }
    const facts = this.#facts(item, offered, classes)
    return { ...item, verdicts: judge(facts), eligibleAt: eligibleAt(facts) }
  }

  #ruleFor(
    item: Pick<
      PendingItem,
      'archive' | 'suites' | 'source' | 'from' | 'since' | 'kind' | 'version' | 'arrived' | 'gone' | 'claims'
    >,
  ) {
    const { rules, rulesSince } = this.#scope.judging
    if (rules.length === 0) return null
    const wantsSections = rules.some((rule) => rule.sections !== null)
    const ids = (item.arrived.length > 0 ? item.arrived : item.gone).map((stanza) => stanza.id)
    const sections = wantsSections ? this.#scope.store.records.fieldValues(ids, 'Section') : []
    return ruleFor({ ...item, sections }, rules, rulesSince)
  }

  /**
   * An approval binds the bytes that it saw; only a rule can have a newer version inherit it. It is for one entry: what
   * left the channel since, or what the feeding channel took back since, needs another.
   */
  #approvers(
    key: string,
    change: Change & Pick<PendingItem, 'arrived'>,
    from: string | null,
    rule: AppliedRule | null,
  ): string[] {
    const inherits = rule?.acts === true && rule.rule.inheritsApprovals
    const approvals = this.#tables.approvals.get(key) ?? []
    const usedUntil = approvals.length === 0 ? 0 : this.#approvalsUsedUntil(change)
    const people = approvals
      .filter(({ at, version, files }) => {
        if (at < usedUntil) return false
        if (version === change.version) return change.arrived.every((stanza) => files.includes(stanza.sha256))
        const isOlder = compareVersions(version!, change.version) < 0
        return inherits && isOlder && (from === null || compareVersions(version!, from) > 0)
      })
      .map(({ actor }) => actor)
    const { approver } = this.#scope.judging
    return [...new Set(approver === null ? people : [...people, approver])]
  }

  #approvalsUsedUntil({ kind, source, version, since }: Change): number {
    if (kind === 'remove' || kind === 'downgrade') return since ?? Number.POSITIVE_INFINITY
    const { store, target } = this.#scope
    const last = store.history.lastRevisionOf(target.id, source, version)
    return last === null ? 0 : (store.channels.snapshotOfRevision(last + 1)?.at ?? 0)
  }

  #classOf(suiteId: number): string {
    return this.#tables.suites.get(suiteId)?.suiteClass ?? ''
  }

  /** As of an earlier state: is what it lacks in the feeding channel by now? */
  #isHeldNow(stanza: Placed): boolean {
    const { store, feeding, revision } = this.#scope
    if (revision === undefined) return false
    const view = store.views.find(feeding.id, stanza.indexId)
    return view !== null && store.views.holds(view.id, stanza.id)
  }

  #facts(item: Judged, offered: readonly Placed[], classes: ReadonlySet<string>): Facts {
    const { gates, now: at } = this.#scope.judging
    const ids = item.arrived.map((stanza) => stanza.id)
    const { supplies } = this.#scope.store
    const competing = offered.filter(
      (one) => one.release === item.release && classes.has(this.#classOf(one.suiteId)),
    )
    return {
      item,
      channel: this.#scope.target.name,
      now: at,
      gates,
      rule: item.rule,
      approvers: item.approvers,
      uploaders:
        item.approvers.length === 0
          ? []
          : this.#scope.store.localPackages.uploadersOf(
              item.archiveId,
              item.arrived.map(({ path }) => path),
            ),
      ...this.#soaking(item),
      phasedPercentage: this.#phased(ids),
      hold: this.#tables.holds.get(subjectKey(item)) ?? null,
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

  /** For a security fix the clock starts with the first version that carried it, though a newer one is to enter. */
  #soaking(item: Judged): Pick<Facts, 'soakingSince' | 'soakingFrom'> {
    const { store, feeding, judging } = this.#scope
    const own = { soakingSince: item.since, soakingFrom: null }
    if (judging.gates.soak.length === 0 && item.rule?.rule.soakSeconds == null) return own
    if (item.arrived.length === 0) return own
    const fixes = store.history
      .securityVersions(feeding.id, item.archiveId, item.source, judging.retainedSince)
      .filter(
        ({ version }) =>
          compareVersions(version, item.version) < 0 &&
          (item.from === null || compareVersions(version, item.from) > 0),
      )
      .sort((a, b) => a.revision - b.revision)
    const [first] = fixes
    if (first === undefined) return own
    const since = store.channels.snapshotOfRevision(first.revision)?.at ?? null
    if (since === null || (item.since !== null && since >= item.since)) return own
    return { soakingSince: since, soakingFrom: first.version }
  }

  /** The least of what upstream says of the files that would enter. */
  #phased(ids: readonly number[]): number | null {
    const values = this.#scope.store.records.fieldValues(ids, 'Phased-Update-Percentage').map(Number)
    return values.length === 0 ? null : Math.min(...values)
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

  /** Changed fields, a rebuild or another architecture make a version no younger; other bytes do. */
  #since(source: string, change: SourceChange<Placed>): number | null {
    const { store } = this.#scope
    const revision = this.#revisionSince(source, change)
    return revision === null ? null : (store.channels.snapshotOfRevision(revision)?.at ?? null)
  }

  #revisionSince(source: string, { kind, version, arrived, gone }: SourceChange<Placed>): number | null {
    const { history } = this.#scope.store
    const { id } = this.#scope.feeding
    if (kind === 'remove' || kind === 'downgrade') return history.goneSince(id, gone)
    const [one] = arrived
    if (one === undefined) return null
    if (kind === 'republished') {
      const firsts = history.firstRevisionsOfFiles(id, one.archiveId, source, version)
      return Math.max(...arrived.map((stanza) => firsts.get(stanza.sha256) ?? stanza.since))
    }
    return history.firstRevisionOf(id, one.archiveId, source, version) ?? one.since
  }
}
