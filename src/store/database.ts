// The catalogue's SQLite file: opening, migrating, and the only way to write. No SQL of the domain here.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import Sqlite from 'better-sqlite3'
import type { Disk } from '../lib/disk.ts'
import { systemCode, UusError } from '../lib/errors.ts'

declare const txBrand: unique symbol

/** A write transaction: the only way to change a row. Only `Database.write` hands it out. */
export interface Tx {
  readonly [txBrand]: true
  run(sql: string, ...values: Value[] | [NamedValues]): RunResult
  /** The same for very many calls: what `run` does, without looking the statement up each time. */
  runner(sql: string): (...values: Value[]) => RunResult
}

export interface RunResult {
  readonly changes: number
  readonly lastInsertRowid: number | bigint
}

export type Value = string | number | bigint | Uint8Array | null

/** Values by name, for statements that use one several times (`@name`). */
export type NamedValues = Readonly<Record<string, Value>>

/** A prepared statement; `R` is the shape of its rows. */
export interface Statement<R> {
  get(...values: Value[]): R | undefined
  all(...values: Value[]): R[]
  iterate(...values: Value[]): IterableIterator<R>
}

const migrationsFolder = join(import.meta.dirname, 'migrations')
const busyTimeoutMs = 10_000
const checkpointDelayMs = 3000

/**
 * One connection. Methods are synchronous; a transaction cannot contain an `await`. There is one writing
 * connection in the whole system (the jobs process), and readers never wait for it (WAL).
 */
export class Database implements Disposable {
  readonly #sqlite: Sqlite.Database
  readonly #step: Disk['step']
  readonly #statements = new Map<string, Sqlite.Statement>()
  readonly #tx: Tx
  #checkpoint: NodeJS.Timeout | null = null

