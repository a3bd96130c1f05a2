// Archives that are not for everybody, on slaves: where their files come from, and who gets them.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readOwnManifest } from '../src/sync/protocol/documents.ts'
import type { ManifestArchive } from '../src/sync/protocol/manifest.ts'
import { recordFollowed } from '../src/sync/slave/flip.ts'
import { AptRoot } from './rig/apt.ts'
import { FakeArchive } from './rig/archive.ts'
import { type BuiltPackage, packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'
import { LocalSlave } from './rig/slave.ts'
import { caughtUp, served, slaveBehindRelay, until } from './rig/tiers.ts'
import { Told } from './rig/told.ts'

const content = packages('bash 5.1', 'mc 4.8')
const [bash] = content
const others = packages('vim 9.0')
const pathOf = ({ path }: BuiltPackage, archive = 'test') => `/approved/${archive}/${path}`
const inReleasePath = '/approved/test/dists/stable/InRelease'

interface Scene {
  readonly folder: string
  /** It wants a token, and is not for everybody. */
  readonly archive: FakeArchive
  /** For everybody. */
  readonly open: FakeArchive
  readonly master: TestServer
}

async function play(access: (folder: string) => string, story: (scene: Scene) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), 'uus-access-'))
  try {
    await using archive = await FakeArchive.start()
    await using open = await FakeArchive.start()
    await archive.publish('stable', { components: { main: { amd64: content } } })
    await open.publish('stable', { components: { main: { amd64: others } } })
    writeFileSync(join(folder, 'token'), 'up-secret')
    writeFileSync(join(folder, 'clients'), '# laptops\nclient-secret\n')
    const auth = `auth: {type: bearer, token-file: ${join(folder, 'token')}}`
    await using master = await TestServer.start({
      archives: [
        { archive, more: [auth, `access: ${access(folder)}`] },
        { archive: open, name: 'open' },
      ],
    })
    await master.call('update')
    await story({ folder, archive, open, master })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Of a network that may, and with tokens of a file. */
const byBoth = (folder: string) =>
  `{networks: [127.0.0.2/32, 2001:db8::/32], tokens-file: ${join(folder, 'clients')}}`

interface Asking {
  readonly token?: string
  /** The address that it is asked from. */
  readonly from?: string
}

function ask(server: TestServer, path: string, { token, from }: Asking = {}) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const asked = httpRequest(`${server.url}${path}`, {
      agent: false,
      headers: token === undefined ? {} : { authorization: token },
      ...(from === undefined ? {} : { localAddress: from }),
    })
    asked.on('error', reject)
    asked.on('response', async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      resolve({ status: response.statusCode!, text: Buffer.concat(chunks).toString('latin1') })
    })
    asked.end()
  })
}

const bearer = (token: string) => `Bearer ${token}`
const basic = (user: string, token: string) => `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`

/** A file of each kind that the archive has: signed ones, indexes by name and hash, those of a snapshot, packages. */
async function pathsOf(master: TestServer): Promise<string[]> {
  const release = (await ask(master, inReleasePath, { from: '127.0.0.2' })).text
  const [, digest] = /^ ([0-9a-f]{64}) +\d+ main\/binary-amd64\/Packages\.gz$/m.exec(release)!
  const index = '/approved/test/dists/stable/main/binary-amd64'
  const snapshot = `/snapshots/approved/${await served(master)}/test`
  return [
    inReleasePath,
    `${index}/Packages.gz`,
    `${index}/by-hash/SHA256/${digest}`,
    `${snapshot}/dists/stable/InRelease`,
    `${snapshot}/${bash!.path}`,
    pathOf(bash!),
  ]
}

test('an archive that wants credentials is fetched through the master only', async () => {
  await play(
    () => '{networks: [127.0.0.0/8]}',
    async ({ archive, open, master }) => {
      const { archives } = await (await Told.by(master)).manifest()
      const told = archives.map(({ name, uris }) => [name, uris.map(({ uri }) => uri)])
      assert.deepEqual(told, [
        ['open', [open.url]],
        ['test', []],
      ])

      await using bent = await slaveBehindRelay(master, 'oslo')
      await caughtUp(master, bent.slave)
      await bent.relay.cut()
      const asked = archive.requests.length
      assert.equal((await ask(bent.slave, pathOf(others[0]!, 'open'))).status, 200, 'from the archive itself')
      assert.ok((await ask(bent.slave, pathOf(bash!))).status >= 500)
      assert.equal(archive.requests.length, asked, 'nobody asked it without credentials')
      bent.relay.mend()
      await bent.slave.restart() // it would leave a host that failed alone for a while
      assert.ok((await bent.slave.bytes(pathOf(bash!))).equals(bash!.file))
      assert.ok(archive.requests.every(({ headers }) => headers.authorization === 'Bearer up-secret'))
    },
  )
})

