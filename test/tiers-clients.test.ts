// What clients, slaves and operators do with tiers beside following: mirror lists, counts that are passed on, TLS, packages
// fetched beforehand, and kill -9.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { SlaveAddResult, SlaveEntry } from '../src/actions/slaves.ts'
import { AptRoot } from './rig/apt.ts'
import { makeCertificates } from './rig/certificates.ts'
import { packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { Relay } from './rig/relay.ts'
import { TestServer } from './rig/server.ts'
import { Serving } from './rig/serving.ts'
import { caughtUp, invite, served, slaveBehindRelay, until } from './rig/tiers.ts'

const content = (version: string) => packages(`bash ${version}`, 'vim 9.0', 'mc 4.8')
const deb = (version: string) => `/approved/test/pool/main/b/bash/bash_${version}_amd64.deb`

/** A further setting of whom a slave follows. */
function configureMaster({ configPath }: TestServer, setting: string): void {
  const config = readFileSync(configPath, 'utf8')
  writeFileSync(configPath, config.replace('master: {', `master: {${setting}, `))
}

test(
  "apt's mirror method goes to the slave that the list names first, and to the master when that is gone",
  needs('apt-get'),
  async () => {
    await using serving = await Serving.start(content('5.1'))
    const master = serving.server
    await using bent = await slaveBehindRelay(master, 'oslo')
    // Its clients come to another relay, so that one can tell what they ask for.
    await using clients = await Relay.start()
    await caughtUp(master, bent.slave)
    appendFileSync(master.configPath, `slaves:\n  oslo: {url: "${clients.url}", networks: [127.0.0.0/8]}\n`)
    await master.restart()
    bent.relay.target = master.url
    await bent.slave.restart()
    clients.target = bent.slave.url
    await caughtUp(master, bent.slave)
    const list = () => master.text('/mirrors/approved/test.list')
    await until('the slave in the list', async () => (await list()).includes(clients.url))
    assert.equal(
      await list(),
      `${clients.url}/approved/test\tpriority:1\n${master.url}/approved/test\tpriority:2\n`,
    )
    assert.equal((await master.get('/mirrors/approved/nothing.list')).status, 404)

    using apt = new AptRoot({ config: 'Acquire::Retries "1";' })
    const sources = await master.text('/approved.sources')
    apt.setSources(sources.replace(/^URIs: .*$/m, `URIs: mirror+${master.url}/mirrors/approved/test.list`))
    clients.requests.length = 0
    await apt.update()
    assert.deepEqual(await apt.download('bash'), ['bash 5.1'])
    const asked = clients.requests.map(({ path }) => path)
    assert.ok(
      asked.includes('/approved/test/dists/stable/InRelease') && asked.includes(deb('5.1')),
      asked.join(),
    )

    await clients.cut()
    assert.equal((await apt.get('update')).status, 0)
    assert.deepEqual(await apt.download('vim'), ['vim 9.0'])
  },
)

test('what clients told a slave reaches the master once, however often it is sent', async () => {
  await using serving = await Serving.start(content('5.1'))
  const master = serving.server
  const { token } = await master.call<SlaveAddResult>('slave add', { name: 'oslo' })
  const send = (body: unknown) =>
    fetch(`${master.url}/sync/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const payload = { requests: 3, servedBytes: 1000, savedBytes: 400 }
  const batch = {
    id: randomUUID(),
    events: [
      { kind: 'traffic', origin: '', payload },
      { kind: 'later', origin: 'x/y', payload: [1] },
    ],
  }
  for (let times = 0; times < 3; times++) assert.equal((await send(batch)).status, 204)
  await send({ ...batch, id: randomUUID() })
  const [oslo] = (await master.json<{ items: SlaveEntry[] }>('slave', 'list')).items
  assert.deepEqual([oslo!.requests, oslo!.servedBytes, oslo!.savedBytes], [6, 2000, 800])
  for (const wrong of [
    {},
    { id: 'x', events: [] },
    { ...batch, events: [{ kind: 'A', origin: '../', payload: 1 }] },
  ])
    assert.ok((await send(wrong)).status >= 400)
})

test('counts wait on the slave while the master is away, through kill -9, and arrive once it is back', async () => {
  await using serving = await Serving.start(content('5.1'))
  const master = serving.server
  await using bent = await slaveBehindRelay(master, 'oslo')
  const { slave, relay } = bent
  await caughtUp(master, slave)
  await relay.cut()
  const size = (await slave.bytes(deb('5.1'))).length
  for (let times = 0; times < 4; times++) await slave.bytes(deb('5.1'))
  await slave.stop() // in good order: noted down to the last
  await slave.restart()
  await slave.stop('SIGKILL')
  relay.mend()
  await slave.restart()
  const count = async () =>
    (await master.json<{ items: SlaveEntry[] }>('slave', 'list')).items[0]!.servedBytes
  await until('the counts', async () => (await count()) >= 5 * size, 60_000)
  assert.ok((await count()) < 6 * size, 'and once')
})

test('kill -9 of a slave at any time: it comes back with a state that the master signed, and catches up', async () => {
  await using serving = await Serving.start(content('5.0'))
  const master = serving.server
  await using slave = await TestServer.enrol(await invite(master, 'oslo'))
  await caughtUp(master, slave)
  const path = '/approved/test/dists/stable/InRelease'
  const right = [await master.text(path)]
  let reached = 0
  for (let round = 1; round <= 5; round++) {
    await serving.offer(content(`5.${round}`))
    const promoted = master.json('promote', 'bash')
    await new Promise((resolve) => setTimeout(resolve, 120 * round))
    await slave.stop('SIGKILL')
    await promoted
    right.push(await master.text(path))
    await slave.restart()
    const at = right.indexOf(await slave.text(path))
    assert.ok(at >= reached, `round ${round}: state ${at} after ${reached}`)
    reached = at
    await caughtUp(master, slave)
    reached = round
    assert.equal(await slave.text(path), right[round])
  }
})

test('packages are fetched before anybody asks: all of them, or new versions of what was asked for', async () => {
  await using serving = await Serving.start(content('5.1'))
  const master = serving.server
  await using all = await slaveBehindRelay(master, 'all', [], false)
  await using used = await slaveBehindRelay(master, 'used', [], false)
  for (const [{ slave }, how] of [
    [all, 'all'],
    [used, 'used'],
  ] as const) {
    configureMaster(slave, `prefetch: ${how}`)
    await slave.restart()
    await caughtUp(master, slave)
  }
  const debs = ({ relay }: typeof all) =>
    relay.requests.flatMap(({ path, status }) =>
      path.startsWith('/approved/') && path.endsWith('.deb') && status === 200 ? path.split('/').at(-1)! : [],
    )
  await until(
    'all packages',
    () =>
      new Set(
        all.relay.requests.map(({ path }) => path.split('/').at(-1)).filter((one) => one?.endsWith('.deb')),
      ).size === 3,
  )
  assert.deepEqual(debs(used), [])
  await used.slave.bytes(deb('5.1'))
  await serving.offer(content('5.2'))
  await master.json('promote', '@all')
  await until('the new version of what was used', () =>
    used.relay.requests.some(({ path }) => path.endsWith('bash_5.2_amd64.deb')),
  )
  assert.deepEqual(
    debs(used).filter((name) => !name.startsWith('bash')),
    [],
  )
})

test('over TLS with a certificate of a CA of our own; a wrong one is refused', needs('openssl'), async () => {
  const folder = mkdtempSync(join(tmpdir(), 'uus-tls-'))
  try {
    const at = await makeCertificates(folder)
    await using serving = await Serving.start(content('5.1'), {
      more: [`tls: {cert: ${at('server.pem')}, key: ${at('server.key')}, listen: "127.0.0.1:0"}`],
    })
    const master = serving.server
    const port = /TLS on 127\.0\.0\.1:(\d+)/.exec(master.log)![1]!
    const command = (await invite(master, 'oslo')).replace(
      /--slave-of \S+/,
      `--slave-of https://127.0.0.1:${port}`,
    )
    await using slave = await TestServer.enrol(command, [], false)
    const untrusting = await slave.uus('sync')
    assert.equal(untrusting.status, 1)
    assert.match(untrusting.output, /certificate/i)
    configureMaster(slave, `ca: ${at('ca.pem')}`)
    await slave.restart()
    await caughtUp(master, slave)
    assert.equal(await served(slave), await served(master))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('snapshots that a slave received are served by URL, signed by the master, also while that is away', async () => {
  await using serving = await Serving.start(content('5.1'), {
    more: ['base-url: http://updates.example.com'],
  })
  const master = serving.server
  await using bent = await slaveBehindRelay(master, 'oslo')
  const { slave, relay } = bent
  await caughtUp(master, slave)
  const first = (await served(slave))!
  await serving.offer(content('5.2'))
  await master.json('promote', 'bash')
  await caughtUp(master, slave)
  const folder = `/snapshots/approved/${first}/test`
  const signed = await slave.text(`${folder}/dists/stable/InRelease`)
  assert.equal(signed, await master.text(`${folder}/dists/stable/InRelease`))
  assert.doesNotMatch(signed, /^Valid-Until/m)
  assert.match(signed, /-----BEGIN PGP SIGNATURE-----/)
  await relay.cut()
  assert.equal(await slave.text(`${folder}/dists/stable/InRelease`), signed)
  assert.equal((await slave.get(`${folder}/pool/main/b/bash/bash_5.1_amd64.deb`)).status, 200)
  assert.equal((await slave.get(`${folder}/pool/main/b/bash/bash_5.2_amd64.deb`)).status, 404)

  // What is signed by somebody else is not believed.
  const second = (await served(slave))!
  relay.mend()
  relay.bend = (path, body) =>
    path.startsWith('/snapshots/') ? Buffer.from(body.toString().replace(/^Suite: .*$/m, 'Suite: x')) : null
  const lie = await slave.get(`/snapshots/approved/${second}/test/dists/stable/InRelease`)
  assert.ok(lie.status >= 500, String(lie.status))
  relay.bend = null
  assert.equal((await slave.get(`/snapshots/approved/${second}/test/dists/stable/InRelease`)).status, 200)
})
