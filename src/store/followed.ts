// On a slave: the channels that it follows, and what went wrong with them.
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { ErrorValue } from '../lib/errors.ts'
import type { Database, Tx } from './database.ts'

/** How a channel is served, as its master says. */
export interface FollowedChannel {
  readonly channelId: number
  readonly keepSeconds: number
  readonly validForSeconds: number | null
  readonly archives: readonly FollowedArchive[]
  /** When the master last had nothing newer; by the master's clock. */
  readonly checkedAt: number | null
}

/** What the master says of an archive. */
export interface FollowedArchive {
  readonly name: string
  /** Who may have its files; null: everybody. */
  readonly access: FollowedAccess | null
  /** Where its package files can be had if the master is away. */
  readonly uris: readonly { readonly uri: string; readonly architectures: readonly string[] | null }[]
}

/** Networks, and digests of tokens. `closed`: a rule that was not understood, which lets nobody in. */
export type FollowedAccess =
  | { readonly networks: readonly string[]; readonly tokens: readonly Sha256[] }
  | 'closed'

export interface SyncFailure {
  /** Empty: of the way to the master itself. */
  readonly channel: string
  /** The first in a row. */
  readonly failedAt: number
  readonly error: ErrorValue
  /** Null while it lasts. */
  readonly resolvedAt: number | null
}

/** A package file that is to be fetched before anybody asks. */
export interface WantedFile {
  readonly channelId: number
  readonly archiveId: number
  readonly path: string
  readonly sha256: Sha256
  readonly sizeBytes: number
}

/** What a version wrote that knew no rules says nothing of them. */
function readArchives(text: string): FollowedArchive[] {
  const archives = JSON.parse(text) as (Omit<FollowedArchive, 'access'> & Partial<FollowedArchive>)[]
  return archives.map((archive) => ({ ...archive, access: archive.access ?? null }))
}

export class Followed {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  find(channelId: number): FollowedChannel | null {
    const row = this.#db
      .prepare<{
        keep_seconds: number
        valid_for_seconds: number | null
        archives: string
        checked_at: number | null
      }>('SELECT * FROM followed_channel WHERE channel_id = ?')
      .get(channelId)
    return row === undefined
      ? null
      : {
          channelId,
          keepSeconds: row.keep_seconds,
          validForSeconds: row.valid_for_seconds,
          archives: readArchives(row.archives),
          checkedAt: row.checked_at,
        }
  }

  /** Whether an archive is not for everybody. */
  isRestricted(channelId: number, archive: string): boolean {
    const known = this.find(channelId)?.archives.find(({ name }) => name === archive)
    return known !== undefined && known.access !== null
  }

  put(tx: Tx, channel: Omit<FollowedChannel, 'checkedAt'>): void {
    tx.run(
      `INSERT INTO followed_channel (channel_id, keep_seconds, valid_for_seconds, archives) VALUES (?, ?, ?, ?)
       ON CONFLICT (channel_id) DO UPDATE SET keep_seconds = excluded.keep_seconds,
         valid_for_seconds = excluded.valid_for_seconds, archives = excluded.archives`,
      channel.channelId,
      channel.keepSeconds,
      channel.validForSeconds,
      JSON.stringify(channel.archives),
    )
  }

  recordCheck(tx: Tx, channelId: number, at: number): void {
    tx.run(
      'UPDATE followed_channel SET checked_at = max(coalesce(checked_at, 0), ?) WHERE channel_id = ?',
      at,
      channelId,
    )
  }

  failures(): SyncFailure[] {
    return this.#db
      .prepare<{ channel: string; failed_at: number; failure: string; resolved_at: number | null }>(
        'SELECT * FROM sync_failure ORDER BY channel',
      )
      .all()
      .map((row) => ({
        channel: row.channel,
        failedAt: row.failed_at,
        error: JSON.parse(row.failure) as ErrorValue,
        resolvedAt: row.resolved_at,
      }))
  }

  /** The first of several in a row keeps its time. */
  recordFailure(tx: Tx, channel: string, at: number, error: ErrorValue): void {
    tx.run(
      `INSERT INTO sync_failure (channel, failed_at, failure) VALUES (?, ?, ?)
       ON CONFLICT (channel) DO UPDATE SET failure = excluded.failure, resolved_at = NULL,
         failed_at = CASE WHEN resolved_at IS NULL THEN failed_at ELSE excluded.failed_at END`,
      channel,
      at,
      JSON.stringify(error),
    )
  }

  /** It works again. */
  resolveFailure(tx: Tx, channel: string, at: number): void {
    tx.run('UPDATE sync_failure SET resolved_at = ? WHERE channel = ? AND resolved_at IS NULL', at, channel)
  }

  want(tx: Tx, { channelId, archiveId, path, sha256, sizeBytes }: WantedFile): void {
    tx.run(
      'INSERT OR REPLACE INTO wanted_file (channel_id, archive_id, path, sha256, size_bytes) VALUES (?, ?, ?, ?, ?)',
      channelId,
      archiveId,
      path,
      sha256Bytes(sha256),
      sizeBytes,
    )
  }

  wanted(): WantedFile[] {
    return this.#db
      .prepare<{
        channel_id: number
        archive_id: number
        path: string
        sha256: Uint8Array
        size_bytes: number
      }>('SELECT * FROM wanted_file ORDER BY size_bytes')
      .all()
      .map((row) => ({
        channelId: row.channel_id,
        archiveId: row.archive_id,
        path: row.path,
        sha256: sha256FromBytes(row.sha256),
        sizeBytes: row.size_bytes,
      }))
  }

  /** It is here, or will not come. */
  unwant(tx: Tx, { channelId, archiveId, path, sha256 }: WantedFile): void {
    tx.run(
      'DELETE FROM wanted_file WHERE channel_id = ? AND archive_id = ? AND path = ? AND sha256 = ?',
      channelId,
      archiveId,
      path,
      sha256Bytes(sha256),
    )
  }

  /** What the channel does not name any more is not fetched for it. */
  forgetGone(tx: Tx, channelId: number): void {
    tx.run(
      `DELETE FROM wanted_file WHERE channel_id = ? AND NOT EXISTS (
         SELECT 1 FROM pool_file WHERE pool_file.channel_id = wanted_file.channel_id
           AND pool_file.archive_id = wanted_file.archive_id AND pool_file.path = wanted_file.path
           AND pool_file.until IS NULL AND pool_file.sha256 = wanted_file.sha256)`,
      channelId,
    )
  }
}
