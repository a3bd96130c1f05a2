// The server as a whole: its processes, its refusals at the start, and that commands do the same with and without it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { VerifyResult } from '../src/actions/audit-verify.ts'
import type { StatusResult } from '../src/actions/status.ts'
import { FakeArchive } from './rig/archive.ts'
import { packages } from './rig/packages.ts'
import { needsRoot, run } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'

const hour = 3_600_000
let date = Date.now() - 500 * hour

function publish(archive: FakeArchive, ...names: string[]): Promise<void> {
  date += hour
  return archive.publish('stable', { components: { main: { amd64: packages(...names) } }, date })
}

interface Fixture extends AsyncDisposable {
  readonly archive: FakeArchive
  readonly server: TestServer
}

async function serving(...names: string[]): Promise<Fixture> {
  const archive = await FakeArchive.start()
  await publish(archive, ...names)
  const server = await TestServer.start({ archives: [{ archive }] })
  await server.json('update')
  return {
    archive,
    server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await archive[Symbol.asyncDispose]()
    },
  }
}

const inRelease = '/approved/test/dists/stable/InRelease'

/** The pid of the server's jobs process. */
async function jobsPid(server: TestServer): Promise<number> {
  const { stdout } = await run('pgrep', ['-P', String(server.pid)])
  return Number(stdout.trim())
}

test('serving goes on while the jobs process is dead, and it comes back', async () => {
  await using fixture = await serving('bash 5.1')
  const { server, archive } = fixture
  const before = await server.text(inRelease)
  process.kill(await jobsPid(server), 'SIGKILL')
  assert.equal(await server.text(inRelease), before)
  assert.equal((await server.get('/healthz')).status, 200)
  await publish(archive, 'bash 5.2')
  await server.json('update')
  assert.deepEqual(
    (await server.json<{ items: { to: string }[] }>('pending')).items.map((item) => item.to),
    ['5.2'],
  )
})

test('kill -9 of the server at any time: after a restart everything is there', async () => {
  await using fixture = await serving('bash 5.1')
  const { server, archive } = fixture
  for (let round = 2; round < 7; round++) {
    await publish(archive, `bash 5.${round}`)
    const updating = server.uus('update')
    await new Promise((resolve) => setTimeout(resolve, round * 40))
    await server.stop('SIGKILL')
    await updating
    await server.restart()
    await server.json('update')
    assert.equal((await server.get(inRelease)).status, 200)
  }
  const { items } = await server.json<{ items: { to: string }[] }>('pending')
  assert.deepEqual(
    items.map((item) => item.to),
    ['5.6'],
  )
})

test('a second server on the data directory is refused, and so is a second owner', async () => {
  await using fixture = await serving('bash 5.1')
  const { server } = fixture
  const second = await server.uus('serve', '--listen', '127.0.0.1:0')
  assert.equal(second.status, 1)
  assert.match(second.stderr, /The data directory is in use by uus serve \(pid \d+\)\n {2}→ /)
  assert.equal((await server.get(inRelease)).status, 200)
})

test('a port in use is a sentence with the next step', async () => {
  await using fixture = await serving('bash 5.1')
  const { server } = fixture
  await server.stop()
  const blocker = createServer()
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
  const { port } = blocker.address() as { port: number }
  const result = await server.uus('serve', '--listen', `127.0.0.1:${port}`)
  blocker.close()
  assert.equal(result.status, 1)
  assert.match(
    result.stderr,
    new RegExp(`Cannot listen on 127.0.0.1:${port}: the port is in use\\n {2}→ .*--listen`),
  )
})

test('a data directory that cannot be written is a sentence with the next step', async () => {
  await using fixture = await serving('bash 5.1')
  const { server } = fixture
  await server.stop()
  const blocked = join(server.folder, 'file')
  writeFileSync(blocked, '')
  const text = readFileSync(server.configPath, 'utf8').replace('data: data', `data: ${blocked}/below`)
  writeFileSync(server.configPath, text)
  const result = await server.uus('status')
  assert.equal(result.status, 1)
  assert.match(result.stderr, /Cannot make the data directory .*\n {2}→ Name another/)
})

test('commands give the same result with and without a running server', async () => {
  await using fixture = await serving('bash 5.1', 'vim 9.0')
  const { server, archive } = fixture
  await publish(archive, 'bash 5.2', 'vim 9.0', 'nano 7.0')
  await server.json('update')
  const commands = [
    ['explain', 'bash'], // first: pending shows what it read
    ['pending'],
    ['promote', '@all', '--dry-run'],
    ['channel', 'list'],
    ['channel', 'show', 'testing'],
    ['channel', 'diff', 'approved', 'testing'],
    ['snapshot', 'list'],
    ['archive', 'list'],
    ['key', 'list'],
    ['audit'],
    ['promote', 'no-such-package'],
    ['hold', 'no-such-package'],
  ]
  const call = async (arguments_: string[]) => {
    const { status, stdout } = await server.uus(...arguments_, '--json')
    return { status, stdout }
  }
  const withServer = []
  for (const command of commands) withServer.push(await call(command))
  await server.stop()
  for (const [index, command] of commands.entries()) {
    assert.deepEqual(await call(command), withServer[index], command.join(' '))
  }
})

