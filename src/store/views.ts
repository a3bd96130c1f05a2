// Views: which stanzas a channel shows of an index, by revision.
import type { Database, Tx } from './database.ts'
import {
  type PackageRecord,
  type RecordKind,
  type RecordRow,
  type RenderedRecord,
  recordColumns,
  recordKind,
  toRecord,
} from './records.ts'

export interface View {
  readonly id: number
  readonly channelId: number
  readonly indexId: number
  readonly seedsItself: boolean
  /** The revision of its first content; null while a gated channel waits for its seed. */
  readonly liveSince: number | null
  /** Up to which revision of `upstream` the entries were looked through that go with packages. */
  readonly derivedAt: number
}

/** A stanza, of a package or a source, where it stands. */
export interface Placed extends PackageRecord {
  readonly indexId: number
  readonly indexArchitecture: string
  readonly suiteId: number
  readonly archiveId: number
  readonly release: string
  /** Since which revision it is there. */
  readonly since: number
}

/** Record ids that enter and leave one view. */
export interface ViewChange {
  readonly enter: readonly number[]
  readonly leave: readonly number[]
}

/** Names are ASCII. */
const afterAllNames = '\u{10ffff}'

/** A revision that all present members are visible at. */
export const now = Number.MAX_SAFE_INTEGER

interface ViewRow {
  id: number
  channel_id: number
  index_id: number
  seeds_itself: number
  live_since: number | null
  derived_at: number
}

interface PlacedRow extends RecordRow {
  index_id: number
  index_architecture: string
  suite_id: number
  archive_id: number
  release: string
  since: number
}

const changedRecords = `SELECT record_id FROM member WHERE view_id = ? AND since > ?
  UNION SELECT record_id FROM member WHERE view_id = ? AND until > ?`

// The plus keeps SQLite from going by an index of what changed, which for most of a view takes longer than to read it all.
const isVisible = '+member.since <= ? AND (member.until IS NULL OR member.until > ?)'

const placeColumns = `view.index_id, suite_index.architecture AS index_architecture, suite_index.suite_id,
  suite.archive_id, suite.release, member.since`
const placeJoins = `JOIN suite_index ON suite_index.id = view.index_id AND suite_index.dropped_at IS NULL
  JOIN suite ON suite.id = suite_index.suite_id`

// CROSS JOIN keeps the order below: the few records first, then one probe of each view of the channel.
export class Views {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Those of stanzas: what the others show follows from these. */
  list(channelId: number): View[] {
    return this.#db
      .prepare<ViewRow>(
        `SELECT view.* FROM view JOIN suite_index ON suite_index.id = view.index_id
         WHERE view.channel_id = ? AND suite_index.dropped_at IS NULL AND suite_index.kind IN ('packages', 'sources')`,
      )
      .all(channelId)
      .map(toView)
  }

  find(channelId: number, indexId: number): View | null {
    const row = this.#db
      .prepare<ViewRow>('SELECT * FROM view WHERE channel_id = ? AND index_id = ?')
      .get(channelId, indexId)
    return row === undefined ? null : toView(row)
  }

  /** The view's id; added if need be, and then `seedsItself` counts. */
  ensure(tx: Tx, channelId: number, indexId: number, seedsItself: boolean): number {
    tx.run(
      `INSERT INTO view (channel_id, index_id, seeds_itself) VALUES (?, ?, ?)
       ON CONFLICT (channel_id, index_id) DO NOTHING`,
      channelId,
      indexId,
      seedsItself ? 1 : 0,
    )
    return this.find(channelId, indexId)!.id
  }

  setLive(tx: Tx, viewId: number, revision: number): void {
    tx.run('UPDATE view SET live_since = coalesce(live_since, ?) WHERE id = ?', revision, viewId)
  }

  setDerivedAt(tx: Tx, viewId: number, revision: number): void {
    tx.run('UPDATE view SET derived_at = ? WHERE id = ?', revision, viewId)
  }

  /** The channel shows the index no more; should it come back, it waits for a seed again. */
  endLive(tx: Tx, viewId: number): void {
    tx.run('UPDATE view SET live_since = NULL, seeds_itself = 0 WHERE id = ?', viewId)
  }

  /** The records visible at a revision, by id. */
  recordIds(viewId: number, revision: number = now): number[] {
    return this.#db
      .pluck<number>(`SELECT record_id FROM member WHERE view_id = ? AND ${isVisible}`)
      .all(viewId, revision, revision)
  }

  /** Of the records that a change takes out of a view: those whose name the view will not have any more. */
  leavingNames(viewId: number, change: ViewChange): number[] {
    return this.#db
      .pluck<number>(
        `WITH leaving AS (SELECT value AS id FROM json_each(?))
         SELECT gone.id FROM leaving CROSS JOIN record AS gone ON gone.id = leaving.id
         WHERE gone.name NOT IN (
             SELECT record.name FROM json_each(?) CROSS JOIN record ON record.id = json_each.value)
           AND NOT EXISTS (
             SELECT 1 FROM record AS stays
             CROSS JOIN member ON member.view_id = ? AND member.record_id = stays.id AND member.until IS NULL
             WHERE stays.kind = gone.kind AND stays.name = gone.name AND stays.id NOT IN (SELECT id FROM leaving))`,
      )
      .all(JSON.stringify(change.leave), JSON.stringify(change.enter), viewId)
  }

