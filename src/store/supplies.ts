// Package files that have to be here before anybody asks: what the records name, what could not be had, and what
// clients asked for before.
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

/** A file that a record names. */
export interface NamedRecordFile {
  readonly recordId: number
  readonly path: string
  readonly sha256: Sha256
  readonly sizeBytes: number
}

/** A file that could not be had when it was tried last. */
export interface MissingFile {
  readonly sha256: Sha256
  readonly sizeBytes: number
  readonly archive: string
  /** Below the archive. */
  readonly path: string
  readonly channel: string
  readonly source: string
  /** Of the source. */
  readonly version: string
  readonly triedAt: number
  /** Every address says that it has no such file. */
  readonly isFinal: boolean
  readonly error: string
}

export interface SourceFile extends NamedRecordFile {
  readonly source: string
  /** Of the source. */
  readonly version: string
}

interface FileRow {
  record_id: number
  path: string
  sha256: Uint8Array
  size_bytes: number
}

interface MissingRow {
  sha256: Uint8Array
  size_bytes: number
  archive: string
  path: string
  channel: string
  source: string
  version: string
  tried_at: number
  is_final: number
  error: string
}

export class Supplies {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  filesOf(recordIds: readonly number[]): NamedRecordFile[] {
    return this.#db
      .prepare<FileRow>(
        `SELECT file.record_id, file.path, file.sha256, file.size_bytes
         FROM json_each(?) CROSS JOIN named_file AS file ON file.record_id = json_each.value`,
      )
      .all(JSON.stringify(recordIds))
      .map(toFile)
  }

  /** The files of very many records, with the sources that they are of. */
  sourceFilesOf(recordIds: readonly number[]): SourceFile[] {
    return this.#db
      .prepare<FileRow & { source: string; source_version: string }>(
        `SELECT file.record_id, file.path, file.sha256, file.size_bytes, record.source, record.source_version
         FROM json_each(?) CROSS JOIN record ON record.id = json_each.value
         CROSS JOIN named_file AS file ON file.record_id = record.id`,
      )
      .all(JSON.stringify(recordIds))
      .map((row) => ({ ...toFile(row), source: row.source, version: row.source_version }))
  }

  /** Records that a view showed at some time since a revision, and that another view does not show now. */
  shownSinceButNow(viewId: number, since: number, notIn: number): number[] {
    return this.#db
      .pluck<number>(
        `SELECT DISTINCT record_id FROM member WHERE view_id = ? AND (until IS NULL OR until > ?)
           AND NOT EXISTS (SELECT 1 FROM member AS other
             WHERE other.view_id = ? AND other.record_id = member.record_id AND other.until IS NULL)`,
      )
      .all(viewId, since, notIn)
  }

  /** Of the records those that a view does not show now. */
  notShownIn(viewId: number, recordIds: readonly number[]): number[] {
    return this.#db
      .pluck<number>(
        `SELECT value FROM json_each(?) WHERE NOT EXISTS (
           SELECT 1 FROM member WHERE view_id = ? AND record_id = value AND until IS NULL)`,
      )
      .all(JSON.stringify(recordIds), viewId)
  }

  /** Of the records those whose file no stanza of that name has that a channel shows now in an archive. */
  notNamedBy(channelId: number, archiveId: number, recordIds: readonly number[]): number[] {
    return this.#db
      .pluck<number>(
        `SELECT asked.id FROM json_each(?) CROSS JOIN record AS asked ON asked.id = json_each.value
         WHERE NOT EXISTS (
           SELECT 1 FROM record AS twin
           CROSS JOIN view ON view.channel_id = ?
           CROSS JOIN suite_index ON suite_index.id = view.index_id AND suite_index.dropped_at IS NULL
           CROSS JOIN suite ON suite.id = suite_index.suite_id AND suite.archive_id = ?
           CROSS JOIN member ON member.view_id = view.id AND member.record_id = twin.id
           WHERE twin.kind IN (1, 2) AND twin.name = asked.name AND twin.sha256 = asked.sha256
             AND member.until IS NULL)`,
      )
      .all(JSON.stringify(recordIds), channelId, archiveId)
  }

  /** Records that a view shows now and did not at a revision, with the one since which it does. */
  enteredSince(viewId: number, revision: number): { readonly id: number; readonly since: number }[] {
    return this.#db
      .prepare<{ id: number; since: number }>(
        'SELECT record_id AS id, since FROM member WHERE view_id = ? AND since > ? AND until IS NULL',
      )
      .all(viewId, revision)
  }

  /** The smallest package file that a view shows now; null if it shows none. */
  smallestFile(viewId: number): NamedRecordFile | null {
    const id = this.#db
      .pluck<number>(
        `SELECT record.id FROM member CROSS JOIN record ON record.id = member.record_id
         WHERE member.view_id = ? AND member.until IS NULL AND record.kind = 1
         ORDER BY record.size_bytes, record.id LIMIT 1`,
      )
      .get(viewId)
    return id === undefined ? null : (this.filesOf([id])[0] ?? null)
  }

