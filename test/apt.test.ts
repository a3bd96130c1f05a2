// The real apt against the real server on loopback: what it accepts, and what it must refuse.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AptRoot } from './rig/apt.ts'
import { FakeArchive } from './rig/archive.ts'
import { aPackage, type BuiltPackage, packages } from './rig/packages.ts'
import { needs, run } from './rig/programs.ts'
import type { RigOptions } from './rig/rig.ts'
import { TestServer } from './rig/server.ts'

const hour = 3_600_000
// Real apt has a real clock.
let date = Date.now() - 200 * hour

function nextDate(): number {
  date += hour
  return date
}

/** `app` needs lib-0, which needs lib-1 and lib-2, and so on: 60 packages, deep and wide. */
function deepTree(version: string): BuiltPackage[] {
  const libraries = Array.from({ length: 59 }, (_, index) => {
    const needed = [index + 1, index * 2 + 1, index * 2 + 2].filter((one) => one > index && one < 59)
    const depends = needed.map((one) => `lib-${one} (>= ${version})`).join(', ')
    return aPackage({
      name: `lib-${index}`,
      version,
      source: 'app',
      ...(depends === '' ? {} : { depends }),
      architecture: index % 5 === 0 ? 'all' : 'amd64',
    })
  })
  return [aPackage({ name: 'app', version, depends: `lib-0 (= ${version})` }), ...libraries]
}

interface Fixture extends AsyncDisposable {
  readonly archive: FakeArchive
  readonly server: TestServer
  publish(content: readonly BuiltPackage[]): Promise<void>
}

async function serving(
  content: readonly BuiltPackage[],
  options: Partial<RigOptions> = {},
): Promise<Fixture> {
  const archive = await FakeArchive.start()
  const publish = (what: readonly BuiltPackage[]) =>
    archive.publish('stable', { components: { main: { amd64: what } }, date: nextDate() })
  await publish(content)
  const server = await TestServer.start({ archives: [{ archive }], ...options })
  await server.json('update')
  return {
    archive,
    server,
    publish,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await archive[Symbol.asyncDispose]()
    },
  }
}

test('the rig can fail: apt refuses an expired and a future Release', needs('apt-get'), async () => {
  await using archive = await FakeArchive.start()
  using apt = new AptRoot()
  apt.setSources(`Types: deb
URIs: ${archive.url}
Suites: stable
Components: main
Signed-By: ${archive.keyring}
`)
  const content = { components: { main: { amd64: packages('bash 5.1') } } }
  await archive.publish('stable', { ...content, date: Date.now() - hour })
  await apt.update()
  await archive.publish('stable', {
    ...content,
    date: Date.now() - hour / 2,
    validUntil: Date.now() - 60_000,
  })
  assert.match((await apt.get('update')).output, /is expired/)
  await archive.publish('stable', { ...content, date: Date.now() + hour })
  assert.match((await apt.get('update')).output, /is not valid yet/)
})

for (const compression of ['[gz]', '[xz]', '[gz, xz]']) {
  test(
    `update, install, promotion and rollback, with indexes as ${compression}`,
    needs('apt-get', 'xz'),
    async () => {
      const channels = {
        testing: `{from: upstream, compression: ${compression}}`,
        approved: `{from: testing, compression: ${compression}}`,
      }
      await using fixture = await serving(deepTree('1.0'), { channels })
      const { server, publish } = fixture
      using tester = new AptRoot()
      using client = new AptRoot()
      tester.setSources(await server.text('/testing.sources'))
      client.setSources(await server.text('/approved.sources'))
      await tester.update()
      await client.update()
      assert.equal((await client.download('app')).length, 60)

      // A new version appears in testing at once, in approved only after `promote`.
      await publish(deepTree('2.0'))
      await server.json('update')
      await tester.update()
      await client.update()
      assert.deepEqual([await tester.candidate('app'), await client.candidate('app')], ['2.0', '1.0'])
      assert.equal((await tester.download('app')).length, 60)
      const before = (await server.json<{ items: { id: string }[] }>('snapshot', 'list', 'approved'))
        .items[0]!.id
      await server.json('promote', 'app')
      await client.update()
      assert.equal(await client.candidate('app'), '2.0')
      assert.equal((await client.download('app')).length, 60)

      // A rollback: machines that did not upgrade see the old version; those that did get it by the pin file.
      const back = await server.json<{ snapshot: string }>(
        'snapshot',
        'rollback',
        'approved',
        before,
        '--reason',
        'broken',
      )
      await client.update()
      assert.equal(await client.candidate('app'), '1.0')
      client.setStatus(
        ['app', ...Array.from({ length: 59 }, (_, index) => `lib-${index}`)].map(installed('2.0')).join('\n'),
      )
      assert.equal(await client.candidate('app'), '2.0', 'apt never downgrades by itself')
      client.setPreferences(await server.text(`/approved.pref?snapshot=${back.snapshot}`))
      assert.equal(await client.candidate('app'), '1.0')
      await client.get('clean')
      const downgrade = await client.get('dist-upgrade', '--allow-downgrades', '--download-only')
      assert.equal(downgrade.status, 0, downgrade.output)
      assert.match(downgrade.output, /60 downgraded/)
    },
  )
}