  /** The records visible now with a name from `from` on, and before `to` (null: no border), with their texts. */
  renderedBetween(
    viewId: number,
    kind: RecordKind,
    from: string | null,
    to: string | null,
  ): RenderedRecord[] {
    return this.#db
      .prepare<RenderedRecord>(
        `SELECT record.id, record.name, record.version, record.hash, record.text
         FROM record CROSS JOIN member ON member.view_id = ? AND member.record_id = record.id AND member.until IS NULL
         WHERE record.kind = ? AND record.name >= ? AND record.name < ?`,
      )
      .all(viewId, recordKind(kind), from ?? '', to ?? afterAllNames)
  }

  count(viewId: number, revision: number = now): number {
    return this.#db
      .pluck<number>(`SELECT count(*) FROM member WHERE view_id = ? AND ${isVisible}`)
      .get(viewId, revision, revision)!
  }

  /** The records that one view shows at a revision and another does not show at another. */
  missing(viewId: number, inViewId: number, revision: number = now, inRevision: number = now): number[] {
    return this.#db
      .pluck<number>(
        `SELECT record_id FROM member WHERE view_id = ? AND ${isVisible} AND NOT EXISTS (
           SELECT 1 FROM member AS other WHERE other.view_id = ? AND other.record_id = member.record_id
             AND +other.since <= ? AND (other.until IS NULL OR other.until > ?))`,
      )
      .all(viewId, revision, revision, inViewId, inRevision, inRevision)
  }

  /** The records, of the given names, that one view shows now and another does not. */
  missingOf(names: readonly string[], viewId: number, inViewId: number): number[] {
    return this.#db
      .pluck<number>(
        `SELECT record.id FROM json_each(?) AS wanted
         CROSS JOIN record ON record.kind IN (1, 2) AND record.name = wanted.value
         CROSS JOIN member ON member.view_id = ? AND member.record_id = record.id AND member.until IS NULL
         WHERE NOT EXISTS (
           SELECT 1 FROM member AS other WHERE other.view_id = ? AND other.record_id = record.id AND other.until IS NULL)`,
      )
      .all(JSON.stringify(names), viewId, inViewId)
  }

  /** The names of records that entered or left a view after a revision. */
  namesChangedSince(viewId: number, revision: number): string[] {
    return this.#changedSince('name', viewId, revision)
  }

  /** The sources of records that entered or left a view after a revision. */
  sourcesChangedSince(viewId: number, revision: number): string[] {
    return this.#changedSince('source', viewId, revision)
  }

