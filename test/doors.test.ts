// The server's doors: TLS and its renewal, administrators apart from clients, and what one client may take.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { request } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { Authenticator } from '../src/actions/authenticate.ts'
import { SyncSource } from '../src/actions/sync-source.ts'
import type { TokenResult } from '../src/actions/users.ts'
import { Certificate } from '../src/lib/certificate.ts'
import type { UusError } from '../src/lib/errors.ts'
import { listenHttp } from '../src/listen.ts'
import { createApp } from '../src/web/app.ts'
import { FakeArchive } from './rig/archive.ts'
import { packages } from './rig/packages.ts'
import { needs, run } from './rig/programs.ts'
import { Rig } from './rig/rig.ts'
import { TestServer } from './rig/server.ts'

class Certificates implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'uus-cert-'))
  readonly cert = join(this.folder, 'cert.pem')
  readonly key = join(this.folder, 'key.pem')

  /** Puts another certificate in the place of the present one. */
  async renew(name: string): Promise<void> {
    const words = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    const out = ['-keyout', `${this.key}.new`, '-out', `${this.cert}.new`]
    const { status, output } = await run('openssl', ['req', ...words, '-subj', `/CN=${name}`, ...out])
    assert.equal(status, 0, output)
    copyFileSync(`${this.key}.new`, this.key)
    copyFileSync(`${this.cert}.new`, this.cert)
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true })
  }
}

interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly text: string
  readonly subject: string
}

/** Over TLS; the certificate is looked at, not verified. */
async function secureGet(port: number, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const options = { host: '127.0.0.1', port, path, headers, rejectUnauthorized: false, agent: false as const }
  const asking = request(options)
  asking.end()
  const [response] = await once(asking, 'response')
  const peer = (response.socket as TLSSocket).getPeerCertificate() as PeerCertificate
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode, headers: response.headers, text, subject: String(peer.subject.CN) }
}

async function aServer(more: readonly string[]): Promise<{ server: TestServer } & AsyncDisposable> {
  const archive = await FakeArchive.start()
  await archive.publish('stable', {
    components: { main: { amd64: packages('bash 5.1') } },
    date: Date.now() - 3_600_000,
  })
  const server = await TestServer.start({ archives: [{ archive }], more }).catch(async (error) => {
    await archive[Symbol.asyncDispose]()
    throw error
  })
  await server.call('update')
  return {
    server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await archive[Symbol.asyncDispose]()
    },
  }
}

function portOf(server: TestServer, door: string): number {
  return Number(new RegExp(`${door} on \\S+:(\\d+)`).exec(server.log)![1])
}

/** Waits until the server's log says it. */
async function logged(server: TestServer, text: RegExp): Promise<void> {
  for (let look = 0; !text.test(server.log); look++) {
    assert.ok(look < 500, `not in the log: ${text}\n${server.log}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test(
  'TLS beside plain http; a renewed certificate is taken over, a broken one is not',
  needs('openssl'),
  async () => {
    using files = new Certificates()
    await files.renew('first')
    await using one = await aServer([`tls: {cert: ${files.cert}, key: ${files.key}, listen: "127.0.0.1:0"}`])
    const { server } = one
    const port = portOf(server, 'TLS')
    const path = '/testing/test/dists/stable/InRelease'
    const first = await secureGet(port, path)
    assert.deepEqual([first.status, first.subject], [200, 'first'])
    assert.equal(first.text, await server.text(path))
    await files.renew('second')
    process.kill(server.pid, 'SIGHUP')
    let subject = 'first'
    for (let look = 0; subject === 'first' && look < 200; look++)
      subject = (await secureGet(port, path)).subject
    assert.equal(subject, 'second')
    writeFileSync(files.key, 'no key')
    process.kill(server.pid, 'SIGHUP')
    await logged(server, /cannot be used: .*; the one before stays in use/)
    assert.deepEqual((await secureGet(port, path)).subject, 'second')
  },
)

test(
  'a certificate that changes is noticed without a signal; two that do not belong together are refused',
  needs('openssl'),
  async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] })
    using files = new Certificates()
    await files.renew('first')
    const errors: UusError[] = []
    using certificate = new Certificate(files, (error) => void errors.push(error))
    const seen: Buffer[] = []
    certificate.follow((pair) => void seen.push(pair.cert))
    t.mock.timers.tick(10_000)
    assert.equal(seen.length, 1, 'nothing changed')
    await files.renew('second')
    t.mock.timers.tick(10_000)
    assert.equal(seen.length, 2)
    assert.notDeepEqual(seen[0], seen[1])
    const { key } = files
    copyFileSync(key, `${key}.good`)
    await files.renew('third')
    copyFileSync(`${key}.good`, key)
    t.mock.timers.tick(10_000)
    assert.equal(seen.length, 2)
    assert.match(errors[0]!.message, /cannot be used: .*(mismatch|key values)/i)
  },
)

test('TLS on the main port, where plain http gets nothing', needs('openssl'), async () => {
  using files = new Certificates()
  await files.renew('only')
  await using one = await aServer([`tls: {cert: ${files.cert}, key: ${files.key}}`])
  const { server } = one
  const port = Number(new URL(server.url).port)
  assert.equal((await secureGet(port, '/readyz')).status, 200)
  await assert.rejects(server.get('/readyz'))
  const sources = await secureGet(port, '/testing.sources')
  assert.match(sources.text, new RegExp(`^URIs: https://127.0.0.1:${port}/testing/`, 'm'))
})

test('a certificate that is not there stops the start, with a sentence', async () => {
  await assert.rejects(aServer(['tls: {cert: nosuch.pem, key: nosuch.key}']), /nosuch.pem cannot be used/)
})

test('administrators come in by their own address only, once there is one', async () => {
  await using one = await aServer(['admin-listen: 127.0.0.1:0'])
  const { server } = one
  const admin = `http://127.0.0.1:${portOf(server, 'administrators')}`
  for (const path of ['/metrics', '/api/v1/openapi.json', '/api/v1/pending']) {
    assert.equal((await server.get(path)).status, 404, path)
    assert.notEqual((await fetch(`${admin}${path}`)).status, 404, path)
  }
  for (const path of ['/healthz', '/readyz', '/testing.sources', '/keys/testing.asc'])
    assert.equal((await server.get(path)).status, 200, path)
  const { alarms } = (await (await server.get('/healthz')).json()) as { alarms: unknown }
  assert.equal(alarms, 0, 'clients are told how many, not which')
  assert.deepEqual(((await (await fetch(`${admin}/healthz`)).json()) as { alarms: unknown }).alarms, [])
  assert.equal((await fetch(`${admin}/testing/test/dists/stable/InRelease`)).status, 200)
})

test('no answer says which program or version it comes from, and browsers are told to make nothing of it', async () => {
  await using one = await aServer([])
  const { server } = one
  const { version } = await server.call<{ version: string }>('status')
  assert.match(version, /^\d+\.\d+\.\d+$/)
  for (const path of [
    '/healthz',
    '/readyz',
    '/metrics',
    '/nosuch',
    '/api/v1/openapi.json',
    '/api/v1/status',
    '/testing/x',
  ]) {
    const response = await server.get(path)
    const all = `${[...response.headers].join('\n')}\n${await response.text()}`
    assert.doesNotMatch(all, /express|x-powered-by|^server/im, path)
    assert.doesNotMatch(all, new RegExp(`v?${process.versions.node}|"version":"${version}"`), path)
    if (path.startsWith('/testing')) continue
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff', path)
    assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/, path)
  }
})