function installed(version: string) {
  return (name: string) => `Package: ${name}
Status: install ok installed
Architecture: amd64
Version: ${version}
Maintainer: Test <test@example.org>
Description: ${name}
`
}

test('gpgv verifies InRelease and Release.gpg with the published keys alone', needs('gpgv'), async () => {
  await using fixture = await serving(packages('bash 5.1'))
  const { server } = fixture
  for (const channel of ['testing', 'approved']) {
    const save = (name: string, bytes: Buffer) => {
      const path = join(server.folder, `${channel}-${name}`)
      writeFileSync(path, bytes)
      return path
    }
    const keyring = save('keys.gpg', await server.bytes(`/keys/${channel}.gpg`))
    const folder = `/${channel}/test/dists/stable`
    const inRelease = save('InRelease', await server.bytes(`${folder}/InRelease`))
    const release = save('Release', await server.bytes(`${folder}/Release`))
    const signature = save('Release.gpg', await server.bytes(`${folder}/Release.gpg`))
    for (const arguments_ of [[inRelease], [signature, release]]) {
      const result = await run('gpgv', ['--keyring', keyring, ...arguments_])
      assert.equal(result.status, 0, result.output)
    }
    const other = channel === 'testing' ? 'approved' : 'testing'
    const otherKeys = save('other.gpg', await server.bytes(`/keys/${other}.gpg`))
    assert.notEqual(
      (await run('gpgv', ['--keyring', otherKeys, inRelease])).status,
      0,
      'each channel has keys of its own',
    )
  }
})

test("a client of approved refuses testing's InRelease under its URL", needs('apt-get'), async () => {
  await using fixture = await serving(packages('bash 5.1'))
  const { server } = fixture
  using apt = new AptRoot()
  const sources = await server.text('/approved.sources')
  apt.setSources(sources.replace('/approved/test', '/testing/test'))
  const result = await apt.get('update')
  assert.match(result.output, /The following signatures couldn't be verified|NO_PUBKEY/)
  apt.setSources(sources)
  await apt.update()
})

test('RSA keys, where the configuration asks for them', needs('apt-get'), async () => {
  await using fixture = await serving(packages('bash 5.1'), {
    channels: { testing: '{from: upstream, signing-key: rsa4096}', approved: '{from: testing}' },
  })
  using apt = new AptRoot()
  apt.setSources(await fixture.server.text('/testing.sources'))
  await apt.update()
  assert.equal(await apt.candidate('bash'), '5.1')
})

test('apt before embedded keys gets a keyring file', needs('apt-get'), async () => {
  await using fixture = await serving(packages('bash 5.1'))
  const { server } = fixture
  using apt = new AptRoot()
  const path = join(apt.folder, 'uus-approved.gpg')
  writeFileSync(path, await server.bytes('/keys/approved.gpg'))
  const sources = await server.text('/approved.sources?key=file')
  assert.match(sources, /^Signed-By: \/usr\/share\/keyrings\/uus-approved.gpg$/m)
  apt.setSources(sources.replaceAll('/usr/share/keyrings/uus-approved.gpg', path))
  await apt.update()
})

test('names with +, ~ and epochs download', needs('apt-get'), async () => {
  const odd = [
    aPackage({ name: 'libstdc++6', version: '1:12.2.0~rc1+really11-14' }),
    aPackage({ name: 'g++', version: '4:12', depends: 'libstdc++6' }),
  ]
  await using fixture = await serving(odd)
  using apt = new AptRoot()
  apt.setSources(await fixture.server.text('/approved.sources'))
  await apt.update()
  assert.equal((await apt.download('g++')).length, 2)
  const file = apt.archive('libstdc++6_1%3a12.2.0~rc1+really11-14_amd64.deb')
  assert.deepEqual(readFileSync(file), odd[0]!.file)
})

test('the suites of a release stand in one sources entry', needs('apt-get'), async () => {
  await using archive = await FakeArchive.start()
  const publish = (suite: string, content: readonly BuiltPackage[]) =>
    archive.publish(suite, {
      components: { main: { amd64: content } },
      date: nextDate(),
      codename: 'noble',
      suite,
    })
  await publish('noble', packages('bash 5.1', 'vim 9.0'))
  await publish('noble-security', packages('bash 5.1+u1'))
  await using server = await TestServer.start({
    archives: [{ archive, suites: ['noble', 'noble-security'] }],
  })
  await server.json('update')
  using apt = new AptRoot()
  const sources = await server.text('/approved.sources')
  assert.match(sources, /^Suites: noble noble-security$/m)
  apt.setSources(sources)
  await apt.update()
  assert.deepEqual([await apt.candidate('bash'), await apt.candidate('vim')], ['5.1+u1', '9.0'])
})