  #changedSince(column: 'name' | 'source', viewId: number, revision: number): string[] {
    return this.#db
      .pluck<string>(
        `SELECT DISTINCT record.${column} FROM (${changedRecords}) AS changed
         CROSS JOIN record ON record.id = changed.record_id`,
      )
      .all(viewId, revision, viewId, revision)
  }

  /** The records that entered or left a view after a revision. */
  changedSince(viewId: number, revision: number): number[] {
    return this.#db.pluck<number>(changedRecords).all(viewId, revision, viewId, revision)
  }

  holds(viewId: number, recordId: number, revision: number = now): boolean {
    return (
      this.#db
        .pluck<number>(`SELECT 1 FROM member WHERE view_id = ? AND record_id = ? AND ${isVisible}`)
        .get(viewId, recordId, revision, revision) !== undefined
    )
  }

  /** All stanzas of a source that a channel shows, in all archives and releases. */
  bySource(channelId: number, source: string, revision: number = now): Placed[] {
    return this.bySources(channelId, [source], revision)
  }

  /** The same of many sources at once, which takes a tenth of the time for each; in their order. */
  bySources(channelId: number, sources: readonly string[], revision: number = now): Placed[] {
    return this.#db
      .prepare<PlacedRow>(
        `SELECT ${recordColumns}, ${placeColumns}
         FROM json_each(?) AS asked CROSS JOIN record ON record.source = asked.value
         CROSS JOIN view ON view.channel_id = ?
         CROSS JOIN member ON member.view_id = view.id AND member.record_id = record.id
         ${placeJoins} WHERE ${isVisible}`,
      )
      .all(JSON.stringify(sources), channelId, revision, revision)
      .map(toPlaced)
  }

  /** All stanzas of a binary package that a channel shows, in all archives and releases. */
  byName(channelId: number, name: string, revision: number = now): Placed[] {
    return this.#db
      .prepare<PlacedRow>(
        `SELECT ${recordColumns}, ${placeColumns}
         FROM record
         CROSS JOIN view ON view.channel_id = ?
         CROSS JOIN member ON member.view_id = view.id AND member.record_id = record.id
         ${placeJoins} WHERE ${isVisible} AND record.kind IN (1, 2) AND record.name = ?`,
      )
      .all(channelId, revision, revision, name)
      .map(toPlaced)
  }

  /** Given records where they stand in a view; `revision` is one at which the view shows them. */
  placed(viewId: number, recordIds: readonly number[], revision: number = now): Placed[] {
    return this.#db
      .prepare<PlacedRow>(
        `SELECT ${recordColumns}, ${placeColumns}
         FROM json_each(?) CROSS JOIN record ON record.id = json_each.value
         CROSS JOIN view ON view.id = ?
         CROSS JOIN member ON member.view_id = view.id AND member.record_id = record.id
         ${placeJoins} WHERE ${isVisible}`,
      )
      .all(JSON.stringify(recordIds), viewId, revision, revision)
      .map(toPlaced)
  }

  /** Those of the records whose identity (package, version, architecture, file) the channel shows in the release. */
  withVisibleIdentity(channelId: number, release: string, recordIds: readonly number[]): number[] {
    return this.#db
      .pluck<number>(
        `SELECT asked.id FROM json_each(?) CROSS JOIN record AS asked ON asked.id = json_each.value
         WHERE EXISTS (
           SELECT 1 FROM record AS twin
           CROSS JOIN view ON view.channel_id = ?
           CROSS JOIN suite_index ON suite_index.id = view.index_id AND suite_index.dropped_at IS NULL
           CROSS JOIN suite ON suite.id = suite_index.suite_id AND suite.release = ?
           CROSS JOIN member ON member.view_id = view.id AND member.record_id = twin.id
           WHERE twin.kind = asked.kind AND twin.name = asked.name AND twin.version = asked.version
             AND twin.architecture = asked.architecture AND twin.sha256 = asked.sha256 AND member.until IS NULL)`,
      )
      .all(JSON.stringify(recordIds), channelId, release)
  }

  /** Records that a view showed at some time since a revision, but does not show at another one. */
  shownSince(viewId: number, since: number, exceptAt: number): number[] {
    return this.#db
      .pluck<number>(
        `SELECT DISTINCT record_id FROM member WHERE view_id = ? AND (until IS NULL OR until > ?)
           AND record_id NOT IN (SELECT record_id FROM member WHERE view_id = ? AND ${isVisible})`,
      )
      .all(viewId, since, viewId, exceptAt, exceptAt)
  }

  /** The distinct sources of records. */
  sourcesOf(recordIds: readonly number[]): string[] {
    return this.#db
      .pluck<string>(
        `SELECT DISTINCT record.source FROM json_each(?) CROSS JOIN record ON record.id = json_each.value`,
      )
      .all(JSON.stringify(recordIds))
  }

  /** The sources whose name matches a glob pattern, of those that a channel shows. */
  sourcesLike(channelId: number, pattern: string): string[] {
    return this.#namesLike('source', channelId, pattern)
  }

  /** The sources of the binary packages whose name matches a glob pattern, of those that a channel shows. */
  sourcesOfBinariesLike(channelId: number, pattern: string): string[] {
    return this.#namesLike('name', channelId, pattern)
  }

  #namesLike(column: 'source' | 'name', channelId: number, pattern: string): string[] {
    return this.#db
      .pluck<string>(
        `SELECT DISTINCT record.source FROM record
         CROSS JOIN view ON view.channel_id = ?
         CROSS JOIN member ON member.view_id = view.id AND member.record_id = record.id
         WHERE member.until IS NULL AND record.kind = ${recordKind('packages')} AND record.${column} GLOB ?
         ORDER BY record.source`,
      )
      .all(channelId, pattern)
  }

  /** Starts and ends memberships at `revision`. */
  change(tx: Tx, viewId: number, revision: number, change: ViewChange): void {
    tx.run(
      `UPDATE member SET until = ? WHERE view_id = ? AND until IS NULL
         AND record_id IN (SELECT value FROM json_each(?))`,
      revision,
      viewId,
      JSON.stringify(change.leave),
    )
    tx.run(
      'INSERT INTO member (view_id, record_id, since) SELECT ?, value, ? FROM json_each(?) ORDER BY value',
      viewId,
      revision,
      JSON.stringify(change.enter),
    )
  }
}

function toView(row: ViewRow): View {
  return {
    id: row.id,
    channelId: row.channel_id,
    indexId: row.index_id,
    seedsItself: row.seeds_itself === 1,
    liveSince: row.live_since,
    derivedAt: row.derived_at,
  }
}

function toPlaced(row: PlacedRow): Placed {
  return {
    ...toRecord(row),
    indexId: row.index_id,
    indexArchitecture: row.index_architecture,
    suiteId: row.suite_id,
    archiveId: row.archive_id,
    release: row.release,
    since: row.since,
  }
}
