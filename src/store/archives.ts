// Archives, their suites and the indexes of those.
import { type IndexKind, type IndexPlace, isStanzaKind } from '../debian/index-kinds.ts'
import type { SuiteIdentity } from '../debian/release.ts'
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { ErrorValue } from '../lib/errors.ts'
import type { Compression } from '../lib/gzip.ts'
import type { Database, Tx } from './database.ts'

export interface Archive {
  readonly id: number
  readonly name: string
  readonly isLocal: boolean
  readonly isConfigured: boolean
}

export interface Suite {
  readonly id: number
  readonly archive: string
  readonly archiveId: number
  readonly isLocal: boolean
  readonly name: string
  readonly release: string | null
  readonly isConfigured: boolean
  readonly seedsItself: boolean
  /** Null until the first adoption. */
  readonly adopted: AdoptedRelease | null
  readonly checkedAt: number | null
  readonly failure: { readonly at: number; readonly error: ErrorValue } | null
}

/** What a suite's Release said when it was adopted last. Times in milliseconds. */
export interface AdoptedRelease {
  readonly identity: SuiteIdentity
  /** That upstream's Release names, in its order; null if it is not known any more. */
  readonly architectures: readonly string[] | null
  readonly date: number
  readonly validUntil: number | null
  readonly fileSha256: Sha256
  readonly signedBy: string
  readonly at: number
}

export interface SuiteIndex {
  readonly id: number
  readonly suiteId: number
  readonly archiveId: number
  readonly archive: string
  readonly suite: string
  readonly release: string | null
  readonly kind: IndexKind
  readonly component: string
  readonly architecture: string
  readonly plainDigest: string | null
  readonly frozenAt: number | null
}

/** A whole file of upstream, among the packs. */
export interface UpstreamFile {
  /** Of the file as it was fetched. */
  readonly sha256: Sha256
  readonly sizeBytes: number
  readonly compression: Compression
  /** Known where the file is passed on as it is. */
  readonly plainSha256: Sha256 | null
  readonly plainBytes: number
}

export interface ContentsState {
  readonly madeAt: number
  /** Of the channel. */
  readonly revision: number
  readonly upstreamSha256: Sha256
}

interface FileRow {
  sha256: Uint8Array
  size_bytes: number
  compression: Compression
  plain_sha256: Uint8Array | null
  plain_bytes: number
}

interface SuiteRow {
  id: number
  archive: string
  archive_id: number
  is_local: number
  name: string
  release: string | null
  is_configured: number
  seeds_itself: number
  identity: string | null
  architectures: string | null
  release_date: number | null
  valid_until: number | null
  release_sha256: Uint8Array | null
  signed_by: string | null
  adopted_at: number | null
  checked_at: number | null
  failed_at: number | null
  failure: string | null
}

interface IndexRow {
  id: number
  suite_id: number
  archive_id: number
  archive: string
  suite: string
  release: string | null
  kind: IndexKind
  component: string
  architecture: string
  plain_digest: string | null
  frozen_at: number | null
}

const suiteColumns = `SELECT suite.*, archive.name AS archive, archive.is_local
  FROM suite JOIN archive ON archive.id = suite.archive_id`
const indexColumns = `SELECT suite_index.*, suite.archive_id, archive.name AS archive, suite.name AS suite, suite.release
  FROM suite_index JOIN suite ON suite.id = suite_index.suite_id JOIN archive ON archive.id = suite.archive_id`

export class Archives {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  list(): Archive[] {
    const rows = this.#db
      .prepare<{ id: number; name: string; is_local: number; is_configured: number }>(
        'SELECT * FROM archive ORDER BY name',
      )
      .all()
    return rows.map((row) => ({
      id: row.id,
      name: row.name,
      isLocal: row.is_local === 1,
      isConfigured: row.is_configured === 1,
    }))
  }

  /** Adds an archive, or takes a known one back into the configuration; its id. */
  configure(tx: Tx, name: string, isLocal: boolean): number {
    tx.run(
      `INSERT INTO archive (name, is_local, is_configured) VALUES (?, ?, 1)
         ON CONFLICT (name) DO UPDATE SET is_configured = 1`,
      name,
      isLocal ? 1 : 0,
    )
    return this.#db.pluck<number>('SELECT id FROM archive WHERE name = ?').get(name)!
  }

  setConfigured(tx: Tx, archiveId: number, isConfigured: boolean): void {
    tx.run('UPDATE archive SET is_configured = ? WHERE id = ?', isConfigured ? 1 : 0, archiveId)
  }

