// How the results about people look to a person.
import type { TokenResult, UserEntry, UserResult } from '../actions/users.ts'
import type { Output } from './output.ts'

export function renderUserAdd({ name, role }: UserResult, out: Output): void {
  out.line(`${name} may use the HTTP interface as ${role}.`)
  out.line(`  → For programs: uus user token ${name}`)
}

export function renderUsers(items: readonly UserEntry[], out: Output): void {
  if (items.length === 0)
    out.line('Nobody may use the HTTP interface. Add a user: uus user add NAME --role viewer')
  out.table(
    ['user', 'role', 'password', 'since', 'token', 'purpose', 'expires'],
    items.flatMap((user) => {
      const first = [user.name, user.role, user.hasPassword ? 'yes' : 'no', out.time(user.addedAt)]
      const good = user.tokens.filter((token) => token.isGood)
      const none = good.length === 0 ? [['-', '', '']] : []
      const tokens = good.map((token) => [String(token.id), token.purpose ?? '', out.time(token.expiresAt)])
      return [...none, ...tokens].map((rest, row) => [...(row === 0 ? first : ['', '', '', '']), ...rest])
    }),
  )
}

export function renderUserRole({ status, name, role }: UserResult, out: Output): void {
  out.line(status === 'nothing' ? `${name} is ${role} already.` : `${name} is ${role} from now on.`)
}

export function renderUserPassword({ name }: UserResult, out: Output): void {
  out.line(`The password of ${name} is changed. Tokens stay as they are.`)
}

export function renderToken({ name, role, token, id, expiresAt }: TokenResult, out: Output): void {
  out.line(token)
  out.line()
  out.line(`Token ${id} of ${name} (${role}), good until ${out.time(expiresAt)}. It is shown only now.`)
}

export function renderUserRevoke({ status, name }: UserResult, out: Output): void {
  out.line(status === 'nothing' ? 'It was revoked already.' : `The token of ${name} is good for nothing now.`)
}

export function renderUserRemove({ name }: UserResult, out: Output): void {
  out.line(`${name} may not use the HTTP interface any more; all tokens are revoked.`)
}
