// Package files that a channel names: the flat table that serving reads.
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

export interface PoolFile {
  readonly sha256: Sha256
  readonly sizeBytes: number
}

interface FileRow {
  sha256: Uint8Array
  size_bytes: number
}

/** An address of a package file. */
export interface FilePlace {
  readonly archive: string
  /** Below the archive. */
  readonly path: string
  readonly sizeBytes: number
}

export interface PoolFileChange {
  readonly entered: readonly number[]
  readonly left: readonly number[]
}

/** A package file that a channel names. */
export interface ChannelFile extends FilePlace {
  readonly sha256: Sha256
}

export class PoolFiles {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** The file that a channel named so at a revision. */
  findAt(channelId: number, archiveId: number, path: string, revision: number): PoolFile | null {
    return this.#found(
      this.#db
        .prepare<FileRow>(
          `SELECT sha256, size_bytes FROM pool_file
           WHERE channel_id = ? AND archive_id = ? AND path = ? AND since <= ? AND (until IS NULL OR until > ?)
             AND NOT EXISTS (SELECT 1 FROM blocked_file WHERE blocked_file.sha256 = pool_file.sha256)`,
        )
        .get(channelId, archiveId, path, revision, revision),
    )
  }

  #found(row: FileRow | undefined): PoolFile | null {
    return row === undefined ? null : { sha256: sha256FromBytes(row.sha256), sizeBytes: row.size_bytes }
  }

  /** The files that are not served, whatever names them. */
  blocked(): Sha256[] {
    return this.#db
      .pluck<Uint8Array>('SELECT sha256 FROM blocked_file ORDER BY sha256')
      .all()
      .map(sha256FromBytes)
  }

  /** Where channels name a file, present ones first. Looks through everything. */
  placesOf(sha256: Sha256): FilePlace[] {
    return this.#db
      .prepare<FilePlace>(
        `SELECT DISTINCT archive.name AS archive, pool_file.path, pool_file.size_bytes AS sizeBytes
         FROM pool_file JOIN archive ON archive.id = pool_file.archive_id
         WHERE pool_file.sha256 = ? ORDER BY pool_file.until IS NOT NULL, pool_file.until DESC`,
      )
      .all(sha256Bytes(sha256))
  }

  /** What a channel names now; with `since` only what it did not name at that revision. Each file once, at one place. */
  present(channelId: number, since: number | null): ChannelFile[] {
    return this.#db
      .prepare<FilePlace & { sha256: Uint8Array }>(
        `SELECT archive.name AS archive, min(pool_file.path) AS path, pool_file.size_bytes AS sizeBytes, pool_file.sha256
         FROM pool_file JOIN archive ON archive.id = pool_file.archive_id
         WHERE pool_file.channel_id = ? AND pool_file.until IS NULL AND pool_file.since > ?
           AND NOT EXISTS (SELECT 1 FROM blocked_file WHERE blocked_file.sha256 = pool_file.sha256)
         GROUP BY pool_file.sha256 ORDER BY pool_file.sha256`,
      )
      .all(channelId, since ?? 0)
      .map(({ sha256, ...place }) => ({ ...place, sha256: sha256FromBytes(sha256) }))
  }

  /** From now on the file is not served, whatever names it. */
  block(tx: Tx, sha256: Sha256, at: number, reason: string): void {
    tx.run(
      'INSERT INTO blocked_file (sha256, at, reason) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
      sha256Bytes(sha256),
      at,
      reason,
    )
  }

  /**
   * The file that a channel names so: at present, or in a snapshot from `retainedSince` on. One indexed look-up.
   */
  find(channelId: number, archiveId: number, path: string, retainedSince: number): PoolFile | null {
    return this.#found(
      this.#db
        .prepare<FileRow>(
          `SELECT sha256, size_bytes FROM pool_file
           WHERE channel_id = ? AND archive_id = ? AND path = ? AND (until IS NULL OR until > ?)
             AND NOT EXISTS (SELECT 1 FROM blocked_file WHERE blocked_file.sha256 = pool_file.sha256)
           ORDER BY since DESC LIMIT 1`,
        )
        .get(channelId, archiveId, path, retainedSince),
    )
  }

  /**
   * Follows a change of a channel's views, which must be in the database already: files of `left` that no
   * other stanza names any more, and files of `entered`. Both are record ids of one archive.
   */
  change(tx: Tx, channelId: number, archiveId: number, revision: number, change: PoolFileChange): void {
    const at = { channel: channelId, archive: archiveId, revision }
    const left = JSON.stringify(change.left)
    const entered = JSON.stringify(change.entered)
    tx.run(
      `UPDATE pool_file SET until = @revision WHERE channel_id = @channel AND archive_id = @archive AND until IS NULL
         AND path IN (
           SELECT gone_file.path FROM json_each(@left) CROSS JOIN record AS gone ON gone.id = json_each.value
           CROSS JOIN named_file AS gone_file ON gone_file.record_id = gone.id
           WHERE NOT EXISTS (
             SELECT 1 FROM record AS stays
             CROSS JOIN named_file AS its_file ON its_file.record_id = stays.id AND its_file.path = gone_file.path
             CROSS JOIN view ON view.channel_id = @channel
             CROSS JOIN suite_index ON suite_index.id = view.index_id
             CROSS JOIN suite ON suite.id = suite_index.suite_id AND suite.archive_id = @archive
             CROSS JOIN member ON member.view_id = view.id AND member.record_id = stays.id
             WHERE stays.kind = gone.kind AND stays.name = gone.name AND member.until IS NULL))`,
      { ...at, left },
    )
    tx.run(
      `UPDATE pool_file SET until = @revision WHERE channel_id = @channel AND archive_id = @archive AND until IS NULL
         AND (path, sha256) IN (
           SELECT named.path, named.sha256 FROM json_each(@entered)
           CROSS JOIN named_file AS file ON file.record_id = json_each.value
           CROSS JOIN pool_file AS named ON named.channel_id = @channel AND named.archive_id = @archive
             AND named.path = file.path AND named.until IS NULL
           WHERE named.sha256 <> file.sha256)`,
      { ...at, entered },
    )
    tx.run(
      `INSERT INTO pool_file (channel_id, archive_id, path, since, sha256, size_bytes)
       SELECT @channel, @archive, file.path, @revision, file.sha256, file.size_bytes
       FROM json_each(@entered) CROSS JOIN named_file AS file ON file.record_id = json_each.value
       WHERE NOT EXISTS (
         SELECT 1 FROM pool_file AS named WHERE named.channel_id = @channel AND named.archive_id = @archive
           AND named.path = file.path AND named.until IS NULL)
       ORDER BY file.path
       ON CONFLICT (channel_id, archive_id, path, since) DO NOTHING`,
      { ...at, entered },
    )
  }
}
