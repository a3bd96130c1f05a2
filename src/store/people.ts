// People with a role, the tokens that they were given, and hashes of what they know. Never a secret itself.
import { type Sha256, sha256Bytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'

/** Each may what those before it may. */
export const roles = ['viewer', 'approver', 'admin'] as const
export type Role = (typeof roles)[number]

export interface Person {
  readonly id: number
  readonly name: string
  readonly role: Role
  /** As trust/secrets.ts made it; null: no password. */
  readonly passwordHash: string | null
  readonly addedAt: number
  /** Null: is one of us. */
  readonly removedAt: number | null
}

export interface ApiToken {
  readonly id: number
  readonly personId: number
  /** What it is for, as whoever made it said. */
  readonly purpose: string | null
  readonly madeAt: number
  readonly expiresAt: number
  readonly revokedAt: number | null
}

interface PersonRow {
  id: number
  name: string
  role: Role
  password: string | null
  added_at: number
  removed_at: number | null
}

interface TokenRow {
  id: number
  person_id: number
  purpose: string | null
  made_at: number
  expires_at: number
  revoked_at: number | null
}

const tokenColumns = 'id, person_id, purpose, made_at, expires_at, revoked_at'

export class People {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Those who were not removed, by name. */
  list(): Person[] {
    return this.#db
      .prepare<PersonRow>('SELECT * FROM person WHERE removed_at IS NULL ORDER BY name')
      .all()
      .map(toPerson)
  }

  /** Also one who was removed. */
  find(name: string): Person | null {
    const row = this.#db.prepare<PersonRow>('SELECT * FROM person WHERE name = ?').get(name)
    return row === undefined ? null : toPerson(row)
  }

  /** Who may use a token at a moment: it has not expired, nor was it revoked, nor its person removed. */
  byToken(hash: Sha256, now: number): Person | null {
    const row = this.#db
      .prepare<PersonRow>(
        `SELECT person.* FROM api_token JOIN person ON person.id = person_id
         WHERE hash = ? AND expires_at > ? AND revoked_at IS NULL AND removed_at IS NULL`,
      )
      .get(sha256Bytes(hash), now)
    return row === undefined ? null : toPerson(row)
  }

  /** Of one person, oldest first. */
  tokens(personId: number): ApiToken[] {
    return this.#db
      .prepare<TokenRow>(`SELECT ${tokenColumns} FROM api_token WHERE person_id = ? ORDER BY id`)
      .all(personId)
      .map((row) => ({
        id: row.id,
        personId: row.person_id,
        purpose: row.purpose,
        madeAt: row.made_at,
        expiresAt: row.expires_at,
        revokedAt: row.revoked_at,
      }))
  }

  /** A new person, or one who comes back. */
  add(tx: Tx, person: Omit<Person, 'id' | 'removedAt'>): void {
    tx.run(
      `INSERT INTO person (name, role, password, added_at) VALUES (?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET role = excluded.role, password = excluded.password,
         added_at = excluded.added_at, removed_at = NULL`,
      person.name,
      person.role,
      person.passwordHash,
      person.addedAt,
    )
  }

  setRole(tx: Tx, id: number, role: Role): void {
    tx.run('UPDATE person SET role = ? WHERE id = ?', role, id)
  }

  setPassword(tx: Tx, id: number, passwordHash: string | null): void {
    tx.run('UPDATE person SET password = ? WHERE id = ?', passwordHash, id)
  }

  /** With the password; tokens are the caller's to revoke. */
  remove(tx: Tx, id: number, at: number): void {
    tx.run('UPDATE person SET removed_at = ?, password = NULL WHERE id = ?', at, id)
  }

  addToken(tx: Tx, token: Omit<ApiToken, 'id' | 'revokedAt'> & { readonly hash: Sha256 }): number {
    const { lastInsertRowid } = tx.run(
      'INSERT INTO api_token (person_id, hash, purpose, made_at, expires_at) VALUES (?, ?, ?, ?, ?)',
      token.personId,
      sha256Bytes(token.hash),
      token.purpose,
      token.madeAt,
      token.expiresAt,
    )
    return Number(lastInsertRowid)
  }

  /** One token, or all of a person (null). */
  revoke(tx: Tx, personId: number, tokenId: number | null, at: number): void {
    tx.run(
      `UPDATE api_token SET revoked_at = ? WHERE person_id = ? AND revoked_at IS NULL AND id = ifnull(?, id)`,
      at,
      personId,
      tokenId,
    )
  }

  /** Tokens that nobody can use any more, and whose use nobody can ask about: gone since `before`. */
  forget(tx: Tx, before: number): number {
    return tx.run(
      'DELETE FROM api_token WHERE expires_at < ? OR (revoked_at IS NOT NULL AND revoked_at < ?)',
      before,
      before,
    ).changes
  }
}

function toPerson(row: PersonRow): Person {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    passwordHash: row.password,
    addedAt: row.added_at,
    removedAt: row.removed_at,
  }
}
