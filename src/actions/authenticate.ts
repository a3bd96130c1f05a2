// Who asks over HTTP: by token, or, to get one, by name and password.
import { UusError } from '../lib/errors.ts'
import type { Person, Role } from '../store/people.ts'
import { roles } from '../store/people.ts'
import type { Store } from '../store/store.ts'
import { hashToken, isPassword, isTokenLike } from '../trust/secrets.ts'
import type { Call, ServerContext } from './action.ts'
import type { AnyAction } from './registry.ts'
import { type TokenResult, userToken } from './users.ts'

export type Caller = Pick<Person, 'name' | 'role'>

/** How long a login by password holds. */
const loginLife = '12h'
/** Each of them takes 32 MiB for a moment: one at a time, and no more waiting than a person would. */
const maxWaiting = 8

export class Authenticator {
  readonly #people: Store['people']
  readonly #now: () => number
  #waiting = 0
  #last: Promise<unknown> = Promise.resolve()

  constructor(people: Store['people'], now: () => number) {
    this.#people = people
    this.#now = now
  }

  /** Null for a token that is none, or none any more. What a person may is looked up anew each time. */
  byToken(token: string): Caller | null {
    return isTokenLike(token) ? this.#people.byToken(hashToken(token), this.#now()) : null
  }

  /** Null for a wrong name or password; nothing says which. */
  async byPassword(name: string, password: string): Promise<Caller | null> {
    if (this.#waiting >= maxWaiting) {
      throw new UusError('TOO_MANY_REQUESTS', 'Too many are logging in at this moment', {
        hint: 'Try again in a few seconds',
      })
    }
    this.#waiting++
    const turn = this.#last.then(() => this.#check(name, password))
    this.#last = turn.catch(() => {})
    try {
      return await turn
    } finally {
      this.#waiting--
    }
  }

  async #check(name: string, password: string): Promise<Caller | null> {
    const found = this.#people.find(name)
    const person = found?.removedAt === null ? found : null
    return (await isPassword(password, person?.passwordHash ?? null)) ? person : null
  }
}

/** A token for somebody who proved to be that person. */
export function logIn(context: ServerContext, caller: Caller): Promise<TokenResult> {
  const call: Call = { actor: { name: caller.name, via: 'api' }, emit: () => {} }
  return userToken.run(
    context,
    { name: caller.name, expires: loginLife, purpose: 'login', reason: null },
    call,
  )
}

/** What somebody needs to be for this call. */
export function roleFor(theAction: AnyAction, input: unknown): Role {
  return theAction.roleFor?.(input) ?? theAction.role
}

export function isAtLeast(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed)
}
