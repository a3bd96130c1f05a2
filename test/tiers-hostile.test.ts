// A slave whose way to the master lies: whatever comes, clients see a state that the master signed, never an older one than
// before, and every refusal is a sentence.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import type { SlaveAddResult } from '../src/actions/slaves.ts'
import { day, hour } from './rig/clock.ts'
import { Died, DyingDisk } from './rig/dying-disk.ts'
import { aPackage, type BuiltPackage } from './rig/packages.ts'
import { seeded } from './rig/seeded.ts'
import { Serving } from './rig/serving.ts'
import { LocalSlave } from './rig/slave.ts'

const folder = '/approved/test/dists/stable'
const manifestPath = '/sync/v1/channels/approved'

/** Enough for several blocks. */
function content(version: string, count = 300): BuiltPackage[] {
  return Array.from({ length: count }, (_, index) =>
    aPackage({
      name: `package-${String(index).padStart(4, '0')}`,
      version: index % 40 === 0 ? version : '1.0',
      more: `X-Text: ${'words '.repeat(60)}\n`,
    }),
  )
}

interface Scene extends AsyncDisposable {
  readonly serving: Serving
  readonly slave: LocalSlave
  /** Upstream has something new, and it is approved. */
  promote(version: string): Promise<void>
  masters(): Promise<string>
}

async function open(): Promise<Scene> {
  const serving = await Serving.start(content('1.1'))
  const slave = await LocalSlave.of(serving.server)
  assert.equal(await slave.refusalOf(), '')
  return {
    serving,
    slave,
    async promote(version) {
      await serving.offer(content(version))
      await serving.server.json('promote', '@all')
    },
    masters: () => serving.server.text(`${folder}/InRelease`),
    async [Symbol.asyncDispose]() {
      await slave[Symbol.asyncDispose]()
      await serving[Symbol.asyncDispose]()
    },
  }
}

/** The slave refuses, and serves what it served; without the lie it takes over what is new. */
async function refuses(
  scene: Scene,
  lie: NonNullable<LocalSlave['relay']['bend']>,
  why: RegExp,
): Promise<void> {
  const { slave } = scene
  const before = slave.inRelease()
  slave.relay.bend = lie
  const refusal = await slave.refusalOf()
  assert.match(refusal, why)
  assert.equal(slave.inRelease(), before)
  await slave.check()
  const { alarms } = await slave.status()
  // A connection that was cut is an alarm once it lasts.
  if (refusal.startsWith('SYNC_REFUSED')) assert.ok(alarms.some(({ key }) => key === 'sync:approved'))
  slave.relay.bend = null
}

const isManifest = (path: string) => path.startsWith(manifestPath)

test('lies about the manifest are refused: changed, of another channel, replayed, signed by another key', async () => {
  await using scene = await open()
  const { slave, serving } = scene
  // Another master with channels of the same names, and keys of its own.
  await using other = await Serving.start(content('6.6'))
  const { token } = await other.server.call<SlaveAddResult>('slave add', { name: 'oslo' })
  const ofOther = await other.server.get(manifestPath, { authorization: `Bearer ${token}` })
  const foreign = Buffer.from(await ofOther.arrayBuffer())
  const kept = new Map<string, Buffer>()
  slave.relay.bend = (path, body) => {
    kept.set(path.replace(/\?.*/, ''), body)
    return null
  }
  await slave.call('sync')
  const old = kept.get(manifestPath)!
  assert.ok(old.length > 100)

  await scene.promote('1.2')
  const middle = (path: string, body: Buffer) => {
    if (!isManifest(path)) return null
    const at = body.indexOf('"kind"') + 9
    const bent = Buffer.from(body)
    bent[at] = bent[at]! ^ 1
    return bent
  }
  await refuses(scene, middle, /SYNC_REFUSED: .*(signature|signed)/i)
  await refuses(scene, (path) => (isManifest(path) ? Buffer.from('{}') : null), /SYNC_REFUSED/)
  await refuses(
    scene,
    (path) => (isManifest(path) ? kept.get('/sync/v1/channels/testing')! : null),
    /that of another channel \(testing\)/,
  )
  await refuses(scene, (path) => (isManifest(path) ? foreign : null), /SYNC_REFUSED: .*(key|signed)/)
  // What it has now, then the older one again.
  assert.equal(await slave.refusalOf(), '')
  assert.equal(slave.inRelease(), await scene.masters())
  await refuses(scene, (path) => (isManifest(path) ? old : null), /is of .*, but one of .* is held/)
  // The sentence reaches the master, for its own list.
  assert.equal(await slave.refusalOf(), '')
  assert.equal(slave.inRelease(), await serving.server.text(`${folder}/InRelease`))
  assert.deepEqual((await slave.status()).alarms, [])
})

