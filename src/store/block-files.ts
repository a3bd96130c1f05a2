// The package files that blocks of indexes name, and the pool files of channels by them. For slaves: they have the texts
// of their master's indexes, and no records.
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

export interface BlockFile {
  /** Below the archive. */
  readonly path: string
  /** Package and architecture: by it versions of the same are known. */
  readonly name: string
  readonly sha256: Sha256
  readonly sizeBytes: number
}

/** What became of the texts of an archive in a channel, as blocks. */
export interface BlockChange {
  readonly entered: readonly number[]
  readonly left: readonly number[]
  /** All blocks that there are now. */
  readonly present: readonly number[]
}

interface FileRow {
  path: string
  name: string
  sha256: Uint8Array
  size_bytes: number
}

export class BlockFiles {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  put(tx: Tx, blockId: number, files: readonly BlockFile[]): void {
    const insert = tx.runner(
      `INSERT INTO block_file (block_id, path, name, sha256, size_bytes) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO NOTHING`,
    )
    for (const { path, name, sha256, sizeBytes } of files)
      insert(blockId, path, name, sha256Bytes(sha256), sizeBytes)
  }

  /** The files that blocks name. */
  of(blockIds: readonly number[]): BlockFile[] {
    return this.#db
      .prepare<FileRow>(
        `SELECT block_file.* FROM json_each(?) CROSS JOIN block_file ON block_file.block_id = json_each.value`,
      )
      .all(JSON.stringify(blockIds))
      .map((row) => ({
        path: row.path,
        name: row.name,
        sha256: sha256FromBytes(row.sha256),
        sizeBytes: row.size_bytes,
      }))
  }

  /** Brings the pool files of a channel to what the blocks of an archive name from `revision` on. */
  follow(tx: Tx, channelId: number, archiveId: number, revision: number, change: BlockChange): void {
    const at = { channel: channelId, archive: archiveId, revision }
    const entered = JSON.stringify(change.entered)
    const left = JSON.stringify(change.left)
    const present = JSON.stringify(change.present)
    tx.run(
      `UPDATE pool_file SET until = @revision WHERE channel_id = @channel AND archive_id = @archive AND until IS NULL
         AND path IN (
           SELECT gone.path FROM json_each(@left) CROSS JOIN block_file AS gone ON gone.block_id = json_each.value
           WHERE NOT EXISTS (
             SELECT 1 FROM block_file AS stays WHERE stays.path = gone.path
               AND stays.block_id IN (SELECT value FROM json_each(@present))))`,
      { ...at, left, present },
    )
    tx.run(
      `UPDATE pool_file SET until = @revision WHERE channel_id = @channel AND archive_id = @archive AND until IS NULL
         AND (path, sha256) IN (
           SELECT named.path, named.sha256 FROM json_each(@entered)
           CROSS JOIN block_file AS file ON file.block_id = json_each.value
           CROSS JOIN pool_file AS named ON named.channel_id = @channel AND named.archive_id = @archive
             AND named.path = file.path AND named.until IS NULL
           WHERE named.sha256 <> file.sha256)`,
      { ...at, entered },
    )
    tx.run(
      `INSERT INTO pool_file (channel_id, archive_id, path, since, sha256, size_bytes)
       SELECT @channel, @archive, file.path, @revision, file.sha256, file.size_bytes
       FROM json_each(@entered) CROSS JOIN block_file AS file ON file.block_id = json_each.value
       WHERE NOT EXISTS (
         SELECT 1 FROM pool_file AS named WHERE named.channel_id = @channel AND named.archive_id = @archive
           AND named.path = file.path AND named.until IS NULL)
       ORDER BY file.path
       ON CONFLICT (channel_id, archive_id, path, since) DO NOTHING`,
      { ...at, entered },
    )
  }
}
