// What machines below slaves see of a promotion: real apt on a master and three slaves, two of them side by side and one
// below another.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { SnapshotEntry } from '../src/actions/snapshots.ts'
import type { StatusResult } from '../src/actions/status.ts'
import { AptRoot } from './rig/apt.ts'
import { FakeArchive } from './rig/archive.ts'
import { aDeb } from './rig/debs.ts'
import { later } from './rig/later.ts'
import { aPackage, type BuiltPackage, packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { Relay } from './rig/relay.ts'
import { TestServer } from './rig/server.ts'
import { suite } from './rig/story.ts'
import { caughtUp, served, slaveBehindRelay } from './rig/tiers.ts'
import { changedBlocks, Told } from './rig/told.ts'

const nameOf = (index: number) => `package-${String(index).padStart(4, '0')}`
/** Of those that upstream renews, half are approved. */
const renewed = Array.from({ length: 20 }, (_, index) => nameOf(1000 + index))
const promoted = renewed.slice(0, 10)
const real = promoted[3]!

function content(version: string, deb: BuiltPackage | null): BuiltPackage[] {
  return Array.from({ length: 2000 }, (_, index) => {
    const name = nameOf(index)
    if (name === real && deb !== null) return deb
    // Texts that do not pack to nothing: blocks have to be told from what is said of them.
    const more = `X-Text: ${Array.from({ length: 12 }, (_, word) => ((index + 1) * (word + 7) * 2654435761).toString(36)).join(' ')}\n`
    return aPackage({ name, version: renewed.includes(name) ? version : '1.0', more })
  })
}

const folder = '/approved/test/dists/stable'

/** Every file that the Release names, by its names. */
async function checkSameBytes(master: TestServer, slave: TestServer): Promise<void> {
  const release = await master.text(`${folder}/Release`)
  assert.deepEqual(await slave.text(`${folder}/InRelease`), await master.text(`${folder}/InRelease`))
  const files = [...release.matchAll(/^ ([0-9a-f]{64}) +\d+ (\S+)$/gm)].map(([, digest, path]) => ({
    path: path!,
    byHash: join(path!, '..', 'by-hash', 'SHA256', digest!),
  }))
  const compared: string[] = []
  for (const { path, byHash } of files) {
    for (const name of [path, byHash]) {
      const [ours, theirs] = await Promise.all([slave, master].map((one) => one.get(`${folder}/${name}`)))
      assert.equal(ours!.status, theirs!.status, name)
      if (!theirs!.ok) continue
      compared.push(name)
      assert.ok(Buffer.from(await ours!.arrayBuffer()).equals(Buffer.from(await theirs!.arrayBuffer())), name)
    }
  }
  const index = files.find(({ path }) => path === 'main/binary-amd64/Packages.gz')!
  assert.ok(compared.includes(index.path) && compared.includes(index.byHash))
}

test(
  'ten of 2,000 packages: every machine below a star and a chain of slaves sees them, and slaves fetch what changed',
  needs('apt-get', 'dpkg', 'dpkg-deb'),
  async () => {
    await using archive = await FakeArchive.start()
    const date = Date.now() - 3_600_000
    await archive.publish('stable', suite(content('1.0', null), { date }))
    await using master = await TestServer.start({ archives: [{ archive }] })
    await master.call('update')
    await using stack = new AsyncDisposableStack()
    const follow = async (of: TestServer, name: string) => {
      const made = stack.use(await slaveBehindRelay(of, name, [], true, ['approved']))
      await caughtUp(master, made.slave)
      return made
    }
    const [oslo, berlin] = await Promise.all(['oslo', 'berlin'].map((name) => follow(master, name)))
    const suburb = await follow(oslo!.slave, 'suburb')
    const servers: { server: TestServer; relay: Relay | null }[] = [
      { server: master, relay: null },
      ...[oslo!, berlin!, suburb].map(({ slave, relay }) => ({ server: slave, relay })),
    ]
    const machines = await Promise.all(
      servers.map(async ({ server }) => {
        const apt = stack.use(new AptRoot())
        apt.setSources(await server.text('/approved.sources'))
        await apt.update()
        assert.deepEqual(
          await apt.candidates(renewed),
          Object.fromEntries(renewed.map((name) => [name, '1.0'])),
        )
        return apt
      }),
    )

    const told = await Told.by(master)
    const before = await told.recipes()
    const deb = await aDeb({ name: real, version: '1.1' })
    await archive.publish('stable', suite(content('1.1', deb), { date: date + 60_000 }))
    await master.call('update')
    const old = await served(master)
    for (const { relay } of servers) if (relay !== null) relay.receivedBytes = 0
    await master.call('promote', { selectors: promoted })
    assert.notEqual(await served(master), old)
    await Promise.all(servers.map(({ server }) => caughtUp(master, server)))

    const received = servers.flatMap(({ relay }) => (relay === null ? [] : [relay.receivedBytes]))
    const { allBytes, changedBytes, indexes } = changedBlocks(before, await told.recipes())
    assert.ok(changedBytes > 0 && indexes > 0)
    const most = changedBytes + indexes * (64 << 10)
    assert.ok(most < allBytes / 2, `${most} of ${allBytes}: the bound tells something`)
    for (const bytes of received) {
      assert.ok(bytes >= changedBytes, `${bytes} received, ${changedBytes} changed`)
      assert.ok(bytes <= most, `${bytes} received, ${changedBytes} changed in ${indexes} indexes`)
    }

    const wanted = Object.fromEntries(renewed.map((name) => [name, promoted.includes(name) ? '1.1' : '1.0']))
    await Promise.all(
      servers.map(async ({ server }, index) => {
        await checkSameBytes(master, server)
        const apt = machines[index]!
        await apt.update()
        assert.deepEqual(await apt.candidates(renewed), wanted)
        const { status, output } = await apt.install(real)
        assert.equal(status, 0, output)
        assert.doesNotMatch(output, /^[WE]:/m)
        assert.match(output, new RegExp(`^Get:1 ${server.url}/approved/test `, 'm'))
        assert.equal(readFileSync(join(apt.root, 'usr', 'share', real, 'version'), 'utf8'), `${real} 1.1\n`)
      }),
    )
  },
)

test(
  'months without the master, by the clocks of server and apt: served on, then expired in words; back, all is well at once',
  needs('apt-get', 'faketime'),
  async () => {
    const offered = (version: string) => packages(`bash ${version}`, 'vim 9.0', 'mc 4.8', 'nano 7.2')
    await using archive = await FakeArchive.start()
    let date = Date.now() - 3_600_000
    const offer = (version: string) => {
      date += 60_000
      return archive.publish('stable', suite(offered(version), { date }))
    }
    await offer('5.1')
    await using master = await TestServer.start({ archives: [{ archive }] })
    await master.call('update')
    await using bent = await slaveBehindRelay(master, 'oslo', [], true, ['approved'])
    const { slave, relay } = bent
    await caughtUp(master, slave)
    // Its address has to stay what apt knows.
    await using clients = await Relay.start()
    using apt = new AptRoot()
    const sources = await slave.text('/approved.sources')
    apt.setSources(sources.replaceAll(slave.url, clients.url))
    const validity = async () => {
      const { alarms } = await slave.call<StatusResult>('status')
      return alarms.find(({ key }) => key === 'validity:approved')?.message ?? null
    }
    const passTo = async (days: number) => {
      const environment = await later(days)
      slave.environment = environment
      apt.environment = environment
      await slave.restart()
      clients.target = slave.url
    }

    await relay.cut()
    await passTo(20)
    assert.equal(await validity(), null)
    await apt.update()

    await passTo(30)
    assert.match((await validity()) ?? '', /not renewed; clients will refuse it from /)
    await apt.update()
    assert.deepEqual(await apt.download('bash'), ['bash 5.1'])

    await passTo(46)
    assert.match((await validity()) ?? '', /clients refuse it since /)
    const refused = await apt.get('update')
    assert.notEqual(refused.status, 0)
    assert.match(refused.output, /^E: Release file for \S+ is (expired|not valid anymore)/m)
    assert.deepEqual(await apt.download('vim'), ['vim 9.0'], 'the lists that it has still do')

    // The master was there all the time, and did its work every day.
    master.environment = await later(46)
    await master.restart()
    relay.target = master.url
    for (const version of ['5.2', '5.3', '5.4']) {
      await offer(version)
      await master.call('update')
      await master.call('promote', { selectors: ['@all'] })
    }
    const before = await snapshotsOf(slave)
    relay.mend()
    await slave.call('sync')
    await caughtUp(master, slave)
    const after = await snapshotsOf(slave)
    assert.deepEqual([before.length, after.length], [1, 2], 'in one step')
    assert.equal(after.find(({ isCurrent }) => isCurrent)!.id, await served(master))
    assert.equal(await validity(), null)
    await apt.update()
    assert.deepEqual(await apt.download('bash'), ['bash 5.4'])
  },
)

async function snapshotsOf(server: TestServer): Promise<readonly SnapshotEntry[]> {
  const { items } = await server.call<{ items: SnapshotEntry[] }>('snapshot list')
  return items.filter(({ channel }) => channel === 'approved')
}
