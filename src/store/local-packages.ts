// What people uploaded: which bytes a name and version means, which files must stay, which .changes were accepted.
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

/** A package by what tells it from all others. */
export interface PackageIdentity {
  readonly name: string
  readonly version: string
  readonly architecture: string
}

export interface LocalPackage extends PackageIdentity {
  readonly archiveId: number
  readonly sha256: Sha256
  /** Below the archive. */
  readonly path: string
}

export interface AcceptedChanges {
  readonly archiveId: number
  /** Of the signed text. */
  readonly textSha256: Sha256
  /** The primary key's fingerprint. */
  readonly signedBy: string
  readonly source: string
  readonly version: string
}

interface PackageRow {
  archive_id: number
  name: string
  version: string
  architecture: string
  sha256: Uint8Array
  path: string
}

export class LocalPackages {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** From now on the file is not evicted. To be called before it comes. */
  keep(tx: Tx, sha256: Sha256, sizeBytes: number, at: number): void {
    tx.run(
      'INSERT INTO kept_file (sha256, size_bytes, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
      sha256Bytes(sha256),
      sizeBytes,
      at,
    )
  }

  /** Who added what stands at these paths of an archive. */
  uploadersOf(archiveId: number, paths: readonly string[]): string[] {
    return this.#db
      .pluck<string>(
        `SELECT DISTINCT added_by FROM local_package
         WHERE archive_id = ? AND path IN (SELECT value FROM json_each(?)) ORDER BY added_by`,
      )
      .all(archiveId, JSON.stringify(paths))
  }

  /** Must the file stay, because nobody else has it? */
  isKept(sha256: Sha256): boolean {
    const found = this.#db.pluck<number>('SELECT 1 FROM kept_file WHERE sha256 = ?').get(sha256Bytes(sha256))
    return found !== undefined
  }

  /** The files of all packages that were ever added. */
  files(): Sha256[] {
    return this.#db
      .pluck<Uint8Array>('SELECT DISTINCT sha256 FROM local_package ORDER BY sha256')
      .all()
      .map(sha256FromBytes)
  }

  /** Lets go what was kept for an addition that never came about; `before` spares those under way. */
  forgetOrphans(tx: Tx, before: number): void {
    tx.run('DELETE FROM kept_file WHERE at < ? AND sha256 NOT IN (SELECT sha256 FROM local_package)', before)
  }

  find(archiveId: number, { name, version, architecture }: PackageIdentity): LocalPackage | null {
    return this.#one(
      'SELECT * FROM local_package WHERE archive_id = ? AND name = ? AND version = ? AND architecture = ?',
      archiveId,
      name,
      version,
      architecture,
    )
  }

  findPath(archiveId: number, path: string): LocalPackage | null {
    return this.#one('SELECT * FROM local_package WHERE archive_id = ? AND path = ?', archiveId, path)
  }

  #one(query: string, ...values: readonly (string | number)[]): LocalPackage | null {
    const row = this.#db.prepare<PackageRow>(query).get(...values)
    if (row === undefined) return null
    const { name, version, architecture, path } = row
    return {
      archiveId: row.archive_id,
      name,
      version,
      architecture,
      path,
      sha256: sha256FromBytes(row.sha256),
    }
  }

  /** Fixes what a name, version and architecture means. */
  add(tx: Tx, one: LocalPackage, at: number, by: string): void {
    tx.run(
      `INSERT INTO local_package (archive_id, name, version, architecture, sha256, path, added_at, added_by)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      one.archiveId,
      one.name,
      one.version,
      one.architecture,
      sha256Bytes(one.sha256),
      one.path,
      at,
      by,
    )
  }

  /** When an archive accepted a .changes of this text; null if it never did. */
  acceptedAt(archiveId: number, textSha256: Sha256): number | null {
    const at = this.#db
      .pluck<number>('SELECT at FROM accepted_changes WHERE archive_id = ? AND text_sha256 = ?')
      .get(archiveId, sha256Bytes(textSha256))
    return at ?? null
  }

  accept(tx: Tx, changes: AcceptedChanges, at: number): void {
    tx.run(
      `INSERT INTO accepted_changes (archive_id, text_sha256, at, signed_by, source, version)
       VALUES (?, ?, ?, ?, ?, ?)`,
      changes.archiveId,
      sha256Bytes(changes.textSha256),
      at,
      changes.signedBy,
      changes.source,
      changes.version,
    )
  }
}
