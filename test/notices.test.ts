// Notices: what is told, to whom, once; by webhooks that fail, and by mail to a real SMTP server.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { SMTPServer } from 'smtp-server'
import {
  collectNoticesStep,
  dueNoticesStep,
  type NoticeBody,
  type NoticeEntry,
  retrySeconds,
  settleNoticesStep,
} from '../src/actions/notices.ts'
import { buildTargets, type NoticeTarget, notifications } from '../src/config/notify.ts'
import { system } from '../src/jobs.ts'
import { Notifier } from '../src/notify/notifier.ts'
import { FakeArchive } from './rig/archive.ts'
import { hour } from './rig/clock.ts'
import { aPackage, packages } from './rig/packages.ts'
import { Rig } from './rig/rig.ts'
import { TestServer } from './rig/server.ts'

const call = { actor: system, emit: () => {} }
const secret = `whsec_${Buffer.from('a secret of 24 bytes long').toString('base64')}`

interface Received {
  readonly id: string
  readonly body: NoticeBody
  readonly isSigned: boolean
}

/** Answers with these status codes, one after the other, then 200. */
async function receiver(...codes: number[]) {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const header = (name: string) => String(request.headers[name])
    const key = Buffer.from(secret.slice(6), 'base64')
    const expected = createHmac('sha256', key)
      .update(`${header('webhook-id')}.${header('webhook-timestamp')}.${text}`)
      .digest('base64')
    received.push({
      id: header('webhook-id'),
      body: JSON.parse(text) as NoticeBody,
      isSigned: header('webhook-signature') === `v1,${expected}`,
    })
    response.writeHead(codes.shift() ?? 200).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    received,
    url: `http://127.0.0.1:${port}/hook`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function mailServer() {
  const mails: string[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        mails.push(Buffer.concat(chunks).toString())
        done()
      })
    },
  })
  const listening = server.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  return {
    mails,
    url: `smtp://127.0.0.1:${(listening.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

function secretFile() {
  const folder = mkdtempSync(join(tmpdir(), 'uus-notices-'))
  const path = join(folder, 'secret')
  writeFileSync(path, `${secret}\n`)
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) }
}

function notifierOf(rig: Rig, targets: readonly NoticeTarget[]): Notifier {
  const { jobs } = rig.process.context
  return new Notifier({
    targets,
    log: () => {},
    now: () => rig.clock.now(),
    collect: (events) => jobs.run(collectNoticesStep, events, call),
    due: () => jobs.run(dueNoticesStep, { limit: 100 }, call),
    settle: (outcomes) => jobs.run(settleNoticesStep, outcomes, call),
  })
}

function hook(url: string, path: string, events?: readonly string[]): NoticeTarget[] {
  const raw = notifications.parse({
    webhooks: { ops: { url, 'secret-file': path, ...(events && { events }) } },
  })
  return buildTargets(raw, (file) => file)
}

const start = Date.parse('2026-11-20T10:00:00Z')

async function publish(archive: FakeArchive, names: readonly string[], at: number): Promise<void> {
  await archive.publish('stable', { components: { main: { amd64: packages(...names) } }, date: at })
}

async function waiting(archive: FakeArchive): Promise<Rig> {
  await publish(archive, ['bash 5.1', 'vim 9.0'], start)
  const rig = await Rig.open({ archives: [{ archive }] })
  await rig.mustUpdate()
  return rig
}

test('a receiver that fails twice and then accepts has each notice once, signed', async () => {
  await using archive = await FakeArchive.start()
  await using rig = await waiting(archive)
  await using to = await receiver(500, 503)
  using key = secretFile()
  using notifier = notifierOf(rig, hook(to.url, key.path))
  await notifier.look()
  assert.equal(to.received.length, 0, 'nothing waits, and what was before is no news')

  await publish(archive, ['bash 5.2', 'vim 9.0'], start + hour)
  await rig.mustUpdate()
  await notifier.look()
  await notifier.look()
  assert.equal(to.received.length, 1, 'not again at once')
  for (const seconds of retrySeconds.slice(0, 2)) {
    rig.clock.advance(seconds * 1000)
    await notifier.deliver()
  }
  rig.clock.advance(7 * 86_400_000)
  await notifier.look()
  const waits = to.received.filter(({ body }) => body.type === 'waiting')
  assert.deepEqual(
    waits.map(({ id }) => id),
    Array(3).fill(waits[0]!.id),
    'the same id each time',
  )
  assert.ok(to.received.every(({ isSigned }) => isSigned))
  const { body } = waits[0]!
  assert.equal(body.data.summary, 'bash waits for approved for approval')
  assert.deepEqual(body.data.lines, ['bash 5.1 → 5.2 (stable)'])

  await rig.call('promote', { selectors: ['bash'], reason: 'tried' })
  await notifier.look()
  await notifier.look()
  const last = to.received.filter(({ body }) => body.type === 'promoted')
  assert.deepEqual(
    last.map(({ body }) => [body.data.channel, body.data.lines]),
    [['approved', ['bash 5.1 → 5.2 (stable)']]],
  )
})

test('what is given up is an alarm, is shown, and is tried again when somebody says so', async () => {
  await using archive = await FakeArchive.start()
  await using rig = await waiting(archive)
  await using to = await receiver(...Array<number>(retrySeconds.length + 1).fill(500))
  using key = secretFile()
  using notifier = notifierOf(rig, hook(to.url, key.path, ['waiting', 'forced']))
  await notifier.look()
  await publish(archive, ['bash 5.2', 'vim 9.0'], start + hour)
  await rig.mustUpdate()
  await notifier.look()
  for (const seconds of retrySeconds) {
    rig.clock.advance(seconds * 1000)
    await notifier.deliver()
  }
  rig.clock.advance(30 * 86_400_000)
  await notifier.deliver()
  assert.equal(to.received.length, retrySeconds.length + 1)
  const dead = async () => (await rig.call<{ items: NoticeEntry[] }>('notice list', { state: 'dead' })).items
  const [entry] = await dead()
  assert.match(entry!.error ?? '', /^127\.0\.0\.1:\d+ answered 500$/)
  const { alarms } = await rig.call<{ alarms: { key: string; message: string }[] }>('status')
  const alarm = alarms.find(({ key: name }) => name === 'notices-dead:webhook:ops')
  assert.match(alarm?.message ?? '', /^1 notice could not be brought to webhook:ops: /)
  assert.equal((await rig.call<{ count: number }>('notice retry', {})).count, 1)
  await notifier.deliver()
  assert.deepEqual(await dead(), [])
  assert.equal(to.received.length, retrySeconds.length + 2)
  assert.equal(new Set(to.received.map(({ id }) => id)).size, 1)
})

test('410 ends it at once; a receiver that cannot be reached keeps no other back', async () => {
  await using archive = await FakeArchive.start()
  await using rig = await waiting(archive)
  await using gone = await receiver(410)
  await using good = await receiver()
  using key = secretFile()
  const [first] = hook(gone.url, key.path)
  const [second] = hook(good.url, key.path)
  const [third] = hook('http://127.0.0.1:1/', key.path)
  const targets = [first!, { ...second!, name: 'webhook:b' }, { ...third!, name: 'webhook:c' }]
  using notifier = notifierOf(rig, targets)
  await notifier.look()
  await publish(archive, ['bash 5.2', 'vim 9.0'], start + hour)
  await rig.mustUpdate()
  await notifier.look()
  const { items } = await rig.call<{ items: NoticeEntry[] }>('notice list')
  const states = Object.fromEntries(items.map(({ target, state, event }) => [`${target} ${event}`, state]))
  assert.deepEqual(states, {
    'webhook:ops waiting': 'dead',
    'webhook:b waiting': 'done',
    'webhook:c waiting': 'waiting',
  })
})

test('holds are no news; force, blocks and alarms are', async () => {
  await using archive = await FakeArchive.start()
  await publish(archive, ['bash 5.1', 'vim 9.0'], start)
  await using rig = await Rig.open({ archives: [{ archive }] })
  await rig.mustUpdate()
  await using to = await receiver()
  using key = secretFile()
  using notifier = notifierOf(rig, hook(to.url, key.path))
  await notifier.look()
  await rig.call('hold', { selectors: ['vim'], reason: 'later' })
  const broken = [
    aPackage({ name: 'bash', version: '5.2', depends: 'vim (>= 9.1)' }),
    aPackage({ name: 'vim', version: '9.1' }),
  ]
  await archive.publish('stable', { components: { main: { amd64: broken } }, date: start + hour })
  await rig.mustUpdate()
  await notifier.look()
  assert.deepEqual(
    to.received.map(({ body }) => [body.type, body.data.summary]),
    [['blocked', 'bash waits for approved and no gate lets it in']],
  )
  assert.match(to.received[0]!.body.data.lines[0]!, /vim/)
  await rig.call('promote', { selectors: ['bash'], force: true, reason: 'now' })
  rig.clock.advance(90 * 86_400_000)
  await rig.call('status')
  await notifier.look()
  const types = to.received.slice(1).map(({ body }) => body.type)
  assert.equal(types.filter((type) => type === 'forced').length, 1)
  assert.ok(types.includes('alarm'), types.join(' '))
})

test('mail arrives at a real SMTP server, from a running server', async () => {
  await using archive = await FakeArchive.start()
  const now = Date.now()
  await publish(archive, ['bash 5.1'], now - 2 * hour)
  await using smtp = await mailServer()
  const more = `notifications: {mail: {ops: {server: "${smtp.url}", from: uus@example.com, to: ops@example.com}}}`
  await using server = await TestServer.start({ archives: [{ archive }], more: [more] })
  await server.call('update')
  await publish(archive, ['bash 5.2'], now - hour)
  await server.call('update')
  await server.call('promote', { selectors: ['bash'], reason: 'tried' })
  for (let wait = 0; wait < 600 && !smtp.mails.some((mail) => mail.includes('promoted')); wait++)
    await new Promise((resolve) => setTimeout(resolve, 100))
  const mail = smtp.mails.find((one) => one.includes('promoted'))
  assert.match(mail ?? '', /^Subject: \[UUS\] promoted: .*into approved/m)
  assert.match(mail ?? '', /^To: ops@example\.com/m)
  assert.match(mail ?? '', /^Message-ID: <msg_[0-9a-f]{32}@example\.com>/m)
})