test(
  'a slave, and a slave of it, let in whom the master lets in, with the same words for others',
  needs('apt-get'),
  async () => {
    await play(byBoth, async ({ folder, archive, master }) => {
      await using first = await slaveBehindRelay(master, 'oslo', [], true, ['approved'])
      await caughtUp(master, first.slave)
      await using second = await slaveBehindRelay(first.slave, 'suburb')
      await caughtUp(master, second.slave)
      const servers = [master, first.slave, second.slave]

      for (const path of await pathsOf(master)) {
        // The last one first: what it does not have it gets from the others.
        const right = await ask(second.slave, path, { token: bearer('client-secret') })
        assert.equal(right.status, 200, `${path}: ${right.text}`)
        for (const server of servers) {
          const refused = await ask(server, path)
          assert.equal(refused.status, 401, path)
          assert.match(
            refused.text,
            /^Archive test is not for everybody: it takes a token, or another network/,
          )
          for (const token of [bearer('wrong'), basic('client-secret', 'wrong'), 'Bearer', 'x'])
            assert.deepEqual(await ask(server, path, { token }), refused, token)
          for (const asking of [
            { token: bearer('client-secret') },
            { token: basic('anybody', 'client-secret') },
            { from: '127.0.0.2' },
          ])
            assert.deepEqual(await ask(server, path, asking), right, JSON.stringify(asking))
        }
      }
      for (const server of servers) assert.equal((await ask(server, pathOf(others[0]!, 'open'))).status, 200)
      const debs = archive.requests.filter(({ path }) => path.endsWith(bash!.path))
      assert.equal(debs.length, 1, 'came through both masters')

      // A slave has its channels whole, and nothing else; to others its token is nothing.
      const tokenOf = ({ folder: at }: TestServer) =>
        bearer(readFileSync(join(at, 'data', 'master.token'), 'utf8').trim())
      assert.equal((await ask(master, pathOf(content[1]!), { token: tokenOf(first.slave) })).status, 200)
      const other = pathOf(content[1]!).replace('approved', 'testing')
      assert.equal((await ask(master, other, { token: tokenOf(first.slave) })).status, 401)
      assert.equal((await ask(master, pathOf(bash!), { token: tokenOf(second.slave) })).status, 401)
      await master.call('slave revoke', { name: 'oslo', reason: 'test' })
      assert.equal((await ask(master, pathOf(bash!), { token: tokenOf(first.slave) })).status, 401)

      // Neither side tells anybody's token to anybody.
      for (const { relay } of [first, second]) assert.ok(relay.requests.length > 3)
      const database = readFileSync(join(second.slave.folder, 'data', 'catalogue.db'))
      assert.ok(!database.includes('client-secret'))

      using apt = new AptRoot()
      apt.setSources(await second.slave.text('/approved.sources'))
      await assert.rejects(apt.update(), /401/)
      const { host } = new URL(second.slave.url)
      const entry = `machine http://${host} login laptop password client-secret\n`
      writeFileSync(join(apt.folder, 'auth.conf'), entry, { mode: 0o600 })
      await apt.update()
      assert.deepEqual(await apt.download('bash'), ['bash 5.1'])
      assert.doesNotMatch(servers.map(({ log }) => log).join(), new RegExp(`secret|${folder}`))
    })
  },
)

