// What channels showed at earlier times: when versions came and went.
import { type Sha256, sha256FromBytes } from '../lib/digest.ts'
import type { Database } from './database.ts'
import { now } from './views.ts'

export class History {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** The first revision at which a channel showed a version of a source, in an archive; null if it never did. */
  firstRevisionOf(
    channelId: number,
    archiveId: number,
    source: string,
    sourceVersion: string,
  ): number | null {
    return (
      this.#db
        .pluck<number | null>(
          `SELECT min(member.since)
           FROM record
           CROSS JOIN view ON view.channel_id = ?
           CROSS JOIN suite_index ON suite_index.id = view.index_id
           CROSS JOIN suite ON suite.id = suite_index.suite_id AND suite.archive_id = ?
           CROSS JOIN member ON member.view_id = view.id AND member.record_id = record.id
           WHERE record.source = ? AND record.source_version = ?`,
        )
        .get(channelId, archiveId, source, sourceVersion) ?? null
    )
  }

  /** For each file of a version of a source the first revision at which a channel showed it, in an archive. */
  firstRevisionsOfFiles(
    channelId: number,
    archiveId: number,
    source: string,
    sourceVersion: string,
  ): Map<Sha256, number> {
    const rows = this.#db
      .prepare<{ sha256: Uint8Array; revision: number }>(
        `SELECT record.sha256 AS sha256, min(member.since) AS revision
         FROM record
         CROSS JOIN view ON view.channel_id = ?
         CROSS JOIN suite_index ON suite_index.id = view.index_id
         CROSS JOIN suite ON suite.id = suite_index.suite_id AND suite.archive_id = ?
         CROSS JOIN member ON member.view_id = view.id AND member.record_id = record.id
         WHERE record.source = ? AND record.source_version = ?
         GROUP BY record.sha256`,
      )
      .all(channelId, archiveId, source, sourceVersion)
    return new Map(rows.map(({ sha256, revision }) => [sha256FromBytes(sha256), revision]))
  }

  /** The revision since which a channel does not show all of some stanzas any more; null if it shows, or showed, none. */
  goneSince(
    channelId: number,
    stanzas: readonly { readonly id: number; readonly indexId: number }[],
  ): number | null {
    const statement = this.#db.pluck<number | null>(
      `SELECT max(member.until) FROM view
       CROSS JOIN member ON member.view_id = view.id AND member.record_id = ?
       WHERE view.channel_id = ? AND view.index_id = ?`,
    )
    const revisions = stanzas.flatMap(({ id, indexId }) => statement.get(id, channelId, indexId) ?? [])
    return revisions.length === 0 ? null : Math.max(...revisions)
  }

  /** The versions of a source that a channel showed in a security suite of an archive, and when first. */
  securityVersions(
    channelId: number,
    archiveId: number,
    source: string,
    since: number,
  ): { version: string; revision: number }[] {
    return this.#db
      .prepare<{ version: string; revision: number }>(
        `SELECT record.source_version AS version, min(member.since) AS revision
         FROM record
         CROSS JOIN view ON view.channel_id = ?
         CROSS JOIN suite_index ON suite_index.id = view.index_id
         CROSS JOIN suite ON suite.id = suite_index.suite_id AND suite.archive_id = ? 
           AND (suite.name LIKE '%-security' OR suite.name LIKE '%/security')
         CROSS JOIN member ON member.view_id = view.id AND member.record_id = record.id
         WHERE record.source = ? AND (member.until IS NULL OR member.until > ?)
         GROUP BY record.source_version`,
      )
      .all(channelId, archiveId, source, since)
  }

  /** The versions of a source that a channel showed at some time after a revision and does not show now, and when last. */
  supersededOf(channelId: number, source: string, since: number): { version: string; revision: number }[] {
    return this.#db
      .prepare<{ version: string; revision: number }>(
        `SELECT record.source_version AS version, max(coalesce(member.until - 1, ${now})) AS revision
         FROM record
         CROSS JOIN view ON view.channel_id = ?
         CROSS JOIN member ON member.view_id = view.id AND member.record_id = record.id
         WHERE record.source = ?
         GROUP BY record.source_version HAVING revision < ${now} AND revision >= ?`,
      )
      .all(channelId, source, since)
  }

  /** The last revision at which a channel showed a version of a source; null if it never did. */
  lastRevisionOf(channelId: number, source: string, sourceVersion: string): number | null {
    return (
      this.#db
        .pluck<number | null>(
          `SELECT max(coalesce(member.until - 1, ${now}))
           FROM record
           CROSS JOIN view ON view.channel_id = ?
           CROSS JOIN member ON member.view_id = view.id AND member.record_id = record.id
           WHERE record.source = ? AND record.source_version = ?`,
        )
        .get(channelId, source, sourceVersion) ?? null
    )
  }
}
