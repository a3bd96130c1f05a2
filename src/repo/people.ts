// Who may use the HTTP interface: each change with its row in the audit log. Secrets come here hashed.
import type { Json } from '../lib/canonical-json.ts'
import type { Sha256 } from '../lib/digest.ts'
import { UusError } from '../lib/errors.ts'
import { formatIso } from '../lib/units.ts'
import type { Actor } from '../store/audit.ts'
import type { Tx } from '../store/database.ts'
import type { Person, Role } from '../store/people.ts'
import type { Repo } from './repo.ts'

interface By {
  readonly actor: Actor
  readonly reason: string | null
}

/** The person; UNKNOWN_NAME if there is none, or not any more. */
export function findPerson({ store }: Repo, name: string): Person {
  const person = store.people.find(name)
  if (person !== null && person.removedAt === null) return person
  const names = store.people.list().map((one) => one.name)
  throw new UusError('UNKNOWN_NAME', `There is no user "${name}"`, {
    hint: names.length === 0 ? 'Add one: uus user add NAME --role viewer' : `Users are: ${names.join(', ')}`,
  })
}

export function addPerson(
  repo: Repo,
  { name, role, passwordHash, ...by }: By & { name: string; role: Role; passwordHash: string | null },
): void {
  const known = repo.store.people.find(name)
  if (known !== null && known.removedAt === null) {
    throw new UusError('USAGE', `There is a user "${name}" already`, {
      hint: `To change what they may: uus user role ${name} ${role}`,
    })
  }
  act(repo, by, 'user add', name, { role, hasPassword: passwordHash !== null }, (tx, at) =>
    repo.store.people.add(tx, { name, role, passwordHash, addedAt: at }),
  )
}

export function setRole(repo: Repo, person: Person, role: Role, by: By): void {
  act(repo, by, 'user role', person.name, { role, previous: person.role }, (tx) =>
    repo.store.people.setRole(tx, person.id, role),
  )
}

/** Null takes it away. */
export function setPassword(repo: Repo, person: Person, passwordHash: string | null, by: By): void {
  act(repo, by, 'user password', person.name, { hasPassword: passwordHash !== null }, (tx) =>
    repo.store.people.setPassword(tx, person.id, passwordHash),
  )
}

/** With all tokens: nothing of them works from this moment on. */
export function removePerson(repo: Repo, person: Person, by: By): void {
  act(repo, by, 'user remove', person.name, { role: person.role }, (tx, at) => {
    repo.store.people.revoke(tx, person.id, null, at)
    repo.store.people.remove(tx, person.id, at)
  })
}

export interface TokenOrder extends By {
  readonly hash: Sha256
  readonly purpose: string | null
  readonly lifeSeconds: number
}

/** Its number and when it expires. */
export function addToken(
  repo: Repo,
  person: Person,
  { hash, purpose, lifeSeconds, ...by }: TokenOrder,
): { id: number; expiresAt: number } {
  const expiresAt = repo.clock.now() + lifeSeconds * 1000
  const { people } = repo.store
  // The row names the token by its number, which is known once it is there: both in one transaction.
  let id = 0
  const details = { expires: formatIso(expiresAt), ...(purpose === null ? {} : { purpose }) }
  act(
    repo,
    by,
    'user token',
    person.name,
    () => ({ ...details, token: id }),
    (tx, madeAt) => {
      id = people.addToken(tx, { personId: person.id, hash, purpose, madeAt, expiresAt })
      people.forget(tx, madeAt - forgetAfterMs)
    },
  )
  return { id, expiresAt }
}

const forgetAfterMs = 90 * 86_400_000

/** False if it cannot be used anyway. */
export function revokeToken(repo: Repo, person: Person, tokenId: number, by: By): boolean {
  const { people } = repo.store
  const token = people.tokens(person.id).find((one) => one.id === tokenId)
  if (token === undefined) {
    throw new UusError('UNKNOWN_NAME', `${person.name} has no token ${tokenId}`, {
      hint: 'See "uus user list"',
    })
  }
  if (token.revokedAt !== null) return false
  act(repo, by, 'user revoke', person.name, { token: tokenId }, (tx, at) =>
    people.revoke(tx, person.id, tokenId, at),
  )
  return true
}

type Details = { readonly [name: string]: Json }

function act(
  { store, clock }: Repo,
  { actor, reason }: By,
  action: string,
  subject: string,
  details: Details | (() => Details),
  change: (tx: Tx, at: number) => void,
): void {
  const at = clock.now()
  store.db.write((tx) => {
    change(tx, at)
    const known = typeof details === 'function' ? details() : details
    store.audit.append(tx, { at, actor, action, subject, reason, details: known })
  })
}