test('what a manifest names is refused if it is anything else: documents, blocks, halves', async () => {
  await using scene = await open()
  const { slave } = scene
  await scene.promote('1.2')
  const bent = (body: Buffer) => {
    const copy = Buffer.from(body)
    copy[copy.length >> 1] = copy[copy.length >> 1]! ^ 0x40
    return copy
  }
  const isDocument = (path: string) => path.includes('/documents/')
  const isBlock = (path: string) => path.includes('/by-hash/')
  await refuses(scene, (path, body) => (isDocument(path) ? bent(body) : null), /SYNC_REFUSED: A document/)
  await refuses(
    scene,
    (path, body) => (isBlock(path) ? bent(body) : null),
    /came wrong 3 times|wrong bytes|UPSTREAM_WRONG/i,
  )
  await refuses(scene, (path) => (isBlock(path) ? 'cut' : null), /UPSTREAM/)
  await refuses(scene, (path) => (isBlock(path) ? Buffer.alloc(0) : null), /UPSTREAM|SYNC_REFUSED/)
  await refuses(scene, (path) => (isDocument(path) ? 'cut' : null), /UPSTREAM/)
  assert.equal(await slave.refusalOf(), '')
  assert.equal(slave.inRelease(), await scene.masters())
  await slave.check()
})

test('a clock that is an hour behind refuses what it takes for the future; an hour ahead changes nothing', async () => {
  await using scene = await open()
  const { slave } = scene
  await scene.promote('1.2')
  slave.clock.advance(-2 * hour)
  const behind = (await slave.call<{ items: { error: { message: string } | null }[] }>('sync')).items
  assert.match(behind.map(({ error }) => error?.message ?? '').join(), /clock says/)
  slave.clock.advance(3 * hour)
  const { items } = await slave.call<{ items: { error: unknown }[] }>('sync')
  assert.deepEqual(
    items.map(({ error }) => error),
    [null, null],
  )
  assert.equal(slave.inRelease(), await scene.masters())
})

