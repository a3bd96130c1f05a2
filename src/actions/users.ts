// `uus user add | list | role | password | token | revoke | remove`: who may do what over HTTP.
import { z } from 'zod'
import { formatIso, parseDuration } from '../lib/units.ts'
import {
  addPerson,
  addToken,
  findPerson,
  removePerson,
  revokeToken,
  setPassword,
  setRole,
} from '../repo/people.ts'
import { roles } from '../store/people.ts'
import { hashPassword, hashToken, makeToken } from '../trust/secrets.ts'
import {
  action,
  type Listing,
  listing,
  type Outcome,
  type Role,
  readStep,
  step,
  stepAction,
} from './action.ts'
import { isoOrNull, reason } from './shared.ts'

const name = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._@-]{0,63}$/,
    'must be up to 64 lower-case letters, digits, ".", "_", "@" and "-", as the log is to name the person',
  )
const role = z.enum(roles, `must be one of ${roles.join(', ')}`)
// Hashing takes as long as the text is; longer ones are no better.
const password = z
  .string()
  .min(12, 'must have 12 characters at least')
  .max(1000, 'must have 1000 characters at most')
const why = reason.nullable().default(null)

const nothing = z.object({})

export interface TokenEntry {
  readonly id: number
  readonly purpose: string | null
  readonly madeAt: string
  readonly expiresAt: string
  readonly revokedAt: string | null
  readonly isGood: boolean
}

export interface UserEntry {
  readonly name: string
  readonly role: Role
  readonly hasPassword: boolean
  readonly addedAt: string
  readonly tokens: readonly TokenEntry[]
}

export const userList = stepAction(
  { verb: 'user list', role: 'admin', input: nothing as z.ZodType<z.output<typeof nothing>> },
  readStep<z.output<typeof nothing>, Listing<UserEntry>>('user list', ({ repo }) => {
    const now = repo.clock.now()
    const people = repo.store.people.list()
    return listing(
      people.map((person) => ({
        name: person.name,
        role: person.role,
        hasPassword: person.passwordHash !== null,
        addedAt: formatIso(person.addedAt),
        tokens: repo.store.people.tokens(person.id).map((token) => ({
          id: token.id,
          purpose: token.purpose,
          madeAt: formatIso(token.madeAt),
          expiresAt: formatIso(token.expiresAt),
          revokedAt: isoOrNull(token.revokedAt),
          isGood: token.revokedAt === null && token.expiresAt > now,
        })),
      })),
    )
  }),
)

export interface UserResult extends Outcome {
  readonly name: string
  readonly role: Role
}

const addInput = z.object({ name, role, password: password.nullable().default(null), reason: why })

/** What crosses to the writing half: never the password. */
interface Hashed {
  readonly passwordHash: string | null
}

export const userAddStep = step<Omit<z.output<typeof addInput>, 'password'> & Hashed, UserResult>(
  'user add',
  ({ repo }, order, { actor }) => {
    addPerson(repo, { ...order, actor })
    return { status: 'done', name: order.name, role: order.role }
  },
)

export const userAdd = action<z.output<typeof addInput>, UserResult>({
  verb: 'user add',
  role: 'admin',
  input: addInput as z.ZodType<z.output<typeof addInput>>,
  async run({ jobs }, { password: secret, ...order }, call) {
    const passwordHash = secret === null ? null : await hashPassword(secret)
    return jobs.run(userAddStep, { ...order, passwordHash }, call)
  },
})

const passwordInput = z.object({
  name: z.string(),
  /** Null takes it away: tokens only. */
  password: password.nullable(),
  reason: why,
})

export const userPasswordStep = step<Omit<z.output<typeof passwordInput>, 'password'> & Hashed, UserResult>(
  'user password',
  ({ repo }, { name: who, passwordHash, reason: because }, { actor }) => {
    const person = findPerson(repo, who)
    setPassword(repo, person, passwordHash, { actor, reason: because })
    return { status: 'done', name: person.name, role: person.role }
  },
)

