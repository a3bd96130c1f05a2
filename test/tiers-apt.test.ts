// What machines below slaves see of a promotion: real apt on a master and three slaves, two of them side by side and one
// below another.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AptRoot } from './rig/apt.ts'
import { FakeArchive } from './rig/archive.ts'
import { aDeb } from './rig/debs.ts'
import { aPackage, type BuiltPackage } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import type { Relay } from './rig/relay.ts'
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