async function isOpen(socket: Socket): Promise<boolean> {
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  return new Promise((resolve) => {
    socket.once('data', () => resolve(true))
    socket.once('close', () => resolve(false))
    socket.on('error', () => resolve(false))
  })
}

test('an address has so many connections and no more, until it gives some back', async () => {
  const door = { host: '127.0.0.1', port: 0, certificate: null, connectionsPerClient: 3 }
  await using listener = await listenHttp(door, (_request, response) => response.end('x'))
  const { port } = listener
  const open = (localAddress: string) => connect({ port, host: '127.0.0.1', localAddress })
  const mine = [1, 2, 3].map(() => open('127.0.0.1'))
  for (const socket of mine) assert.equal(await isOpen(socket), true)
  assert.equal(await isOpen(open('127.0.0.1')), false)
  const other = open('127.0.0.2')
  assert.equal(await isOpen(other), true, 'another address is not affected')
  const gone = once(mine[0]!, 'close')
  mine[0]!.destroy()
  await gone
  let again = false
  for (let attempt = 0; attempt < 100 && !again; attempt++) again = await isOpen(open('127.0.0.1'))
  assert.equal(again, true)
  for (const socket of [...mine, other]) socket.destroy()
})

test('a head that is too large or comes by drips is answered and cut', async () => {
  const door = { host: '127.0.0.1', port: 0, certificate: null, connectionsPerClient: 3 }
  await using listener = await listenHttp(door, (_request, response) => response.end('x'))
  const { port, server } = listener
  const large = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'X-Large': 'x'.repeat(20_000) } })
  assert.equal(large.status, 431)
  assert.equal(server.headersTimeout, 15_000)
  server.headersTimeout = 100
  const slow = connect(port, '127.0.0.1')
  slow.write('GET / HTTP/1.1\r\n')
  const [answer] = await once(slow, 'data')
  assert.match(String(answer), /^HTTP\/1.1 408 /)
})

test('secrets are not taken over plain http from other hosts, unless that is wanted', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', { components: { main: { amd64: packages('bash 5.1') } } })
  await using rig = await Rig.open({ archives: [{ archive }] })
  await rig.call('user add', { name: 'jorge', role: 'viewer' })
  const { token } = await rig.call<TokenResult>('user token', { name: 'jorge' })
  const health = { alarms: () => [], suites: () => [], checkpoint: () => null }
  const { context } = rig.process
  const source = new SyncSource({
    reader: rig.store,
    jobs: context.jobs,
    clock: rig.clock,
    log: () => {},
    version: '0',
    isMaster: true,
    chain: () => [],
  })
  const statusFrom = async (address: string, allowsHttp: boolean) => {
    const authenticator = new Authenticator(rig.store.people, () => rig.clock.now())
    const api = { authenticator, summaries: new Map(), allowsHttp, onError: () => {} }
    const server = createServer(createApp(context, health, { source, allowsHttp }, api))
    server.on('connection', (socket) => Object.defineProperty(socket, 'remoteAddress', { value: address }))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/status`
    const { status } = await fetch(url, { headers: { Authorization: `Bearer ${token}` } })
    server.closeAllConnections()
    server.close()
    return status
  }
  assert.equal(await statusFrom('192.0.2.7', false), 403)
  assert.equal(await statusFrom('192.0.2.7', true), 200)
  assert.equal(await statusFrom('::ffff:127.0.0.1', false), 200)
})