  private constructor(sqlite: Sqlite.Database, step: Disk['step']) {
    this.#sqlite = sqlite
    this.#step = step
    this.#tx = {
      run: (sql, ...values) => this.#run(this.#prepared(sql), values),
      runner: (sql) => {
        const statement = this.#prepared(sql)
        return (...values) => this.#run(statement, values)
      },
    } as Tx
  }

  /** Opens for writing, creating and migrating the file as needed. DATA_UNUSABLE, DATA_TOO_NEW. */
  static openWriter(path: string, disk: Pick<Disk, 'step'>): Database {
    const sqlite = open(path, {})
    try {
      // 16 KiB pages hold a dozen stanzas each: a fifth less time for the first adoption of a full suite.
      sqlite.pragma('page_size = 16384')
      sqlite.pragma('journal_mode = WAL')
      sqlite.pragma('synchronous = FULL')
      sqlite.pragma('wal_autocheckpoint = 0')
      sqlite.pragma('cache_size = -16384')
      sqlite.pragma('temp_store = MEMORY')
      // A migration may rebuild a table that others refer to.
      sqlite.pragma('foreign_keys = OFF')
      migrate(sqlite, path)
      sqlite.pragma('foreign_keys = ON')
    } catch (error) {
      sqlite.close()
      throw unusable(path, error)
    }
    return new Database(sqlite, (name) => disk.step(name))
  }

  /** Opens an existing file for reading. */
  static openReader(path: string): Database {
    const sqlite = open(path, { readonly: true, fileMustExist: true })
    try {
      refuseOtherVersion(sqlite, path)
      sqlite.pragma('cache_size = -16384')
    } catch (error) {
      sqlite.close()
      throw unusable(path, error)
    }
    return new Database(sqlite, () => {})
  }

  #run(statement: Sqlite.Statement, values: readonly unknown[]): RunResult {
    this.#step('statement')
    return statement.run(...values)
  }

  /** A statement, prepared once per connection. */
  prepare<R>(sql: string): Statement<R> {
    return this.#prepared(sql) as unknown as Statement<R>
  }

  /** A statement of one column, whose rows are that column's values. */
  pluck<V>(sql: string): Statement<V> {
    const key = `pluck ${sql}`
    let statement = this.#statements.get(key)
    if (statement === undefined) {
      statement = this.#sqlite.prepare(sql).pluck()
      this.#statements.set(key, statement)
    }
    return statement as unknown as Statement<V>
  }

  #prepared(sql: string): Sqlite.Statement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#sqlite.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  /**
   * Runs `change` in one immediate transaction. What it did is durable when `write` returns; if it throws,
   * nothing happened. A `preliminary` one (rows that do no harm if nothing refers to them) becomes durable with the
   * next that is not: the write-ahead log is synced as a whole.
   */
  write<T>(change: (tx: Tx) => T, options: { preliminary?: boolean } = {}): T {
    const isPreliminary = options.preliminary === true
    this.#sqlite.pragma(`synchronous = ${isPreliminary ? 'NORMAL' : 'FULL'}`)
    this.#step('begin')
    this.#sqlite.exec('BEGIN IMMEDIATE')
    let result: T
    try {
      result = change(this.#tx)
      this.#step('commit')
      this.#sqlite.exec('COMMIT')
    } catch (error) {
      if (this.#sqlite.inTransaction) this.#sqlite.exec('ROLLBACK')
      throw unusable(this.#sqlite.name, error)
    }
    this.#step('committed')
    if (!isPreliminary) this.#checkpointSoon()
    return result
  }

  /** Grows with every row that this connection changes; equal means that nothing did. */
  changeCount(): number {
    return this.pluck<number>('SELECT total_changes()').get()!
  }

  /** Copies everything as it is at one moment to a new file, while others read and write. */
  async backUp(path: string): Promise<void> {
    await this.#sqlite.backup(path)
  }

  /** What is wrong with the file itself; empty if nothing is. */
  check(): string[] {
    const rows = this.#sqlite.pragma('quick_check') as { quick_check: string }[]
    return rows.map((row) => row.quick_check).filter((message) => message !== 'ok')
  }

  /** The commit is durable in the write-ahead log; moving it into the database can wait for a pause. */
  #checkpointSoon(): void {
    if (this.#checkpoint !== null) return
    this.#checkpoint = setTimeout(() => {
      this.#checkpoint = null
      this.#sqlite.pragma('wal_checkpoint(TRUNCATE)')
    }, checkpointDelayMs)
    this.#checkpoint.unref()
  }

  /** Runs several reads on one state of the database. */
  read<T>(query: () => T): T {
    if (this.#sqlite.inTransaction) return query()
    this.#sqlite.exec('BEGIN')
    try {
      return query()
    } catch (error) {
      throw unusable(this.#sqlite.name, error)
    } finally {
      this.#sqlite.exec('COMMIT')
    }
  }

  /** SQLite's plan for each statement that was used so far, for tests that assert them. */
  plans(): { sql: string; plan: string[] }[] {
    return [...this.#statements.keys()].map((key) => {
      const sql = key.replace(/^pluck /, '')
      const named = Object.fromEntries([...sql.matchAll(/@(\w+)/g)].map(([, name]) => [name, null]))
      const values = Object.keys(named).length > 0 ? [named] : [...sql.matchAll(/\?/g)].map(() => null)
      const rows = this.#sqlite.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values) as { detail: string }[]
      return { sql, plan: rows.map((row) => row.detail) }
    })
  }

  [Symbol.dispose](): void {
    if (this.#checkpoint !== null) clearTimeout(this.#checkpoint)
    this.#sqlite.close()
  }
}

function open(path: string, options: Sqlite.Options): Sqlite.Database {
  try {
    return new Sqlite(path, { timeout: busyTimeoutMs, ...options })
  } catch (error) {
    // The library itself refuses a folder that does not exist, with a TypeError.
    throw unusable(
      path,
      error instanceof TypeError ? Object.assign(error, { code: 'SQLITE_CANTOPEN' }) : error,
    )
  }
}

/** Translates SQLite's refusals that a person can mend; passes everything else on. */
function unusable(path: string, error: unknown): unknown {
  const code = systemCode(error) ?? ''
  const sentences: Record<string, [string, string]> = {
    SQLITE_FULL: ['the disk is full', 'Free some space, or move "data" to a larger disk'],
    SQLITE_CANTOPEN: ['it cannot be opened', 'Run "uus init" as the user that owns the data directory'],
    SQLITE_READONLY: ['it is read-only', 'Run as the user that owns the data directory'],
    SQLITE_IOERR: ['the disk reports an error', 'Look at the system log (dmesg), then restore a backup'],
    SQLITE_CORRUPT: ['it is damaged', 'Restore a backup; package files need no restoring'],
    SQLITE_NOTADB: ['it is not a database', 'Restore a backup; package files need no restoring'],
  }
  const known = sentences[code] ?? sentences[code.split('_').slice(0, 2).join('_')]
  if (known === undefined) return error
  return new UusError('DATA_UNUSABLE', `${path}: ${known[0]}`, { cause: error, hint: known[1] })
}

function migrationFiles(): string[] {
  return readdirSync(migrationsFolder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
}

/** A reader cannot bring a database up to date. */
function refuseOtherVersion(sqlite: Sqlite.Database, path: string): void {
  const version = sqlite.pragma('user_version', { simple: true }) as number
  const own = migrationFiles().length
  if (version > own) throw tooNew(path, version, own)
  if (version === own) return
  throw new UusError(
    'DATA_UNUSABLE',
    `${path} was written by an older UUS (schema ${version}, this is ${own})`,
    {
      hint: 'Start the server, or run "uus init", which bring it up to date',
    },
  )
}

function tooNew(path: string, version: number, own: number): UusError {
  return new UusError(
    'DATA_TOO_NEW',
    `${path} was written by a newer UUS (schema ${version}, this is ${own})`,
    { hint: 'Run that newer version, or restore a backup from before the upgrade' },
  )
}

/** Numbered files, each in a transaction of its own; a database of a newer program is refused. */
function migrate(sqlite: Sqlite.Database, path: string): void {
  const files = migrationFiles()
  const version = sqlite.pragma('user_version', { simple: true }) as number
  if (version > files.length) throw tooNew(path, version, files.length)
  if (version === files.length) return
  sqlite.function('field_of', { deterministic: true }, fieldOf)
  for (const [index, file] of files.entries()) {
    if (index < version) continue
    const number = Number.parseInt(basename(file), 10)
    if (number !== index + 1) throw new Error(`Internal error: migration ${file} is out of order`)
    sqlite.exec('BEGIN IMMEDIATE')
    try {
      sqlite.exec(readFileSync(join(migrationsFolder, file), 'utf8'))
      if ((sqlite.pragma('foreign_key_check') as unknown[]).length > 0)
        throw new Error(`Internal error: migration ${file} breaks references`)
      sqlite.pragma(`user_version = ${number}`)
      sqlite.exec('COMMIT')
    } catch (error) {
      if (sqlite.inTransaction) sqlite.exec('ROLLBACK')
      throw error
    }
  }
}

/** For migrations: the first line of a stanza's field, or null. */
function fieldOf(text: unknown, name: unknown): string | null {
  const lines = Buffer.from(text as Uint8Array).toString('latin1')
  const at = `\n${lines}`.indexOf(`\n${String(name)}:`)
  if (at < 0) return null
  const end = lines.indexOf('\n', at)
  return lines.slice(at + String(name).length + 1, end < 0 ? undefined : end).trim()
}
