// People: who may do what, what they prove it with, and that no secret is kept.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Authenticator, isAtLeast, logIn } from '../src/actions/authenticate.ts'
import type { TokenResult, UserEntry } from '../src/actions/users.ts'
import { UusError } from '../src/lib/errors.ts'
import { hashPassword, isPassword } from '../src/trust/secrets.ts'
import { FakeArchive } from './rig/archive.ts'
import { day } from './rig/clock.ts'
import { packages } from './rig/packages.ts'
import { Rig } from './rig/rig.ts'
import { TestServer } from './rig/server.ts'

const start = Date.UTC(2026, 10, 20)
const password = 'correct horse battery staple'

async function aRig(): Promise<{ archive: FakeArchive; rig: Rig } & AsyncDisposable> {
  const archive = await FakeArchive.start()
  await archive.publish('stable', { components: { main: { amd64: packages('bash 5.1') } }, date: start })
  const rig = await Rig.open({ archives: [{ archive }] })
  return {
    archive,
    rig,
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]()
      await archive[Symbol.asyncDispose]()
    },
  }
}

function authenticator(rig: Rig): Authenticator {
  return new Authenticator(rig.store.people, () => rig.clock.now())
}

const refused = (code: string) => (error: unknown) => error instanceof UusError && error.code === code

test('a password is known again, however its letters were typed, and no other is', async () => {
  const hash = await hashPassword('Müller und Söhne')
  assert.match(hash, /^scrypt\$32768\$8\$3\$[^$]{24}\$[^$]{44}$/)
  assert.notEqual(hash, await hashPassword('Müller und Söhne'), 'salted')
  assert.equal(await isPassword('Müller und Söhne'.normalize('NFD'), hash), true)
  assert.equal(await isPassword('Muller und Sohne', hash), false)
  assert.equal(await isPassword('', null), false)
})

test('a token opens the door until it expires, is revoked, or its person is removed', async () => {
  await using one = await aRig()
  const { rig } = one
  const doors = authenticator(rig)
  await rig.call('user add', { name: 'andrew', role: 'approver' })
  const make = (expires: string) => rig.call<TokenResult>('user token', { name: 'andrew', expires })
  const [short, long, third] = [await make('1d'), await make('90d'), await make('90d')]
  assert.match(short.token, /^uus_[A-Za-z0-9_-]{43}$/)
  assert.equal(doors.byToken(short.token)?.name, 'andrew')
  assert.equal(doors.byToken(`${short.token.slice(0, -1)}_`), null)
  assert.equal(doors.byToken(''), null)
  rig.clock.advance(day)
  assert.equal(doors.byToken(short.token), null, 'expired')
  assert.equal(doors.byToken(long.token)?.role, 'approver')
  await rig.call('user role', { name: 'andrew', role: 'viewer' })
  assert.equal(doors.byToken(long.token)?.role, 'viewer', 'at once')
  await rig.call('user revoke', { name: 'andrew', token: long.id })
  assert.equal(doors.byToken(long.token), null, 'revoked')
  assert.equal(
    (await rig.call<{ status: string }>('user revoke', { name: 'andrew', token: long.id })).status,
    'nothing',
  )
  assert.equal(doors.byToken(third.token)?.name, 'andrew')
  await rig.call('user remove', { name: 'andrew' })
  assert.equal(doors.byToken(third.token), null, 'removed')
  await rig.call('user add', { name: 'andrew', role: 'admin' })
  assert.equal(doors.byToken(third.token), null, 'who comes back gets new tokens')
  await assert.rejects(rig.call('user add', { name: 'andrew', role: 'admin' }), refused('USAGE'))
  await assert.rejects(rig.call('user token', { name: 'nobody' }), refused('UNKNOWN_NAME'))
})

