// Archives that are not for everybody, on slaves: where their files come from, and who gets them.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { SlaveAddResult } from '../src/actions/slaves.ts'
import type { ManifestArchive } from '../src/sync/protocol/manifest.ts'
import { FakeArchive } from './rig/archive.ts'
import { type BuiltPackage, packages } from './rig/packages.ts'
import { TestServer } from './rig/server.ts'
import { caughtUp, slaveBehindRelay } from './rig/tiers.ts'

const content = packages('bash 5.1')
const [bash] = content
const others = packages('vim 9.0')
const pathOf = ({ path }: BuiltPackage, archive = 'test') => `/approved/${archive}/${path}`

/** The archives of a channel, as the server tells slaves. */
async function told(master: TestServer, channel = 'approved'): Promise<readonly ManifestArchive[]> {
  const { token } = await master.call<SlaveAddResult>('slave add', { name: `reader-${Date.now()}` })
  const response = await master.get(`/sync/v1/channels/${channel}`, { authorization: `Bearer ${token}` })
  const json = /^\{.*\}$/m.exec(await response.text())![0]
  return (JSON.parse(json) as { archives: ManifestArchive[] }).archives
}

test('an archive that wants credentials is fetched through the master only', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'uus-access-'))
  try {
    await using archive = await FakeArchive.start()
    await using other = await FakeArchive.start()
    await archive.publish('stable', { components: { main: { amd64: content } } })
    await other.publish('stable', { components: { main: { amd64: others } } })
    writeFileSync(join(folder, 'token'), 'up-secret')
    const more = [
      `auth: {type: bearer, token-file: ${join(folder, 'token')}}`,
      'access: {networks: [127.0.0.0/8]}',
    ]
    await using master = await TestServer.start({
      archives: [
        { archive, more },
        { archive: other, name: 'open' },
      ],
    })
    await master.call('update')
    assert.deepEqual(
      (await told(master)).map(({ name, uris }) => [name, uris.map(({ uri }) => uri)]),
      [
        ['open', [other.url]],
        ['test', []],
      ],
    )

    await using bent = await slaveBehindRelay(master, 'oslo')
    await caughtUp(master, bent.slave)
    await bent.relay.cut()
    const asked = archive.requests.length
    assert.equal((await bent.slave.get(pathOf(others[0]!, 'open'))).status, 200, 'from the archive itself')
    assert.ok((await bent.slave.get(pathOf(bash!))).status >= 500)
    assert.equal(archive.requests.length, asked, 'nobody asked it without credentials')
    bent.relay.mend()
    await bent.slave.restart() // it would leave a host that failed alone for a while
    assert.ok((await bent.slave.bytes(pathOf(bash!))).equals(bash!.file))
    assert.ok(archive.requests.every(({ headers }) => headers.authorization === 'Bearer up-secret'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