  suites(): Suite[] {
    return this.#db.prepare<SuiteRow>(`${suiteColumns} ORDER BY archive.name, suite.name`).all().map(toSuite)
  }

  suite(id: number): Suite {
    return toSuite(this.#db.prepare<SuiteRow>(`${suiteColumns} WHERE suite.id = ?`).get(id)!)
  }

  findSuite(archive: string, name: string): Suite | null {
    const row = this.#db
      .prepare<SuiteRow>(`${suiteColumns} WHERE archive.name = ? AND suite.name = ?`)
      .get(archive, name)
    return row === undefined ? null : toSuite(row)
  }

  /** Adds a suite, or takes a known one back; `release` null leaves what is known. */
  configureSuite(
    tx: Tx,
    archiveId: number,
    name: string,
    release: string | null,
    seedsItself: boolean,
  ): void {
    tx.run(
      `INSERT INTO suite (archive_id, name, release, is_configured, seeds_itself) VALUES (?, ?, ?, 1, ?)
         ON CONFLICT (archive_id, name) DO UPDATE SET is_configured = 1, release = coalesce(excluded.release, release)`,
      archiveId,
      name,
      release,
      seedsItself ? 1 : 0,
    )
  }

  setSuiteConfigured(tx: Tx, suiteId: number, isConfigured: boolean): void {
    tx.run('UPDATE suite SET is_configured = ? WHERE id = ?', isConfigured ? 1 : 0, suiteId)
  }

  /** Records an adoption; `release` is kept if the suite has one already. */
  recordAdoption(tx: Tx, suiteId: number, adopted: AdoptedRelease, release: string): void {
    tx.run(
      `UPDATE suite SET identity = ?, architectures = ?, release_date = ?, valid_until = ?, release_sha256 = ?, signed_by = ?,
           adopted_at = ?, checked_at = ?, failed_at = NULL, failure = NULL, release = coalesce(release, ?)
         WHERE id = ?`,
      JSON.stringify(adopted.identity),
      adopted.architectures === null ? null : JSON.stringify(adopted.architectures),
      adopted.date,
      adopted.validUntil,
      sha256Bytes(adopted.fileSha256),
      adopted.signedBy,
      adopted.at,
      adopted.at,
      release,
      suiteId,
    )
  }

  /** Upstream showed the Release that we hold: nothing changed, all is well. */
  recordCheck(tx: Tx, suiteId: number, at: number): void {
    tx.run('UPDATE suite SET checked_at = ?, failed_at = NULL, failure = NULL WHERE id = ?', at, suiteId)
  }

  /** The first failure in a row keeps its time. */
  recordFailure(tx: Tx, suiteId: number, at: number, error: ErrorValue): void {
    tx.run(
      'UPDATE suite SET failed_at = coalesce(failed_at, ?), failure = ? WHERE id = ?',
      at,
      JSON.stringify(error),
      suiteId,
    )
  }

  /** The indexes of stanzas that are not dropped. */
  indexes(): SuiteIndex[] {
    return this.allIndexes().filter((index) => isStanzaKind(index.kind))
  }

  /** The indexes of every kind that are not dropped. */
  allIndexes(): SuiteIndex[] {
    return this.#db
      .prepare<IndexRow>(
        `${indexColumns} WHERE dropped_at IS NULL
         ORDER BY archive.name, suite.name, suite_index.component, suite_index.kind, suite_index.architecture`,
      )
      .all()
      .map(toIndex)
  }

  /** The index's id; added, or brought back from the dropped, if need be. */
  ensureIndex(tx: Tx, suiteId: number, { kind, component, architecture }: IndexPlace): number {
    tx.run(
      `INSERT INTO suite_index (suite_id, kind, component, architecture) VALUES (?, ?, ?, ?)
         ON CONFLICT (suite_id, kind, component, architecture) DO UPDATE SET dropped_at = NULL`,
      suiteId,
      kind,
      component,
      architecture,
    )
    return this.#db
      .pluck<number>(
        'SELECT id FROM suite_index WHERE suite_id = ? AND kind = ? AND component = ? AND architecture = ?',
      )
      .get(suiteId, kind, component, architecture)!
  }

  /** What upstream has of an index that is taken over as a file; null if it was not fetched yet. */
  upstreamFile(indexId: number): UpstreamFile | null {
    const row = this.#db.prepare<FileRow>('SELECT * FROM upstream_file WHERE index_id = ?').get(indexId)
    return row === undefined
      ? null
      : {
          sha256: sha256FromBytes(row.sha256),
          sizeBytes: row.size_bytes,
          compression: row.compression,
          plainSha256: row.plain_sha256 === null ? null : sha256FromBytes(row.plain_sha256),
          plainBytes: row.plain_bytes,
        }
  }

  putUpstreamFile(tx: Tx, indexId: number, file: UpstreamFile): void {
    tx.run(
      `INSERT OR REPLACE INTO upstream_file (index_id, sha256, size_bytes, compression, plain_sha256, plain_bytes)
       VALUES (?, ?, ?, ?, ?, ?)`,
      indexId,
      sha256Bytes(file.sha256),
      file.sizeBytes,
      file.compression,
      file.plainSha256 === null ? null : sha256Bytes(file.plainSha256),
      file.plainBytes,
    )
  }

  /** What a channel's Contents were made from; null if they never were. */
  contentsState(channelId: number, indexId: number): ContentsState | null {
    const row = this.#db
      .prepare<{ made_at: number; revision: number; upstream_sha256: Uint8Array }>(
        'SELECT * FROM contents_state WHERE channel_id = ? AND index_id = ?',
      )
      .get(channelId, indexId)
    if (row === undefined) return null
    const { made_at: madeAt, revision } = row
    return { madeAt, revision, upstreamSha256: sha256FromBytes(row.upstream_sha256) }
  }

  recordContents(tx: Tx, channelId: number, indexId: number, state: ContentsState): void {
    tx.run(
      `INSERT OR REPLACE INTO contents_state (channel_id, index_id, made_at, revision, upstream_sha256)
       VALUES (?, ?, ?, ?, ?)`,
      channelId,
      indexId,
      state.madeAt,
      state.revision,
      sha256Bytes(state.upstreamSha256),
    )
  }

  /** The whole files of a suite are fetched again, and what is cut from them is made again. */
  forgetWholeFiles(tx: Tx, suiteId: number): void {
    const indexes = "SELECT id FROM suite_index WHERE suite_id = ? AND kind IN ('icons', 'contents')"
    tx.run(`UPDATE suite_index SET plain_digest = NULL WHERE id IN (${indexes})`, suiteId)
    tx.run(`DELETE FROM contents_state WHERE index_id IN (${indexes})`, suiteId)
  }

  recordIndexDigest(tx: Tx, indexId: number, plainDigest: string): void {
    tx.run('UPDATE suite_index SET plain_digest = ?, frozen_at = NULL WHERE id = ?', plainDigest, indexId)
  }

  /** Back in the configuration. */
  thawIndex(tx: Tx, indexId: number): void {
    tx.run('UPDATE suite_index SET frozen_at = NULL WHERE id = ?', indexId)
  }

  freezeIndex(tx: Tx, indexId: number, at: number): void {
    tx.run(
      'UPDATE suite_index SET frozen_at = coalesce(frozen_at, ?), plain_digest = NULL WHERE id = ?',
      at,
      indexId,
    )
  }

  dropIndex(tx: Tx, indexId: number, at: number): void {
    tx.run('UPDATE suite_index SET dropped_at = ? WHERE id = ?', at, indexId)
  }
}

function toSuite(row: SuiteRow): Suite {
  return {
    id: row.id,
    archive: row.archive,
    archiveId: row.archive_id,
    isLocal: row.is_local === 1,
    name: row.name,
    release: row.release,
    isConfigured: row.is_configured === 1,
    seedsItself: row.seeds_itself === 1,
    adopted:
      row.identity === null
        ? null
        : {
            identity: JSON.parse(row.identity) as SuiteIdentity,
            architectures: row.architectures === null ? null : (JSON.parse(row.architectures) as string[]),
            date: row.release_date!,
            validUntil: row.valid_until,
            fileSha256: sha256FromBytes(row.release_sha256!),
            signedBy: row.signed_by!,
            at: row.adopted_at!,
          },
    checkedAt: row.checked_at,
    failure:
      row.failure === null ? null : { at: row.failed_at!, error: JSON.parse(row.failure) as ErrorValue },
  }
}

function toIndex(row: IndexRow): SuiteIndex {
  return {
    id: row.id,
    suiteId: row.suite_id,
    archiveId: row.archive_id,
    archive: row.archive,
    suite: row.suite,
    release: row.release,
    kind: row.kind,
    component: row.component,
    architecture: row.architecture,
    plainDigest: row.plain_digest,
    frozenAt: row.frozen_at,
  }
}