test('another token, another network, no rule any more: slaves hear of it without a new snapshot', async () => {
  await play(byBoth, async ({ folder, master }) => {
    await using first = await slaveBehindRelay(master, 'oslo')
    await caughtUp(master, first.slave)
    await using second = await slaveBehindRelay(first.slave, 'suburb')
    await caughtUp(master, second.slave)
    const snapshot = await served(master)
    const paths = await pathsOf(master)
    const status = async (server: TestServer, asking: Asking) =>
      (await ask(server, inReleasePath, asking)).status
    const becomes = async (wanted: number, asking: Asking) => {
      for (const server of [master, first.slave, second.slave])
        await until(`${wanted} for ${JSON.stringify(asking)}`, async () => {
          return (await status(server, asking)) === wanted
        })
    }
    await becomes(200, { token: bearer('client-secret') })
    await becomes(401, { token: bearer('next-secret') })
    writeFileSync(join(folder, 'clients'), 'next-secret\n')
    process.kill(master.pid, 'SIGHUP')
    await becomes(200, { token: bearer('next-secret') })
    await becomes(401, { token: bearer('client-secret') })

    const configured = readFileSync(master.configPath, 'utf8')
    const restart = async (config: string) => {
      writeFileSync(master.configPath, config)
      await master.restart()
      first.relay.target = master.url
    }
    await restart(configured.replace('127.0.0.2/32', '127.0.0.3/32'))
    await becomes(401, { from: '127.0.0.2' })
    await becomes(200, { from: '127.0.0.3' })
    // A file that is gone lets nobody in.
    rmSync(join(folder, 'clients'))
    process.kill(master.pid, 'SIGHUP')
    await becomes(401, { token: bearer('next-secret') })

    // One that left the configuration is still in channels and snapshots, under the rule that it had.
    const [begin, end] = ['  - name: test', '  - name: open'].map((line) => configured.indexOf(line))
    await restart(configured.slice(0, begin) + configured.slice(end))
    const { date, archives } = await (await Told.by(master)).manifest()
    const rule = archives.find(({ name }) => name === 'test')!.access
    assert.deepEqual(rule, { networks: ['127.0.0.3/32', '2001:db8::/32'], tokens: [] })
    for (const server of [master, first.slave, second.slave]) {
      const told = await Told.by(server, 'another')
      await until('what the master says now', async () => (await told.manifest()).date === date)
      for (const path of paths) assert.equal((await ask(server, path)).status, 401, path)
      assert.equal(await status(server, { from: '127.0.0.3' }), 200)
    }

    await restart(configured.replace(/^ +(auth|access): .*\n/gm, ''))
    await becomes(200, {})
    assert.equal(await served(second.slave), snapshot)
  })
})

test('a bundle brings the rule along', async () => {
  await play(byBoth, async ({ folder, master }) => {
    await using bent = await slaveBehindRelay(master, 'oslo', [], false)
    await bent.relay.cut()
    await bent.slave.restart()
    const file = join(folder, 'approved.tar')
    await master.call('snapshot export', { file })
    assert.ok(!readFileSync(file).includes('client-secret'))
    await bent.slave.call('snapshot import', { file })
    for (const path of await pathsOf(master)) {
      // The master would have to sign a snapshot by URL.
      if (path.startsWith('/snapshots/') && path.endsWith('/InRelease')) continue
      assert.equal((await ask(bent.slave, path)).status, 401, path)
      assert.equal((await ask(bent.slave, path, { token: bearer('client-secret') })).status, 200, path)
      assert.equal((await ask(bent.slave, path, { from: '127.0.0.2' })).status, 200, path)
    }
  })
})

test('rules that a version before passed over count at the next start; one that is not understood is an alarm', async () => {
  await play(byBoth, async ({ master }) => {
    await using slave = await LocalSlave.of(master)
    assert.equal(await slave.refusalOf(), '')
    const channelId = slave.store.channels.find('approved')!.id
    const known = () => slave.store.followed.find(channelId)!
    const ruleOf = () => known().archives.find(({ name }) => name === 'test')!.access
    const rule = ruleOf()
    assert.ok(rule !== null && rule !== 'closed')
    assert.deepEqual(rule.networks, ['127.0.0.2/32', '2001:db8::/32'])
    assert.equal(rule.tokens.length, 1)

    const write = (change: (archive: ManifestArchive) => object) =>
      slave.store.db.write((tx) => {
        const archives = known().archives.map((one) => change(one as ManifestArchive) as ManifestArchive)
        slave.store.followed.put(tx, { ...known(), archives })
      })
    write(({ access: _, ...before }) => before)
    assert.equal(ruleOf(), null)
    await slave.open()
    assert.deepEqual(ruleOf(), rule)

    // Snapshots by URL have what the channel does not have any more.
    const held = readOwnManifest(slave.store.manifests.find(channelId)!.bytes)
    const without = { ...held, archives: held.archives.filter(({ name }) => name !== 'test') }
    slave.store.db.write((tx) => recordFollowed(tx, without, slave.store, channelId))
    assert.deepEqual(ruleOf(), rule)

    write((archive) => ({ ...archive, access: 'closed' }))
    const { alarms } = await slave.status()
    assert.match(
      alarms.find(({ key }) => key === 'closed:approved/test')?.message ?? '',
      /nobody gets archive test from here/,
    )
  })
})
