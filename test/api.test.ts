// `/api/v1`: every action, for whoever may; its description; and what it refuses. A real server, asked over HTTP.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { Validator } from '@seriousme/openapi-schema-validator'
import type { AddResult } from '../src/actions/add.ts'
import type { AuditPage } from '../src/actions/audit.ts'
import { inputSchema, isReadByGet, queryInput } from '../src/actions/input-schema.ts'
import { type AnyAction, actions } from '../src/actions/registry.ts'
import type { TokenResult } from '../src/actions/users.ts'
import { commandSummaries } from '../src/cli/summaries.ts'
import { blockOf, Failures } from '../src/web/failures.ts'
import { pathOf } from '../src/web/openapi.ts'
import { FakeArchive } from './rig/archive.ts'
import { hour } from './rig/clock.ts'
import { packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'
import { anUpload, type Upload } from './rig/uploads.ts'

const roles = ['viewer', 'approver', 'admin'] as const
const password = 'correct horse battery staple'
const tokens: Record<string, string> = {}
let archive: FakeArchive
let server: TestServer

before(async () => {
  archive = await FakeArchive.start()
  await offer(['bash 5.1', 'vim 9.0'], 3)
  server = await TestServer.start({
    archives: [{ archive }],
    local: ['{name: local, local: true, suites: [stable], architectures: [amd64]}'],
  })
  await server.call('update')
  await offer(['bash 5.2', 'vim 9.1'], 2)
  await server.call('update')
  for (const role of roles) {
    await server.call('user add', { name: role, role, password: role === 'viewer' ? password : null })
    tokens[role] = (await server.call<TokenResult>('user token', { name: role })).token
  }
})

after(async () => {
  await server[Symbol.asyncDispose]()
  await archive[Symbol.asyncDispose]()
})

function offer(names: string[], hoursAgo: number): Promise<void> {
  const date = Date.now() - hoursAgo * hour
  return archive.publish('stable', { components: { main: { amd64: packages(...names) } }, date })
}

interface Answer {
  readonly status: number
  readonly body: {
    readonly status?: string
    readonly items?: readonly unknown[]
    readonly error?: { code: string; message: string; hint?: string; details?: string[] }
  }
  readonly headers: Headers
}

async function ask(path: string, token: string | null, body?: unknown, method?: string): Promise<Answer> {
  const response = await fetch(`${server.url}${path}`, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: token === null ? {} : { Authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return {
    status: response.status,
    body: (await response.json()) as Answer['body'],
    headers: response.headers,
  }
}

const post = (verb: string, role: string, body: unknown) =>
  ask(pathOf(actions.get(verb)!), tokens[role]!, body)

interface Document {
  readonly paths: Record<string, Record<string, { operationId: string; summary: string }>>
}

test('the description is valid OpenAPI, and every action is in it with its own words', async () => {
  const { body } = await ask('/api/v1/openapi.json', null)
  const { valid, errors } = await new Validator().validate(structuredClone(body) as Record<string, unknown>)
  assert.ok(valid, JSON.stringify(errors))
  const { paths } = body as unknown as Document
  const summaries = commandSummaries()
  assert.deepEqual([...summaries.keys()].sort(), [...actions.keys()].sort())
  for (const action of actions.values()) {
    const operations = paths[pathOf(action)]!
    assert.deepEqual(Object.keys(operations).sort(), isReadByGet(action) ? ['get', 'post'] : ['post'])
    assert.equal(operations.post!.summary, summaries.get(action.verb))
  }
  assert.equal(Object.keys(paths).length, actions.size + 2)
  const ids = Object.values(paths).flatMap((one) => Object.values(one).map(({ operationId }) => operationId))
  assert.equal(new Set(ids).size, ids.length)
})

test('a description with a mistake does not pass the validator', async () => {
  const { body } = await ask('/api/v1/openapi.json', null)
  const { valid } = await new Validator().validate({ ...(body as object), paths: { nosuch: {} } })
  assert.equal(valid, false)
})

/** Every field wrong, and one that does not exist. */
function wrongInput(action: AnyAction): Record<string, unknown> {
  const names = Object.keys(inputSchema(action).properties)
  return Object.fromEntries([...names, 'nosuch'].map((name) => [name, { wrong: true }]))
}

test('every action: 401 without a token, 403 below its role, 400 with all that is wrong', async () => {
  for (const action of actions.values()) {
    const path = pathOf(action)
    const nobody = await ask(path, null, {})
    assert.deepEqual([nobody.status, nobody.body.error?.code], [401, 'UNAUTHENTICATED'], action.verb)
    assert.match(nobody.headers.get('www-authenticate') ?? '', /^Bearer /)
    const put = await ask(path, tokens.admin!, '{}', 'PUT')
    assert.equal(put.status, 405, action.verb)
    for (const role of roles.slice(0, roles.indexOf(action.role))) {
      const { status, body } = await ask(path, tokens[role]!, {})
      assert.deepEqual([status, body.error?.code], [403, 'FORBIDDEN'], `${action.verb} as ${role}`)
    }
    if (action.takesFiles) continue // has tests of its own
    const wrong = wrongInput(action)
    const { status, body } = await ask(path, tokens[action.role]!, wrong)
    assert.deepEqual([status, body.error?.code], [400, 'USAGE'], action.verb)
    const told = [body.error!.message, ...(body.error!.details ?? [])].join('\n')
    for (const name of Object.keys(wrong)) assert.match(told, new RegExp(`\\b${name}: `), action.verb)
  }
})

/** In an order in which each finds what it needs. */
const calls: readonly (readonly [verb: string, input: Record<string, unknown>, status?: number])[] = [
  ['status', {}],
  ['pending', {}],
  ['explain', { selectors: ['bash'] }],
  ['rules test', {}],
  ['hold', { selectors: ['vim'], reason: 'later' }],
  ['promote', { selectors: ['vim'] }, 409],
  ['unhold', { selectors: ['vim'] }],
  ['decline', { selectors: ['vim'] }],
  ['approve', { selectors: ['vim'] }],
  ['promote', { selectors: ['bash'] }],
  ['promote', { selectors: ['nosuch'] }, 404],
  ['channel list', {}],
  ['channel show', { channel: 'approved' }],
  ['channel diff', { from: 'approved', to: 'testing' }],
  ['channel check', { channel: 'approved' }],
  ['channel seed', { channel: 'approved', reason: 'x' }],
  ['snapshot list', { channel: 'approved' }],
  ['snapshot show', { channel: 'approved', id: '@newest' }],
  ['snapshot diff', { channel: 'approved', from: '@newest' }],
  ['snapshot keep', { channel: 'approved', id: '@newest' }],
  ['snapshot unkeep', { channel: 'approved', id: '@newest' }],
  ['pins', { channel: 'approved', snapshot: '@newest' }],
  ['conf', { channel: 'approved' }],
  ['sources', { channel: 'approved' }],
  ['snapshot export', { file: '@folder/bundle.tar', channel: 'approved', packages: 'none' }],
  ['snapshot import', { file: '@folder/bundle.tar' }, 400],
  ['slave add', { name: 'oslo' }],
  ['slave list', {}],
  ['slave revoke', { name: 'oslo' }],
  ['sync', {}, 400],
  ['snapshot rollback', { channel: 'approved', id: '@oldest', reason: 'x', force: true }],
  ['archive list', {}],
  ['archive drop', { archive: 'test', reason: 'x' }, 409],
  ['key list', {}],
  ['key export', { channel: 'approved' }],
  ['key rotate', { channel: 'approved' }],
  ['key drop', { channel: 'approved', fingerprint: 'A'.repeat(40) }, 404],
  ['notice list', {}],
  ['notice retry', {}],
  ['audit', { limit: 3 }],
  ['update', {}],
  ['remove', { selectors: ['vim'], channel: 'approved', reason: 'x', force: true }],
  ['gc', { dryRun: true }],
  ['fsck', {}],
  ['backup', { file: '@folder/backup.tar' }],
  ['reset dates', { reason: 'x' }],
  ['user list', {}],
  ['user add', { name: 'jorge', role: 'viewer', password }],
  ['user role', { name: 'jorge', role: 'approver' }],
  ['user password', { name: 'jorge', password: null }],
  ['user token', { name: 'jorge' }],
  ['user revoke', { name: 'jorge', token: 99 }, 404],
  ['user remove', { name: 'jorge' }],
]

async function fillIn(input: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { items } = await server.call<{ items: { id: string }[] }>('snapshot list', { channel: 'approved' })
  const known = [
    ['@newest', items[0]!.id],
    ['@oldest', items.at(-1)!.id],
    ['@folder', server.folder],
  ] as const
  const replace = (text: string) => known.reduce((done, [mark, value]) => done.replace(mark, value), text)
  return Object.fromEntries(
    Object.entries(input).map(([name, value]) => [name, typeof value === 'string' ? replace(value) : value]),
  )
}

test('every action is done for its role, and the answer is what the action says', async () => {
  assert.deepEqual(
    [...actions.values()]
      .filter(({ takesFiles }) => !takesFiles)
      .map(({ verb }) => verb)
      .filter((verb) => !calls.some(([called]) => called === verb)),
    [],
    'each has a call here',
  )
  for (const [verb, input, expected = 200] of calls) {
    const action = actions.get(verb)!
    const body = await fillIn(input)
    const role = input.force === true ? 'admin' : action.role
    const answer = await ask(pathOf(action), tokens[role]!, body)
    const what = `${verb}: ${JSON.stringify(answer.body)}`
    assert.equal(answer.status, expected, what)
    if (expected === 200) assert.match(answer.body.status ?? '', /^(done|nothing)$/, what)
    if (expected === 404) assert.equal(answer.body.error?.code, 'UNKNOWN_NAME', what)
    assert.equal(answer.headers.get('cache-control'), 'no-store')
  }
  const { items } = (await post('audit', 'viewer', { action: 'hold' })).body as unknown as AuditPage
  assert.deepEqual(items.map((row) => ('actor' in row ? [row.actor, row.via, row.reason] : [])).at(0), [
    'approver',
    'api',
    'later',
  ])
})

test('what can be read by GET gives the same as by POST', async () => {
  for (const [verb, input, status = 200] of calls) {
    const action = actions.get(verb)!
    if (!isReadByGet(action) || status !== 200 || verb === 'status') continue
    const body = await fillIn(input)
    const query = new URLSearchParams(
      Object.entries(body).flatMap(([name, value]) => [value].flat().map((one) => [name, String(one)])),
    )
    const get = await ask(`${pathOf(action)}?${query}`, tokens.viewer!)
    const posted = await post(verb, 'viewer', body)
    assert.deepEqual([get.status, get.body], [posted.status, posted.body], verb)
  }
  const schema = inputSchema(actions.get('pending')!)
  assert.deepEqual(queryInput(schema, new URLSearchParams('channel=approved&releases=noble')), {
    channel: 'approved',
    releases: ['noble'],
  })
  const { status, body } = await ask('/api/v1/pending?chanel=approved', tokens.viewer!)
  assert.equal(status, 400)
  assert.match(body.error!.message, /chanel: there is no such field \(there are: channel, releases\)/)
})

const upload = (
  token: string | null,
  fields: Record<string, string>,
  files: readonly Upload[],
  name = 'file',
) => {
  const form = new FormData()
  for (const [field, value] of Object.entries(fields)) form.append(field, value)
  for (const file of files) form.append(name, new Blob([new Uint8Array(file.bytes)]), file.name)
  return send(form, token)
}

async function send(
  body: FormData | string,
  token: string | null,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const authorization = token === null ? {} : { Authorization: `Bearer ${token}` }
  const response = await fetch(`${server.url}/api/v1/packages`, {
    method: 'POST',
    headers: { ...authorization, ...headers },
    body,
  })
  return {
    status: response.status,
    body: (await response.json()) as Answer['body'],
    headers: response.headers,
  }
}

test('packages come as a form, one or many, and are in testing at once', needs('dpkg-deb'), async () => {
  const place = { archive: 'local', suite: 'stable' }
  const two = [await anUpload('tool', '1'), await anUpload('gadget', '1')]
  const { status, body } = await upload(tokens.admin!, { ...place, reason: 'the new tool' }, two)
  assert.equal(status, 200, JSON.stringify(body))
  const items = (body as unknown as AddResult).items.map((item) => [item.package, item.isNew])
  assert.deepEqual(items, [
    ['tool', true],
    ['gadget', true],
  ])
  const again = await upload(tokens.admin!, place, two)
  assert.equal(again.body.status, 'nothing')
  const pool = await fetch(`${server.url}/testing/local/dists/stable/main/binary-amd64/Packages.gz`)
  assert.match(gunzipSync(await pool.arrayBuffer()).toString(), /^Package: gadget$/m)
  const { items: rows } = await server.call<AuditPage>('audit', { action: 'add' })
  assert.deepEqual(
    [rows[0]!].map((row) => 'actor' in row && [row.actor, row.via, row.reason]),
    [['admin', 'api', 'the new tool']],
  )

  const other = [await anUpload('tool', '1', {}, 'other bytes')]
  const taken = await upload(tokens.admin!, place, other)
  assert.deepEqual([taken.status, taken.body.error?.code], [409, 'VERSION_TAKEN'])
  const wrong: readonly (readonly [Answer, number, RegExp])[] = [
    [await upload(tokens.approver!, place, two), 403, /is for admins/],
    [await upload(null, place, two), 401, /A token is needed/],
    [await upload(tokens.admin!, {}, []), 400, /archive: /],
    [await upload(tokens.admin!, { ...place, nosuch: '1' }, two), 400, /nosuch: there is no such field/],
    [await upload(tokens.admin!, place, [{ name: '../x', bytes: Buffer.from('x') }]), 400, /is no \.deb/],
    [
      await upload(tokens.admin!, place, [{ name: 'x_1_amd64.deb', bytes: Buffer.from('x') }]),
      400,
      /x_1_amd64.deb/,
    ],
    [await send('{}', tokens.admin!), 400, /multipart\/form-data/],
    [await send('--x', tokens.admin!, { 'Content-Type': 'multipart/form-data; boundary=x' }), 400, /form/],
    [await send('', tokens.admin!, { 'Content-Type': 'multipart/form-data' }), 400, /multipart\/form-data/],
  ]
  for (const [answer, code, message] of wrong) {
    assert.equal(answer.status, code, JSON.stringify(answer.body))
    const { error } = answer.body
    assert.match([error?.message, ...(error?.details ?? [])].join('\n'), message)
  }
  assert.deepEqual(
    readdirSync(join(server.folder, 'data', 'uploads'), { recursive: true, withFileTypes: true }).filter(
      (one) => one.isFile(),
    ),
    [],
    'nothing is left behind',
  )
})

test('gates bind approvers: --force is for administrators', async () => {
  const order = { selectors: ['bash'], force: true, reason: 'x' }
  assert.equal((await post('promote', 'approver', order)).status, 403)
})

test('the audit log comes page by page to its end', async () => {
  let input: unknown = {}
  let rows = 0
  for (let page = 0; input !== null; page++) {
    assert.ok(page < 10)
    const { status, body } = await post('audit', 'viewer', input)
    assert.equal(status, 200, JSON.stringify(body))
    const { items, next } = body as unknown as AuditPage
    rows += items.length
    input = next
  }
  const whole = await server.call<AuditPage>('audit', { limit: 1 })
  assert.equal(rows, (whole.items[0] as { sequence: number }).sequence)
})

test('bodies that are no JSON object, or too large, are refused in words', async () => {
  const path = pathOf(actions.get('pending')!)
  for (const body of ['{', '[]', '"x"', 'a=b', '\u0000']) {
    const { status, body: answer } = await ask(path, tokens.viewer!, body)
    assert.deepEqual([status, answer.error?.code], [400, 'USAGE'], body)
  }
  const large = await ask(path, tokens.viewer!, JSON.stringify({ channel: 'x'.repeat(2 << 20) }))
  assert.deepEqual([large.status, large.body.error?.code], [413, 'REQUEST_TOO_LARGE'])
  const unknown = await ask('/api/v1/nosuch', tokens.viewer!, {})
  assert.deepEqual([unknown.status, unknown.body.error?.code], [404, 'UNKNOWN_NAME'])
})

test('without a token nobody has a body read: the answer comes before its end', async () => {
  const { port } = new URL(server.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.write('POST /api/v1/pending HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{')
  const chunk = await new Promise((resolve) => socket.once('data', resolve))
  assert.match(String(chunk), /^HTTP\/1.1 401 /)
  socket.destroy()
})

test('a login gives a token that works; wrong ones are counted, and a good token still works', async () => {
  const good = await ask('/api/v1/login', null, { name: 'viewer', password })
  assert.equal(good.status, 200)
  const { token } = good.body as unknown as TokenResult
  assert.equal((await ask('/api/v1/pending', token)).status, 200)
  assert.equal((await ask('/api/v1/login', null, { name: 'viewer' })).status, 400)
  const wrong = await ask('/api/v1/login', null, { name: 'viewer', password: 'wrong' })
  assert.deepEqual([wrong.status, wrong.body.error?.message], [401, 'The name or the password is wrong'])
  let limited: Answer | null = null
  for (let attempt = 0; attempt < 30 && limited === null; attempt++) {
    const answer = await ask('/api/v1/pending', `uus_${'A'.repeat(43)}`)
    if (answer.status !== 401) limited = answer
  }
  assert.equal(limited?.status, 429)
  assert.match(limited?.headers.get('retry-after') ?? '', /^\d+$/)
  assert.equal((await ask('/api/v1/login', null, { name: 'viewer', password })).status, 429)
  assert.equal((await ask('/api/v1/pending', tokens.viewer!)).status, 200)
})

test('no secret is in what the server printed', () => {
  for (const token of Object.values(tokens)) assert.equal(`${server.log}${server.out}`.includes(token), false)
  assert.equal(`${server.log}${server.out}`.includes(password), false)
})

test('failures fade after a minute, are counted by IPv6 block, and never fill the memory', () => {
  let now = 0
  const failures = new Failures(() => now)
  for (let count = 0; count < 20; count++) failures.count('2001:db8::1')
  assert.equal(failures.pause('2001:db8::2'), 60)
  assert.equal(failures.pause('2001:db8:0:1::2'), null)
  now = 60_000
  assert.equal(failures.pause('2001:db8::1'), null)
  for (let host = 0; host < 50_000; host++) failures.count(`10.0.${host >> 8}.${host & 255}`)
  for (let count = 0; count < 20; count++) failures.count('192.0.2.1')
  assert.equal(failures.pause('192.0.2.1'), 60)
  assert.deepEqual(['::ffff:192.0.2.1', 'fe80::1%eth0', '::1', '2001:DB8:1:2:3:4:5:6'].map(blockOf), [
    '192.0.2.1',
    'fe80:0:0:0::/64',
    '0:0:0:0::/64',
    '2001:db8:1:2::/64',
  ])
})

test('the log on disk has no token either', async () => {
  const { readFileSync } = await import('node:fs')
  const catalogue = readFileSync(join(server.folder, 'data', 'catalogue.db'))
  for (const token of Object.values(tokens)) assert.equal(catalogue.includes(token.slice(4)), false)
})