test('a login needs the right name and password, and makes a token for a working day', async () => {
  await using one = await aRig()
  const { rig } = one
  const doors = authenticator(rig)
  await rig.call('user add', { name: 'milosz', role: 'admin', password })
  await rig.call('user add', { name: 'ci', role: 'viewer' })
  assert.equal(await doors.byPassword('milosz', 'wrong'), null)
  assert.equal(await doors.byPassword('nobody', password), null)
  assert.equal(await doors.byPassword('ci', ''), null)
  const caller = await doors.byPassword('milosz', password)
  const { token, expiresAt } = await logIn(rig.process.context, caller!)
  assert.equal(Date.parse(expiresAt) - rig.clock.now(), day / 2)
  assert.equal(doors.byToken(token)?.role, 'admin')
  await rig.call('user password', { name: 'milosz', password: null })
  assert.equal(await doors.byPassword('milosz', password), null)
  const rows = rig.store.audit.list().filter((row) => row.action.startsWith('user '))
  assert.deepEqual(
    rows.map(({ actor, action, subject }) => `${actor.name} ${actor.via} ${action} ${subject}`),
    [
      'tester cli user add milosz',
      'tester cli user add ci',
      'milosz api user token milosz',
      'tester cli user password milosz',
    ],
  )
})

test('logins wait for each other, and not without end', async () => {
  await using one = await aRig()
  const doors = authenticator(one.rig)
  const tries = await Promise.allSettled(
    Array.from({ length: 12 }, () => doors.byPassword('nobody', password)),
  )
  assert.equal(tries.filter((one) => one.status === 'rejected').length, 4)
  assert.equal(await doors.byPassword('nobody', password), null, 'open again')
})

test('neither a token nor a password is anywhere in the data directory', async () => {
  await using one = await aRig()
  const { rig } = one
  await rig.call('user add', { name: 'andrew', role: 'admin', password })
  const { token } = await rig.call<TokenResult>('user token', { name: 'andrew', purpose: 'test' })
  await rig.stop()
  const catalogue = readFileSync(join(rig.folder, 'data', 'catalogue.db'))
  assert.equal(catalogue.includes(token.slice(4)), false)
  assert.equal(catalogue.includes(password), false)
  assert.equal(catalogue.includes('andrew'), true)
})

test('roles contain each other; --force is for administrators', async () => {
  const { promote } = await import('../src/actions/promote.ts')
  const order = { selectors: ['bash'], force: true, reason: 'x' }
  assert.equal(promote.roleFor?.(promote.input.parse(order)), 'admin')
  assert.equal(promote.roleFor?.(promote.input.parse({ selectors: ['bash'] })), 'approver')
  assert.deepEqual(
    (['viewer', 'approver', 'admin'] as const).map((role) => isAtLeast(role, 'approver')),
    [false, true, true],
  )
})

test('the command line manages users, and never prints a secret twice', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', { components: { main: { amd64: packages('bash 5.1') } }, date: start })
  await using server = await TestServer.start({ archives: [{ archive }] })
  const file = join(server.folder, 'password')
  writeFileSync(file, `${password}\n`)
  const run = async (status: number, command: string, expected: RegExp) => {
    const result = await server.uus(...command.split(' '))
    assert.equal(result.status, status, `${command}: ${result.output}`)
    assert.match(result.output, expected)
    return result.stdout
  }
  await run(0, 'user list', /Nobody may use the HTTP interface/)
  await run(0, `user add andrew --role approver --password-file ${file}`, /andrew may use .* as approver/)
  await run(2, 'user add Andrew --role approver', /lower-case/)
  await run(2, 'user add jim --role king', /Choices: "viewer", "approver", "admin"/)
  await run(2, 'user password andrew', /Which password/)
  const printed = await run(0, 'user token andrew --expires 30d --purpose ci', /good until/)
  const token = printed.split('\n')[0]!
  await run(2, 'user token andrew --expires 90y', /duration/)
  const table = await run(0, 'user list', /^andrew +approver +yes .* 1 +ci +/m)
  assert.equal(table.includes(token), false)
  await run(0, 'user role andrew admin', /andrew is admin from now on/)
  await run(4, 'user role andrew admin', /already/)
  await run(0, 'user revoke andrew 1', /good for nothing/)
  await run(1, 'user revoke andrew 7', /has no token 7/)
  await run(0, 'user remove andrew --reason left', /all tokens are revoked/)
  const { items } = await server.json<{ items: UserEntry[] }>('user', 'list')
  assert.deepEqual(items, [])
  assert.equal(server.log.includes(token), false)
})
