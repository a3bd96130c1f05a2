// Archives that want credentials, and who gets their files from us.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { StatusResult } from '../src/actions/status.ts'
import { AptRoot } from './rig/apt.ts'
import { FakeArchive } from './rig/archive.ts'
import { packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'

const offered = packages('bash 5.1')
const [bash] = offered
const basic = (user: string, token: string) => `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`

async function locked(
  type: 'bearer' | 'basic',
  run: (server: TestServer, archive: FakeArchive, folder: string) => Promise<void>,
) {
  const folder = mkdtempSync(join(tmpdir(), 'uus-access-'))
  writeFileSync(join(folder, 'token'), 'up-secret\n')
  writeFileSync(join(folder, 'clients'), '# laptops\nclient-secret\n')
  try {
    await using archive = await FakeArchive.start()
    await archive.publish('stable', { components: { main: { amd64: offered } } })
    const more = [
      `auth: {type: ${type}, user: me, token-file: ${join(folder, 'token')}}`,
      `access: {networks: [192.0.2.0/24], tokens-file: ${join(folder, 'clients')}}`,
    ]
    await using server = await TestServer.start({
      archives: [{ archive, more }],
      more: ['proxy-listen: 127.0.0.1:0', 'access-log: access.log'],
    })
    await server.call('update')
    await run(server, archive, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const wanted = { bearer: 'Bearer up-secret', basic: basic('me', 'up-secret') }

for (const type of ['bearer', 'basic'] as const) {
  test(`${type}: upstream is shown it with every question, and clients need one of their own`, async () => {
    await locked(type, async (server, archive) => {
      const path = `/testing/test/${bash!.path}`
      for (const url of [path, '/testing/test/dists/stable/InRelease']) {
        const refused = await server.get(url)
        assert.equal(refused.status, 401, url)
        assert.match(refused.headers.get('www-authenticate') ?? '', /^Basic /)
        assert.equal((await server.get(url, { Authorization: basic('x', 'wrong') })).status, 401)
        assert.equal((await server.get(url, { Authorization: 'Bearer client-secret' })).status, 200)
      }
      const got = await server.get(path, { Authorization: basic('anybody', 'client-secret') })
      assert.ok(Buffer.from(await got.arrayBuffer()).equals(bash!.file))
      assert.ok(archive.requests.length > 2)
      assert.ok(archive.requests.every(({ headers }) => headers.authorization === wanted[type]))
    })
  })
}

test('real apt: with a token in auth.conf it installs, without it is refused', needs('apt-get'), async () => {
  await locked('bearer', async (server) => {
    const sources = await server.text('/testing.sources')
    using stranger = new AptRoot()
    stranger.setSources(sources)
    await assert.rejects(stranger.update(), /401/)
    using known = new AptRoot()
    known.setSources(sources)
    const { hostname, port } = new URL(server.url)
    writeFileSync(
      join(known.folder, 'auth.conf'),
      `machine http://${hostname}:${port} login laptop password client-secret\n`,
      { mode: 0o600 },
    )
    await known.update()
    assert.deepEqual(await known.download('bash'), ['bash 5.1'])
  })
})

test('the forward proxy asks as well', async () => {
  await locked('bearer', async (server, archive) => {
    const proxy = await server.proxyUrl()
    const target = `${archive.url}/dists/stable/InRelease`
    const status = (path: string, headers: Record<string, string> = {}) =>
      new Promise<number>((resolve, reject) => {
        const { hostname, port } = new URL(proxy)
        const asked = httpRequest({ hostname, port, path, headers, agent: false }, (response) => {
          response.resume()
          resolve(response.statusCode!)
        })
        asked.on('error', reject).end()
      })
    const token = basic('x', 'client-secret')
    assert.equal(await status(target), 407)
    assert.equal(await status(target, { 'Proxy-Authorization': token }), 200)
    const prefixed = target.replace('http:/', '')
    assert.equal(await status(prefixed), 401)
    assert.equal(await status(prefixed, { Authorization: token }), 200)
    await server.stop()
    const log = readFileSync(join(server.folder, 'access.log'), 'utf8')
    assert.doesNotMatch(log + server.log, /secret/)
  })
})

test('credentials that open indexes but no package file are an alarm', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', { components: { main: { amd64: offered } } })
  archive.lie(/pool/, { type: 'status', status: 403 })
  const folder = mkdtempSync(join(tmpdir(), 'uus-access-'))
  try {
    writeFileSync(join(folder, 'token'), 'stale')
    const more = [
      `auth: {type: bearer, token-file: ${join(folder, 'token')}}`,
      'access: {networks: [127.0.0.1]}',
    ]
    await using server = await TestServer.start({ archives: [{ archive, more }] })
    await server.call('update')
    for (;;) {
      const { alarms } = await server.call<StatusResult>('status')
      const found = alarms.find(({ key }) => key === 'auth:test')
      if (found === undefined) continue
      assert.match(found.message, /credentials open no package file: .*403/)
      break
    }
    assert.equal((await server.get('/testing/test/dists/stable/InRelease')).status, 200, 'of that network')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