  /** When a channel began to show a file, and when it did not any more; null if it never did. Looks through everything. */
  seen(channelId: number, sha256: Sha256): { from: number; until: number | null } | null {
    const row = this.#db
      .prepare<{ since: number | null; until: number | null; is_open: number }>(
        `SELECT min(member.since) AS since, max(member.until) AS until, max(member.until IS NULL) AS is_open
         FROM record
         CROSS JOIN view ON view.channel_id = ?
         CROSS JOIN member ON member.view_id = view.id AND member.record_id = record.id
         WHERE record.id IN (SELECT record_id FROM named_file WHERE named_file.sha256 = ?)`,
      )
      .get(channelId, sha256Bytes(sha256))
    if (row === undefined || row.since === null) return null
    return { from: row.since, until: row.is_open === 1 ? null : row.until }
  }

  missing(): MissingFile[] {
    return this.#db
      .prepare<MissingRow>('SELECT * FROM missing_file ORDER BY archive, path')
      .all()
      .map(toMissing)
  }

  findMissing(sha256: Sha256): MissingFile | null {
    const row = this.#db
      .prepare<MissingRow>('SELECT * FROM missing_file WHERE sha256 = ?')
      .get(sha256Bytes(sha256))
    return row === undefined ? null : toMissing(row)
  }

  recordMissing(tx: Tx, file: MissingFile): void {
    tx.run(
      `INSERT OR REPLACE INTO missing_file
         (sha256, size_bytes, archive, path, channel, source, version, tried_at, is_final, error)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      sha256Bytes(file.sha256),
      file.sizeBytes,
      file.archive,
      file.path,
      file.channel,
      file.source,
      file.version,
      file.triedAt,
      file.isFinal ? 1 : 0,
      file.error,
    )
  }

  forgetMissing(tx: Tx, sha256: Sha256): void {
    tx.run('DELETE FROM missing_file WHERE sha256 = ?', sha256Bytes(sha256))
  }

  /** The packages, by name and architecture, whose files these are. Looks through everything. */
  recordUsed(tx: Tx, channelId: number, files: readonly Sha256[], at: number): void {
    // SQLite knows no bytes in JSON.
    const digests = JSON.stringify(files)
    tx.run(
      `INSERT INTO used_package (channel_id, name, architecture, used_at)
       SELECT DISTINCT ?, record.name, record.architecture, ? FROM record
       WHERE record.kind IN (1, 2) AND lower(hex(record.sha256)) IN (SELECT value FROM json_each(?))
       ON CONFLICT (channel_id, name, architecture) DO UPDATE SET used_at = excluded.used_at`,
      channelId,
      at,
      digests,
    )
  }

  /** Forgets what nobody asked for since. */
  forgetUsed(tx: Tx, before: number): void {
    tx.run('DELETE FROM used_package WHERE used_at < ?', before)
  }

  /** Of the records those whose package clients of the channel asked for, in whatever version. */
  usedAmong(channelId: number, recordIds: readonly number[]): number[] {
    const used = this.#db
      .pluck<number>('SELECT count(*) FROM used_package WHERE channel_id = ?')
      .get(channelId)!
    if (used === 0 || recordIds.length === 0) return []
    const ids = JSON.stringify(recordIds)
    // From the shorter list to the longer one.
    if (used < recordIds.length) {
      return this.#db
        .pluck<number>(
          `SELECT record.id FROM used_package
           CROSS JOIN record ON record.kind IN (1, 2) AND record.name = used_package.name
             AND record.architecture = used_package.architecture
           WHERE used_package.channel_id = ? AND record.id IN (SELECT value FROM json_each(?))`,
        )
        .all(channelId, ids)
    }
    return this.#db
      .pluck<number>(
        `SELECT record.id FROM json_each(?) CROSS JOIN record ON record.id = json_each.value
         CROSS JOIN used_package ON used_package.channel_id = ? AND used_package.name = record.name
           AND used_package.architecture = record.architecture
         WHERE record.kind IN (1, 2)`,
      )
      .all(ids, channelId)
  }
}

function toFile(row: FileRow): NamedRecordFile {
  return {
    recordId: row.record_id,
    path: row.path,
    sha256: sha256FromBytes(row.sha256),
    sizeBytes: row.size_bytes,
  }
}

function toMissing(row: MissingRow): MissingFile {
  return {
    sha256: sha256FromBytes(row.sha256),
    sizeBytes: row.size_bytes,
    archive: row.archive,
    path: row.path,
    channel: row.channel,
    source: row.source,
    version: row.version,
    triedAt: row.tried_at,
    isFinal: row.is_final === 1,
    error: row.error,
  }
}
