// A master and its slaves, real servers on loopback: what a slave serves is what its master signed, byte for byte.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { SlaveAddResult, SlaveEntry } from '../src/actions/slaves.ts'
import { AptRoot } from './rig/apt.ts'
import { packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'
import { Serving } from './rig/serving.ts'
import { caughtUp, invite, served, until } from './rig/tiers.ts'

const content = (version: string) => packages(`bash ${version}`, 'vim 9.0', 'mc 4.8')

test(
  'one command makes a slave; it serves the very bytes of its master, and has no private key',
  needs('apt-get'),
  async () => {
    await using serving = await Serving.start(content('5.1'))
    const master = serving.server
    const added = await master.uus('slave', 'add', 'oslo', '--channels', 'approved')
    assert.equal(added.status, 0, added.output)
    const command = added.stdout.trimEnd().split('\n').at(-1)!
    assert.match(
      command,
      /^uus init --slave-of http:\/\/127\.0\.0\.1:\d+ --token uus_\S{43} --key [0-9A-F]{40}$/,
    )
    await using slave = await TestServer.enrol(command)
    await caughtUp(master, slave)

    const folder = '/approved/test/dists/stable'
    const release = await master.text(`${folder}/Release`)
    const files = [...release.matchAll(/^ [0-9a-f]{64} +\d+ (\S+)$/gm)].map(([, path]) => path!)
    assert.ok(files.length > 5)
    for (const name of ['InRelease', 'Release', 'Release.gpg', ...files]) {
      const [ours, theirs] = await Promise.all([
        slave.get(`${folder}/${name}`),
        master.get(`${folder}/${name}`),
      ])
      assert.equal(ours.status, theirs.status, name)
      assert.deepEqual(await ours.arrayBuffer(), await theirs.arrayBuffer(), name)
      if (ours.ok) assert.equal(ours.headers.get('last-modified'), theirs.headers.get('last-modified'), name)
    }
    assert.equal(await slave.text('/keys/approved.asc'), await master.text('/keys/approved.asc'))
    assert.equal((await slave.get('/testing/test/dists/stable/InRelease')).status, 404, 'was not given to it')

    const everything = readdirSync(slave.folder, { recursive: true }) as string[]
    const private_ = everything
      .map((name) => join(slave.folder, name))
      .filter((path) => statSync(path).isFile() && readFileSync(path).includes('PRIVATE KEY'))
    assert.deepEqual(private_, [])
    assert.equal(statSync(join(slave.folder, 'data', 'master.token')).mode & 0o777, 0o600)

    using apt = new AptRoot()
    apt.setSources(await slave.text('/approved.sources'))
    await apt.update()
    assert.deepEqual(await apt.download('bash'), ['bash 5.1'])

    // A promotion is there as soon as the master was asked, without anybody doing anything on the slave.
    await serving.offer(content('5.2'))
    await master.json('promote', 'bash')
    await caughtUp(master, slave)
    await apt.update()
    assert.deepEqual(await apt.download('bash'), ['bash 5.2'])
    assert.deepEqual(await slave.bytes(`${folder}/InRelease`), await master.bytes(`${folder}/InRelease`))
  },
)

test('a token is shown once, kept as a hash, and good for nothing once it is revoked', async () => {
  await using serving = await Serving.start(content('5.1'))
  const master = serving.server
  const { token, command } = await master.call<SlaveAddResult>('slave add', { name: 'oslo' })
  const ask = (given: string | null) =>
    master.get('/sync/v1', given === null ? {} : { authorization: `Bearer ${given}` })
  assert.equal((await ask(token)).status, 200)
  assert.equal((await ask(null)).status, 401)
  assert.equal((await ask(`${token}x`)).status, 401)
  const database = readdirSync(join(master.folder, 'data'))
    .filter((name) => name.startsWith('catalogue.db'))
    .map((name) => readFileSync(join(master.folder, 'data', name)))
  assert.ok(!Buffer.concat(database).includes(token))
  const again = await master.uus('slave', 'add', 'oslo')
  assert.match(again.output, /There is a slave "oslo" already/)

  await using slave = await TestServer.enrol(command)
  await caughtUp(master, slave)
  await master.json('slave', 'revoke', 'oslo', '--reason', 'stolen')
  assert.equal((await ask(token)).status, 401)
  const refused = await slave.uus('sync')
  assert.equal(refused.status, 1)
  assert.match(refused.output, /does not know this slave's token/)
  assert.equal((await slave.get('/approved/test/dists/stable/InRelease')).status, 200, 'serves on')
})

test('slave list tells version, channels, lag, contact, disk, and what was served and saved', async () => {
  await using serving = await Serving.start(content('5.1'))
  const master = serving.server
  await using slave = await TestServer.enrol(await invite(master, 'oslo'))
  await caughtUp(master, slave)
  for (let times = 0; times < 3; times++)
    await slave.bytes('/approved/test/pool/main/b/bash/bash_5.1_amd64.deb')
  await slave.restart() // it passes on what clients told it before it ends, and reports at its start
  const list = async () => (await master.json<{ items: SlaveEntry[] }>('slave', 'list')).items[0]!
  await until('a report', async () => (await list()).channels.every(({ lagSeconds }) => lagSeconds === 0))
  const entry = await list()
  assert.equal(entry.name, 'oslo')
  assert.ok(entry.contactAt !== null)
  assert.deepEqual(
    entry.channels
      .toSorted((a, b) => b.name.localeCompare(a.name))
      .map(({ name, snapshot, lagSeconds, problem }) => ({
        name,
        snapshot,
        lagSeconds,
        problem,
      })),
    [
      { name: 'testing', snapshot: await served(master, 'testing'), lagSeconds: 0, problem: null },
      { name: 'approved', snapshot: await served(master), lagSeconds: 0, problem: null },
    ],
  )
  assert.ok(entry.diskFreeBytes! > 0)
  const size = (await slave.bytes('/approved/test/pool/main/b/bash/bash_5.1_amd64.deb')).length
  await until('the counts', async () => {
    const { requests, servedBytes, savedBytes } = await list()
    return requests >= 3 && servedBytes >= 3 * size && savedBytes >= 2 * size
  })
})
