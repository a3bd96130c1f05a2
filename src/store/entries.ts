// Entries that go with packages (translations, command lists, AppStream metadata), and the packages they go with.
import type { Database } from './database.ts'
import { type RecordKind, recordKind } from './records.ts'

/** An entry that goes with a package. */
export interface Entry {
  readonly id: number
  /** Empty for the head of an index. */
  readonly name: string
  /** Of a translation; else empty. */
  readonly key: string
}

export interface PastEntry extends Entry {
  /** The revision at which it was given up. */
  readonly until: number
}

function withHead(names: readonly string[] | null): readonly string[] | null {
  return names === null ? null : ['', ...names]
}

export interface DescribedPackage {
  readonly id: number
  readonly name: string
  readonly descriptionMd5: string | null
}

export class Entries {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** The names of packages, with the keys of their descriptions. */
  describedRecords(ids: readonly number[]): DescribedPackage[] {
    return this.#db
      .prepare<DescribedPackage>(
        `SELECT record.id, record.name, record.description_md5 AS descriptionMd5
         FROM json_each(?) CROSS JOIN record ON record.id = json_each.value`,
      )
      .all(JSON.stringify(ids))
  }

  /** The packages visible now, of some names or of all, with the keys of their descriptions. */
  describedPackages(viewId: number, names: readonly string[] | null): DescribedPackage[] {
    return this.#ofNames<DescribedPackage>(
      'record.id, record.name, record.description_md5 AS descriptionMd5',
      viewId,
      'packages',
      names,
      'member.until IS NULL',
    )
  }

  /** The entries visible now, of some names or of all; the head of an index among them. */
  visible(viewId: number, kind: RecordKind, names: readonly string[] | null): Entry[] {
    const columns = 'record.id, record.name, record.version AS key'
    return this.#ofNames<Entry>(columns, viewId, kind, withHead(names), 'member.until IS NULL')
  }

  /** The entries that were visible once; one may be so again. */
  past(viewId: number, kind: RecordKind, names: readonly string[] | null): PastEntry[] {
    const columns = 'record.id, record.name, record.version AS key, member.until'
    return this.#ofNames<PastEntry>(columns, viewId, kind, withHead(names), 'member.until IS NOT NULL')
  }

  #ofNames<R>(
    columns: string,
    viewId: number,
    kind: RecordKind,
    names: readonly string[] | null,
    condition: string,
  ): R[] {
    if (names === null) {
      return this.#db
        .prepare<R>(
          `SELECT ${columns} FROM member CROSS JOIN record ON record.id = member.record_id
           WHERE member.view_id = ? AND ${condition}`,
        )
        .all(viewId)
    }
    return this.#db
      .prepare<R>(
        `SELECT ${columns} FROM json_each(?) AS wanted
         CROSS JOIN record ON record.kind = ? AND record.name = wanted.value
         CROSS JOIN member ON member.view_id = ? AND member.record_id = record.id AND ${condition}`,
      )
      .all(JSON.stringify(names), recordKind(kind), viewId)
  }
}