export const userPassword = action<z.output<typeof passwordInput>, UserResult>({
  verb: 'user password',
  role: 'admin',
  input: passwordInput as z.ZodType<z.output<typeof passwordInput>>,
  async run({ jobs }, { password: secret, ...order }, call) {
    const passwordHash = secret === null ? null : await hashPassword(secret)
    return jobs.run(userPasswordStep, { ...order, passwordHash }, call)
  },
})

const roleInput = z.object({ name: z.string(), role, reason: why })

export const userRole = stepAction(
  { verb: 'user role', role: 'admin', input: roleInput as z.ZodType<z.output<typeof roleInput>> },
  step<z.output<typeof roleInput>, UserResult>('user role', ({ repo }, order, { actor }) => {
    const person = findPerson(repo, order.name)
    if (person.role !== order.role) setRole(repo, person, order.role, { actor, reason: order.reason })
    const status = person.role === order.role ? 'nothing' : 'done'
    return { status, name: person.name, role: order.role }
  }),
)

const removeInput = z.object({ name: z.string(), reason: why })

export const userRemove = stepAction(
  { verb: 'user remove', role: 'admin', input: removeInput as z.ZodType<z.output<typeof removeInput>> },
  step<z.output<typeof removeInput>, UserResult>('user remove', ({ repo }, order, { actor }) => {
    const person = findPerson(repo, order.name)
    removePerson(repo, person, { actor, reason: order.reason })
    return { status: 'done', name: person.name, role: person.role }
  }),
)

const maxLifeSeconds = 1100 * 86_400
const life = z
  .string()
  .default('90d')
  .refine((text) => {
    const seconds = parseDuration(text)
    return seconds !== null && seconds > 0 && seconds <= maxLifeSeconds
  }, 'must be a duration like 90d, three years at most')

const tokenInput = z.object({
  name: z.string(),
  /** How long it is good. */
  expires: life,
  purpose: z.string().trim().min(1).max(200).nullable().default(null),
  reason: why,
})

export interface TokenResult extends UserResult {
  /** Shown now and never again. */
  readonly token: string
  readonly id: number
  readonly expiresAt: string
}

type TokenStepInput = z.output<typeof tokenInput> & { readonly hash: ReturnType<typeof hashToken> }

export const userTokenStep = step<TokenStepInput, Omit<TokenResult, 'token'>>(
  'user token',
  ({ repo }, { hash, name: who, expires, purpose, reason: because }, { actor }) => {
    const person = findPerson(repo, who)
    const lifeSeconds = parseDuration(expires)!
    const made = addToken(repo, person, { hash, purpose, lifeSeconds, actor, reason: because })
    return {
      status: 'done',
      name: person.name,
      role: person.role,
      id: made.id,
      expiresAt: formatIso(made.expiresAt),
    }
  },
)

export const userToken = action<z.output<typeof tokenInput>, TokenResult>({
  verb: 'user token',
  role: 'admin',
  input: tokenInput as z.ZodType<z.output<typeof tokenInput>>,
  async run({ jobs }, order, call) {
    const token = makeToken()
    const made = await jobs.run(userTokenStep, { ...order, hash: hashToken(token) }, call)
    return { ...made, token }
  },
})

const revokeInput = z.object({ name: z.string(), token: z.int('must be the number of a token'), reason: why })

export const userRevoke = stepAction(
  { verb: 'user revoke', role: 'admin', input: revokeInput as z.ZodType<z.output<typeof revokeInput>> },
  step<z.output<typeof revokeInput>, UserResult>('user revoke', ({ repo }, order, { actor }) => {
    const person = findPerson(repo, order.name)
    const isRevoked = revokeToken(repo, person, order.token, { actor, reason: order.reason })
    return { status: isRevoked ? 'done' : 'nothing', name: person.name, role: person.role }
  }),
)
