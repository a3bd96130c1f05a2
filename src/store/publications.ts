// Publications (generated files of a suite), the envelopes around them, and the heads that are served.
import { type Sha256, sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

export interface PublicationFile {
  /** Relative to the suite's folder. */
  readonly path: string
  readonly sha256: Sha256
  readonly sizeBytes: number
  /** False for the unpacked form of an index, which is listed only. */
  readonly isServed: boolean
}

export interface Envelope {
  readonly channelId: number
  /** Milliseconds, whole seconds. */
  readonly date: number
  readonly validUntil: number | null
  readonly signedBy: string
  readonly inRelease: Buffer
  readonly release: Buffer
  readonly releaseGpg: Buffer
}

/** What a channel serves of a suite now. */
export interface Head {
  readonly channelId: number
  readonly suiteId: number
  readonly publicationId: number
  readonly date: number
  readonly validUntil: number | null
  readonly signedBy: string
}

interface FileRow {
  path: string
  sha256: Uint8Array
  size_bytes: number
  is_served: number
}

interface EnvelopeRow {
  date: number
  signed_by: string
  in_release: Uint8Array
  release: Uint8Array
  release_gpg: Uint8Array
}

interface HeadRow {
  channel_id: number
  suite_id: number
  publication_id: number
  date: number
  valid_until: number | null
  signed_by: string
}

export class Publications {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Adds a publication, or finds the one with the very same Release body; its id. */
  ensure(tx: Tx, suiteId: number, body: string, files: readonly PublicationFile[]): number {
    const digest = sha256Bytes(sha256(body))
    const find = this.#db.pluck<number>('SELECT id FROM publication WHERE suite_id = ? AND digest = ?')
    const known = find.get(suiteId, digest)
    if (known !== undefined) return known
    const id = Number(
      tx.run('INSERT INTO publication (suite_id, digest, body) VALUES (?, ?, ?)', suiteId, digest, body)
        .lastInsertRowid,
    )
    for (const file of files) {
      tx.run(
        'INSERT INTO publication_file (publication_id, path, sha256, size_bytes, is_served) VALUES (?, ?, ?, ?, ?)',
        id,
        file.path,
        sha256Bytes(file.sha256),
        file.sizeBytes,
        file.isServed ? 1 : 0,
      )
    }
    return id
  }

  /** Its Release without dates. */
  body(id: number): string {
    return this.#db.pluck<string>('SELECT body FROM publication WHERE id = ?').get(id)!
  }

  files(publicationId: number): PublicationFile[] {
    return this.#db
      .prepare<FileRow>('SELECT * FROM publication_file WHERE publication_id = ? ORDER BY path')
      .all(publicationId)
      .map((row) => ({
        path: row.path,
        sha256: sha256FromBytes(row.sha256),
        sizeBytes: row.size_bytes,
        isServed: row.is_served === 1,
      }))
  }

  /** From `revision` on the channel has this publication of the suite (null: none). */
  publish(tx: Tx, channelId: number, suiteId: number, revision: number, publicationId: number | null): void {
    tx.run(
      'UPDATE published SET until = ? WHERE channel_id = ? AND suite_id = ? AND until IS NULL',
      revision,
      channelId,
      suiteId,
    )
    if (publicationId === null) {
      tx.run('DELETE FROM head WHERE channel_id = ? AND suite_id = ?', channelId, suiteId)
      return
    }
    tx.run(
      `INSERT INTO published (channel_id, suite_id, since, publication_id) VALUES (?, ?, ?, ?)
       ON CONFLICT (channel_id, suite_id, since) DO UPDATE SET until = NULL, publication_id = excluded.publication_id`,
      channelId,
      suiteId,
      revision,
      publicationId,
    )
  }

  /** Puts an envelope in front: from now on it is what clients get. */
  setHead(tx: Tx, suiteId: number, publicationId: number, envelope: Envelope): void {
    const id = tx.run(
      `INSERT INTO envelope (channel_id, publication_id, date, valid_until, signed_by, in_release, release, release_gpg)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      envelope.channelId,
      publicationId,
      envelope.date,
      envelope.validUntil,
      envelope.signedBy,
      envelope.inRelease,
      envelope.release,
      envelope.releaseGpg,
    ).lastInsertRowid
    this.#recordDate(tx, envelope.channelId, suiteId, envelope.date)
    tx.run(
      `INSERT INTO head (channel_id, suite_id, envelope_id) VALUES (?, ?, ?)
       ON CONFLICT (channel_id, suite_id) DO UPDATE SET envelope_id = excluded.envelope_id`,
      envelope.channelId,
      suiteId,
      id,
    )
  }

  heads(): Head[] {
    return this.#db
      .prepare<HeadRow>(
        `SELECT head.channel_id, head.suite_id, envelope.publication_id, envelope.date, envelope.valid_until,
           envelope.signed_by
         FROM head JOIN envelope ON envelope.id = head.envelope_id`,
      )
      .all()
      .map((row) => ({
        channelId: row.channel_id,
        suiteId: row.suite_id,
        publicationId: row.publication_id,
        date: row.date,
        validUntil: row.valid_until,
        signedBy: row.signed_by,
      }))
  }

  /** The signed files of a head. */
  envelopeOf(channelId: number, suiteId: number): Pick<Envelope, 'inRelease' | 'release' | 'releaseGpg'> {
    const row = this.#db
      .prepare<{ in_release: Uint8Array; release: Uint8Array; release_gpg: Uint8Array }>(
        `SELECT in_release, release, release_gpg FROM head JOIN envelope ON envelope.id = head.envelope_id
         WHERE head.channel_id = ? AND head.suite_id = ?`,
      )
      .get(channelId, suiteId)!
    return {
      inRelease: Buffer.from(row.in_release),
      release: Buffer.from(row.release),
      releaseGpg: Buffer.from(row.release_gpg),
    }
  }

  #recordDate(tx: Tx, channelId: number, suiteId: number, date: number): void {
    tx.run(
      `INSERT INTO last_date (channel_id, suite_id, date) VALUES (?, ?, ?)
       ON CONFLICT (channel_id, suite_id) DO UPDATE SET date = max(last_date.date, excluded.date)`,
      channelId,
      suiteId,
      date,
    )
  }

  /** The newest Date that a channel ever gave a suite; clients ignore an older one silently. */
  lastDate(channelId: number, suiteId: number): number | null {
    return (
      this.#db
        .pluck<number>('SELECT date FROM last_date WHERE channel_id = ? AND suite_id = ?')
        .get(channelId, suiteId) ?? null
    )
  }

  /** How many suites' newest Dates are after a time. */
  datesAfter(time: number): number {
    return this.#db.pluck<number>('SELECT count(*) FROM last_date WHERE date > ?').get(time)!
  }

  /** Dates ahead of `now` count no more: a wrong clock gave them. How many there were. */
  forgetDatesAfter(tx: Tx, now: number): number {
    return tx.run('UPDATE last_date SET date = ? WHERE date > ?', now - 61_000, now).changes
  }

  /** The publications that a channel had at a revision. */
  at(channelId: number, revision: number): { suiteId: number; publicationId: number }[] {
    return this.#db
      .prepare<{ suiteId: number; publicationId: number }>(
        `SELECT suite_id AS suiteId, publication_id AS publicationId FROM published
         WHERE channel_id = ? AND since <= ? AND (until IS NULL OR until > ?)`,
      )
      .all(channelId, revision, revision)
  }

  /** The signed files around a publication on snapshot URLs; null if they were not made yet. */
  snapshotEnvelope(channelId: number, publicationId: number): Omit<Envelope, 'validUntil'> | null {
    const row = this.#db
      .prepare<EnvelopeRow>('SELECT * FROM snapshot_envelope WHERE channel_id = ? AND publication_id = ?')
      .get(channelId, publicationId)
    return row === undefined
      ? null
      : {
          channelId,
          date: row.date,
          signedBy: row.signed_by,
          inRelease: Buffer.from(row.in_release),
          release: Buffer.from(row.release),
          releaseGpg: Buffer.from(row.release_gpg),
        }
  }

  putSnapshotEnvelope(tx: Tx, publicationId: number, envelope: Omit<Envelope, 'validUntil'>): void {
    tx.run(
      `INSERT OR REPLACE INTO snapshot_envelope
         (channel_id, publication_id, date, signed_by, in_release, release, release_gpg)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      envelope.channelId,
      publicationId,
      envelope.date,
      envelope.signedBy,
      envelope.inRelease,
      envelope.release,
      envelope.releaseGpg,
    )
  }

  /** The publications that a channel had at `revision` or later, the present ones included. */
  since(channelId: number, revision: number): { suiteId: number; publicationId: number }[] {
    return this.#db
      .prepare<{ suite_id: number; publication_id: number }>(
        `SELECT DISTINCT suite_id, publication_id FROM published
         WHERE channel_id = ? AND (until IS NULL OR until > ?)`,
      )
      .all(channelId, revision)
      .map((row) => ({ suiteId: row.suite_id, publicationId: row.publication_id }))
  }
}