test('what a command did without the server is served by the next one', async () => {
  await using fixture = await serving('bash 5.1')
  const { server, archive } = fixture
  await server.stop()
  await publish(archive, 'bash 5.2')
  await server.json('update')
  await server.json('promote', 'bash')
  await server.restart()
  const index = await server.get('/approved/test/dists/stable/main/binary-amd64/Packages.gz')
  assert.equal(index.status, 200)
  assert.equal((await server.get('/approved/test/pool/main/b/bash/bash_5.2_amd64.deb')).status, 200)
  assert.equal(
    (await server.get('/approved/test/pool/main/b/bash/bash_5.1_amd64.deb')).status,
    200,
    'retained',
  )
})

test('private keys and the socket are for their owner; nothing else is', async () => {
  await using fixture = await serving('bash 5.1')
  const { server } = fixture
  const { items } = await server.json<{ items: { fingerprint: string; role: string }[] }>('key', 'list')
  assert.deepEqual(
    items.map((key) => key.role),
    ['active', 'standby', 'active', 'standby', 'active'],
  )
  for (const { fingerprint } of items) {
    const mode = statSync(join(server.folder, 'data', 'keys', `${fingerprint}.key`)).mode & 0o777
    assert.equal(mode, 0o600)
  }
  assert.equal(statSync(join(server.folder, 'data', 'uus.sock')).mode & 0o777, 0o660)
})

test('who may not open the socket is told so', needsRoot(), async () => {
  await using fixture = await serving('bash 5.1')
  const { server } = fixture
  chmodSync(server.folder, 0o755)
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '..', 'src', 'main.ts'), 'status', '--config', server.configPath],
    {
      uid: 65_534,
      gid: 65_534,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  await once(child, 'exit')
  assert.match(stderr, /You may not talk to the server/)
})

test('a signal ends it in good order, and its socket and lock go with it', async () => {
  await using fixture = await serving('bash 5.1')
  const { server } = fixture
  await server.stop('SIGINT')
  assert.match(server.log, /Stopping \(SIGINT\)/)
  assert.ok(!existsSync(join(server.folder, 'data', 'uus.sock')))
  assert.equal((await server.uus('status')).status, 0)
})

test('enrolment files, keys and health', async () => {
  await using fixture = await serving('bash 5.1')
  const { server } = fixture
  const sources = await server.text('/approved.sources')
  assert.match(sources, new RegExp(`^URIs: ${server.url}/approved/test$`, 'm'))
  assert.match(sources, /^Valid-Until-Max: 3888000$/m)
  for (const [path, status] of [
    ['/nope.sources', 404],
    ['/approved.sources?release=nope', 404],
    ['/approved.sources?key=what', 400],
    ['/approved.pref', 400],
    ['/approved.pref?snapshot=20200101T000000Z', 404],
    ['/keys/nope.asc', 404],
    ['/keys/approved.asc', 200],
    ['/keys/approved.gpg', 200],
    ['/healthz', 200],
    ['/readyz', 200],
    ['/nope', 404],
    ['/approved', 404],
    ['/approved/nope/x', 404],
  ] as const) {
    const response = await server.get(path)
    assert.equal(response.status, status, path)
    assert.ok((await response.text()).length > 1, path)
  }
})

test('the audit log is verified while the server runs, and health shows what to keep', async () => {
  await using fixture = await serving('bash 5.1')
  const { server } = fixture
  const { audit } = (await (await server.get('/healthz')).json()) as {
    audit: { sequence: number; head: string }
  }
  await server.json('hold', 'bash')
  const file = join(server.folder, 'log.csv')
  const key = join(server.folder, 'audit.asc')
  writeFileSync(key, await server.text('/keys/audit.asc'))
  assert.equal(await server.text('/keys/audit.asc'), (await server.uus('key', 'export', 'audit')).stdout)
  await server.json('audit', '--format', 'csv', '--output', file)
  const seen = `${audit.sequence}:${audit.head}`
  for (const source of [[], [file]]) {
    const result = await server.json<VerifyResult>('audit', 'verify', ...source, '--key', key, '--seen', seen)
    assert.deepEqual([result.problem, result.provedThrough], [null, audit.sequence])
  }
  const other = `${audit.sequence}:${'0'.repeat(64)}`
  assert.equal((await server.uus('audit', 'verify', file, '--key', key, '--seen', other)).status, 1)
})

test('a channel that is not published yet answers 503 with a body and Retry-After', async () => {
  await using archive = await FakeArchive.start()
  archive.lie(/./, { type: 'status', status: 503, body: 'later' })
  await using server = await TestServer.start({ archives: [{ archive }] })
  const response = await server.get(inRelease)
  assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '30'])
  assert.match(await response.text(), /not published yet/)
  assert.equal((await server.get('/readyz')).status, 503)
  await server.uus('update')
  const health = (await (await server.get('/healthz')).json()) as {
    status: string
    alarms: { message: string }[]
  }
  assert.equal(health.status, 'alarm')
  assert.match(health.alarms[0]!.message, /test\/stable: .* answered 503/)
  const status = await server.json<StatusResult>('status')
  assert.equal(status.alarms.length, 1)
})