test('a new signing key is taken over from a manifest that a known one signed, and from no other', async () => {
  await using scene = await open()
  const { slave, serving } = scene
  const keys = () =>
    slave.store.keys.list(slave.store.channels.find('approved')!.id).filter(({ role }) => role !== 'retired')
  const before = keys().map(({ fingerprint }) => fingerprint)
  await serving.server.json('key', 'rotate', 'approved')
  assert.equal(await slave.refusalOf(), '')
  const after = keys()
  assert.equal(after.filter(({ fingerprint }) => before.includes(fingerprint)).length, 2)
  assert.equal(after.length, 3, 'and one that is new')
  const retiring = after.find(({ role }) => role === 'retiring')!
  const words = [
    'key',
    'drop',
    'approved',
    retiring.fingerprint,
    '--force',
    '--reason',
    'all have the new one',
  ]
  await serving.server.json(...words)
  await scene.promote('1.3')
  assert.equal(await slave.refusalOf(), '')
  assert.equal(slave.inRelease(), await scene.masters())
  assert.ok(!keys().some(({ fingerprint }) => fingerprint === retiring.fingerprint))
  await slave.check()

  // It missed both rotations: nobody that it knows vouches for the present keys.
  const copy = await slave.save()
  try {
    for (let times = 0; times < 2; times++) {
      await serving.server.json('key', 'rotate', 'approved')
      const { items } = await serving.server.json<{
        items: { channel: string; role: string; fingerprint: string }[]
      }>('key', 'list')
      const old = items.find(({ channel, role }) => channel === 'approved' && role === 'retiring')!
      await serving.server.json('key', 'drop', 'approved', old.fingerprint, '--force', '--reason', 'gone')
    }
    slave.restore(copy)
    await slave.open()
    assert.match(await slave.refusalOf(), /SYNC_REFUSED/)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
})

test('a way that lies at random: no client sees a mismatch or an older state, and in the end all is well', async () => {
  await using scene = await open()
  const { slave } = scene
  const random = seeded(7)
  const right = [await scene.masters()]
  const last = new Map<string, Buffer>()
  let lies = 0
  for (let round = 0; round < 24; round++) {
    if (round % 4 === 0) {
      await scene.promote(`1.${round + 10}`)
      right.push(await scene.masters())
    }
    const earlier = [...last.values()]
    slave.relay.bend = (path, body) => {
      last.set(path.replace(/after=[^&]*/, ''), body)
      if (random(3) > 0) return null
      lies++
      const way = random(4)
      if (way === 0) return 'cut'
      if (way === 1 && earlier.length > 0) return earlier[random(earlier.length)]!
      if (way === 2) return body.subarray(0, random(body.length + 1))
      const bent = Buffer.from(body)
      if (bent.length > 0) bent[random(bent.length)]! ^= 1 << random(8)
      return bent
    }
    const before = right.indexOf(slave.inRelease()!)
    await slave.sync().catch(() => {})
    const after = right.indexOf(slave.inRelease()!)
    assert.ok(after >= before && after >= 0, `round ${round}: from ${before} to ${after}`)
    await slave.check()
  }
  assert.ok(lies > 20)
  slave.relay.bend = null
  assert.equal(await slave.refusalOf(), '')
  assert.equal(slave.inRelease(), right.at(-1))
  await slave.check()
})

test('death at every durable step of a sync: the old or the new state, and the next sync needs no repair', async () => {
  await using scene = await open()
  const { slave } = scene
  const before = slave.inRelease()
  await scene.promote('1.2')
  const after = await scene.masters()
  const copy = await slave.save()
  let deaths = 0
  try {
    for (const when of ['before', 'after'] as const) {
      // After the n-th step is almost before the next one: each is met once.
      for (let step = when === 'before' ? 1 : 2; ; step += 2) {
        slave.restore(copy)
        const disk = new DyingDisk(step, when)
        try {
          await slave.open(disk)
          await slave.sync()
        } catch (error) {
          if (!(error instanceof Died) && disk.diedAt === null) throw error
        }
        await slave.stop()
        if (disk.diedAt === null) break
        deaths++
        await slave.open()
        assert.ok([before, after].includes(slave.inRelease()), disk.diedAt)
        await slave.check()
        assert.equal(await slave.refusalOf(), '', disk.diedAt)
        assert.equal(slave.inRelease(), after, disk.diedAt)
      }
    }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
  assert.ok(deaths >= 20, `died ${deaths} times`)
})

test('a slave that follows for months keeps what clients need, and no more', async () => {
  await using scene = await open()
  const { slave } = scene
  const count = (sql: string) => slave.store.db.pluck<number>(sql).get()!
  const documents = () => count('SELECT count(*) FROM manifest_document')
  const before = documents()
  for (let month = 0; month < 6; month++) {
    await scene.promote(`2.${month}`)
    assert.equal(await slave.refusalOf(), '')
  }
  assert.ok(documents() > before)
  // Snapshots grow old, and the next one lets go of what nobody asks for any more.
  slave.clock.advance(60 * day)
  await scene.promote('3.0')
  const { items } = await slave.call<{ items: { error: unknown }[] }>('sync')
  assert.deepEqual(
    items.map(({ error }) => error),
    [null, null],
  )
  assert.ok(documents() <= before + 2, `${documents()} documents, ${before} at the start`)
  const collected = await slave.call<{ snapshots: string[] }>('gc')
  assert.ok(collected.snapshots.length >= 4, collected.snapshots.join())
  await slave.check()
  assert.equal(slave.inRelease(), await scene.masters())
  await slave.open()
  assert.equal((await slave.call<{ items: { outcome: string }[] }>('sync')).items[0]!.outcome, 'unchanged')
  await slave.check()
})

test('thirty days without the master: served on, with warnings from half-time; then caught up in one step', async () => {
  await using scene = await open()
  const { slave } = scene
  const keysOf = async () => (await slave.status()).alarms.map(({ key }) => key)
  assert.deepEqual(await keysOf(), [])
  await slave.relay.cut()
  slave.clock.advance(3 * day)
  await assert.rejects(slave.call('sync'))
  slave.clock.advance(hour)
  assert.deepEqual((await keysOf()).sort(), ['frozen:approved', 'frozen:testing', 'sync:master'])
  slave.clock.advance(27 * day)
  assert.ok((await keysOf()).includes('validity:approved'), 'half of 45 days are over')
  await slave.check()
  slave.clock.advance(16 * day)
  const late = (await slave.status()).alarms.find(({ key }) => key === 'validity:approved')
  assert.match(late?.message ?? '', /clients refuse it since/)
  slave.relay.mend()
  await scene.promote('1.2')
  await scene.promote('1.3')
  const { items } = await slave.call<{ items: { outcome: string }[] }>('sync')
  assert.deepEqual(
    items.map(({ outcome }) => outcome),
    ['new', 'new'],
  )
  assert.equal(slave.inRelease(), await scene.masters())
})
