// Slaves without their master, in chains and in circles: they serve on, get packages elsewhere, and say what is wrong.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { SlaveEntry } from '../src/actions/slaves.ts'
import type { StatusResult } from '../src/actions/status.ts'
import { AptRoot } from './rig/apt.ts'
import { packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'
import { Serving } from './rig/serving.ts'
import { caughtUp, invite, slaveBehindRelay, until } from './rig/tiers.ts'

const content = (version: string) => packages(`bash ${version}`, 'vim 9.0', 'mc 4.8')
const bash = '/approved/test/pool/main/b/bash/bash_5.1_amd64.deb'
const vim = '/approved/test/pool/main/v/vim/vim_9.0_amd64.deb'

test(
  'packages come through the master, and from the archive itself when the master is away',
  needs('apt-get'),
  async () => {
    await using serving = await Serving.start(content('5.1'))
    const { server: master, archive } = serving
    await using bent = await slaveBehindRelay(master, 'oslo')
    const { slave, relay } = bent
    await caughtUp(master, slave)
    using apt = new AptRoot()
    apt.setSources(await slave.text('/approved.sources'))

    relay.requests.length = 0
    await Promise.all(Array.from({ length: 8 }, () => slave.bytes(bash)))
    assert.equal(relay.requests.filter(({ path }) => path === bash).length, 1, 'one flight for all')

    // The master is gone: what is here is served, what is not comes from the archive.
    await relay.cut()
    const asked = archive.requests.length
    assert.deepEqual(await slave.bytes(bash), await master.bytes(bash))
    assert.equal(archive.requests.length, asked)
    assert.equal((await slave.get(vim)).status, 200)
    assert.ok(archive.requests.length > asked)
    await apt.update()
    assert.deepEqual(await apt.download('bash'), ['bash 5.1'])

    // What is decided is decided there; and it is told where that is.
    for (const words of [
      ['promote', 'bash'],
      ['hold', 'bash'],
      ['key', 'rotate', 'approved'],
      ['channel', 'seed', 'approved'],
    ]) {
      const result = await slave.uus(...words)
      assert.equal(result.status, 3, words.join(' '))
      assert.ok(result.output.includes(relay.url), result.output)
    }
    const upload = await fetch(`${slave.url}/upload/approved/test/x.deb`, { method: 'PUT', body: 'x' })
    assert.equal(upload.status, 409)
    assert.ok((await upload.text()).includes(relay.url))

    // Back: whatever was missed is here in one step.
    await serving.offer(content('5.2'))
    await master.json('promote', 'bash')
    await serving.offer(content('5.3'))
    await master.json('promote', 'bash')
    relay.mend()
    await slave.json('sync')
    await caughtUp(master, slave)
    await apt.update()
    assert.equal(await apt.candidate('bash'), '5.3')
  },
)

test('a slave of a slave gets the same bytes without ever asking the master', async () => {
  await using serving = await Serving.start(content('5.1'))
  const master = serving.server
  await using first = await slaveBehindRelay(master, 'norway')
  await caughtUp(master, first.slave)
  await using second = await slaveBehindRelay(first.slave, 'oslo')
  await caughtUp(master, second.slave)
  await using third = await slaveBehindRelay(second.slave, 'suburb')
  await caughtUp(master, third.slave)
  await serving.offer(content('5.2'))
  await master.json('promote', 'bash')
  await caughtUp(master, third.slave)
  const path = '/approved/test/dists/stable/InRelease'
  assert.deepEqual(await third.slave.bytes(path), await master.bytes(path))
  const deb = bash.replace('5.1', '5.2')
  assert.deepEqual(await third.slave.bytes(deb), await master.bytes(deb))
  for (const { relay } of [first, second, third])
    assert.equal(relay.requests.filter((one) => one.path === deb).length, 1)

  // The master sees the whole tree, and what each served.
  const names = async () =>
    (await master.json<{ items: SlaveEntry[] }>('slave', 'list')).items.map(({ name }) => name)
  await third.slave.restart()
  await until('a report from below', async () => {
    for (const { slave } of [third, second, first]) await slave.restart()
    for (const [below, above] of [
      [third, second],
      [second, first],
    ] as const)
      await caughtUp(above.slave, below.slave)
    return (await names()).length === 3
  })
  assert.deepEqual(await names(), ['norway', 'norway/oslo', 'norway/oslo/suburb'])
})

test('a server that follows itself, directly or through others, is refused and says so', async () => {
  await using serving = await Serving.start(content('5.1'))
  const master = serving.server
  await using first = await slaveBehindRelay(master, 'first')
  await caughtUp(master, first.slave)
  await using second = await slaveBehindRelay(first.slave, 'second')
  await caughtUp(master, second.slave)
  // The first now follows the second, which follows it.
  const command = await invite(second.slave, 'circle')
  const token = /--token (\S+)/.exec(command)![1]!
  writeFileSync(join(first.slave.folder, 'data', 'master.token'), token)
  first.relay.target = second.slave.url
  const result = await first.slave.uus('sync')
  assert.equal(result.status, 1)
  assert.match(result.output, /follows (this very server|the one that asks)/)
  assert.equal((await first.slave.get(bash)).status, 200, 'and serves on')
})

test('what a slave refuses, and a master that is away, show: in its log, its health, its status, and the list of slaves', async () => {
  await using serving = await Serving.start(content('5.1'))
  const master = serving.server
  await using bent = await slaveBehindRelay(master, 'oslo')
  const { slave, relay } = bent
  await caughtUp(master, slave)
  const { follows } = await slave.json<StatusResult>('status')
  assert.equal(follows?.master, relay.url)
  assert.ok(follows!.channels.every(({ snapshot, signedAt }) => snapshot !== null && signedAt !== null))

  const problem = async () => {
    const { items } = await master.json<{ items: SlaveEntry[] }>('slave', 'list')
    return items[0]!.channels.find(({ name }) => name === 'approved')?.problem ?? null
  }
  relay.bend = (path, body) =>
    path.includes('/channels/approved') ? Buffer.from(body.map((one) => one ^ 1)) : null
  await serving.offer(content('5.2'))
  await master.json('promote', 'bash')
  await until('the refusal in the list of slaves', async () =>
    /manifest of approved/.test((await problem())?.message ?? ''),
  )
  assert.equal((await problem())!.isOver, false)
  assert.match((await master.uus('slave', 'list')).stdout, /oslo, approved: .*manifest of approved.*lasts/)
  assert.match(slave.log, /SYNC_REFUSED/)
  assert.match(await slave.text('/healthz'), /sync:approved/)
  relay.bend = null
  await caughtUp(master, slave)
  await until('that it is over', async () => (await problem())?.isOver === true)
  assert.doesNotMatch(await slave.text('/healthz'), /sync:approved/)

  await relay.cut()
  const failed = await slave.uus('sync')
  assert.equal(failed.status, 1)
  await until('a line in the log', () => /UPSTREAM_UNREACHABLE/.test(slave.log))
})

test('a slave without room for a token, or with another role, is a sentence', async () => {
  await using serving = await Serving.start(content('5.1'))
  const master = serving.server
  const command = await invite(master, 'oslo')
  const away = command.replace(/127\.0\.0\.1/, 'updates.example.com')
  await assert.rejects(TestServer.enrol(away), /plain http: everybody on the way could read the token/)
  await using slave = await TestServer.enrol(command)
  await caughtUp(master, slave)
  await slave.stop()
  const config = readFileSync(master.configPath, 'utf8').replace(
    'data: data',
    `data: ${join(slave.folder, 'data')}`,
  )
  writeFileSync(slave.configPath, config)
  const refused = await slave.uus('status')
  assert.match(refused.output, /This data directory is that of a slave/)
  assert.ok(
    !existsSync(join(slave.folder, 'data', 'keys')) ||
      readdirSync(join(slave.folder, 'data', 'keys')).length === 0,
  )
})
