// Every act of an administrator, cut off between any two statements: no effect without its row in the audit log, and no
// row without its effect. Each fault comes twice: not done, and done but never reported.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Json } from '../src/lib/canonical-json.ts'
import { sha256 } from '../src/lib/digest.ts'
import { UusError } from '../src/lib/errors.ts'
import { FakeArchive } from './rig/archive.ts'
import { day, hour } from './rig/clock.ts'
import { dieEverywhere, type Mortal } from './rig/deaths.ts'
import { checkEffectsHaveRows } from './rig/effects.ts'
import { packages } from './rig/packages.ts'
import { Rig, type RigOptions } from './rig/rig.ts'

const start = Date.UTC(2026, 10, 20)

function publish(archive: FakeArchive, names: string[], date: number, origin = 'Test'): Promise<void> {
  return archive.publish('stable', { components: { main: { amd64: packages(...names) } }, date, origin })
}

interface Act extends Pick<Mortal, 'act'> {
  readonly name: string
  /** The configuration that is new. */
  options?(archive: FakeArchive): Partial<RigOptions>
  /** Brings a rig in which `bash` waits to the state before the act. */
  prepare?(rig: Rig, archive: FakeArchive): Promise<unknown>
  /** The kinds of rows that it leaves; a decision that was not reported may be recorded again. */
  readonly rows: readonly string[]
}

const selectors = { selectors: ['bash'], reason: 'test' }
const twoGated = { testing: '{from: upstream}', approved: '{from: testing}', lab: '{from: testing}' }

const acts: readonly Act[] = [
  { name: 'hold', act: (rig) => rig.call('hold', selectors), rows: ['hold'] },
  {
    name: 'unhold, after which the channel follows',
    prepare: (rig) => rig.call('hold', selectors),
    act: (rig) => rig.call('unhold', selectors),
    rows: ['unhold'],
  },
  { name: 'decline', act: (rig) => rig.call('decline', selectors), rows: ['decline'] },
  {
    name: 'approve, by which it enters',
    act: (rig) => rig.call('approve', selectors),
    rows: ['approve', 'promote'],
  },
  {
    name: 'promote --force of what is on hold',
    prepare: (rig) => rig.call('hold', selectors),
    act: (rig) => rig.call('promote', { ...selectors, force: true }),
    rows: ['promote --force'],
  },
  {
    name: 'a rollback',
    async prepare(rig) {
      for (const one of packages('bash 5.1', 'vim 9.0')) await rig.cache(one)
      await rig.promote('bash')
    },
    act(rig) {
      const { channels } = rig.store
      const first = channels.snapshots(channels.find('approved')!.id).at(-1)!
      return rig.call('snapshot rollback', { channel: 'approved', id: first.id, reason: 'test' })
    },
    rows: ['rollback'],
  },
  {
    name: 'a changed configuration: a new channel, other settings',
    options: () => ({ channels: { ...twoGated, approved: '{from: testing, keep: 9d}' } }),
    act: async () => {},
    rows: ['configure', 'configure channel'],
  },
  {
    name: 'a channel and an archive that leave the configuration',
    async prepare(rig, archive) {
      await rig.restart({
        channels: twoGated,
        archives: [{ archive }, { archive, name: 'vendor', suites: ['stable'] }],
      })
      await rig.mustUpdate()
    },
    options: (archive) => ({
      channels: { testing: '{from: upstream}', approved: '{from: testing}' },
      archives: [{ archive }],
    }),
    act: async () => {},
    rows: ['configure', 'freeze archive', 'freeze channel', 'freeze index', 'freeze suite'],
  },
  {
    name: 'the seed of a channel that was added later',
    async prepare(rig) {
      await rig.restart({ channels: twoGated })
      await rig.mustUpdate()
    },
    act: (rig) => rig.call('channel seed', { channel: 'lab', reason: 'test' }),
    rows: ['seed'],
  },
  {
    name: 'an archive that is dropped',
    async prepare(rig, archive) {
      await rig.restart({ archives: [{ archive }, { archive, name: 'vendor' }] })
      await rig.mustUpdate()
      await rig.restart({ archives: [{ archive }] })
    },
    act: (rig) => rig.call('archive drop', { archive: 'vendor', reason: 'test' }).catch(refusedOnly),
    rows: ['drop'],
  },
  {
    name: 'update --accept of another Origin',
    prepare: (_rig, archive) => publish(archive, ['bash 5.3', 'vim 9.0'], start + 2 * hour, 'Else'),
    act: (rig) => rig.call('update', { accept: ['test/stable'], reason: 'test' }),
    rows: ['adopt --accept', 'follow', 'publish anew'],
  },
  {
    name: 'a user who is added',
    act: (rig) => rig.call('user add', aUser).catch(doneAlready),
    rows: ['user add'],
  },
  {
    name: 'a user who may do more from now on',
    prepare: (rig) => rig.call('user add', aUser),
    act: (rig) => rig.call('user role', { name: 'jorge', role: 'approver' }),
    rows: ['user role'],
  },
  {
    name: 'a token',
    prepare: (rig) => rig.call('user add', aUser),
    act: (rig) => rig.call('user token', { name: 'jorge' }),
    rows: ['user token'],
  },
  {
    name: 'a user who is removed, with a token',
    async prepare(rig) {
      await rig.call('user add', aUser)
      await rig.call('user token', { name: 'jorge' })
    },
    act: (rig) => rig.call('user remove', { name: 'jorge', reason: 'left' }).catch(doneAlready),
    rows: ['user remove'],
  },
  {
    name: 'a rule that lets something in',
    options: () => ({
      channels: {
        testing: '{from: upstream}',
        approved: '{from: testing, rules: [{action: approve, since: always}]}',
      },
    }),
    act: (rig) => rig.update(),
    rows: ['configure', 'promote'],
  },
  {
    name: 'a removal with recall',
    act: (rig) =>
      rig.call('remove', { ...selectors, channel: 'approved', block: true, force: true }).catch(goneOnly),
    rows: ['remove --force'],
  },
  {
    name: 'a rotation of keys',
    act: (rig) => rig.call('key rotate', { channel: 'approved', reason: 'test' }),
    rows: ['rotate key'],
  },
  {
    name: 'a key that is dropped',
    prepare: (rig) => rig.call('key rotate', { channel: 'approved', reason: 'test' }),
    act(rig) {
      const { channels, keys } = rig.store
      const retiring = keys.list(channels.find('approved')!.id).find((key) => key.role === 'retiring')
      if (retiring === undefined) return Promise.resolve()
      const { fingerprint } = retiring
      return rig.call('key drop', { channel: 'approved', fingerprint, force: true, reason: 'test' })
    },
    rows: ['drop key'],
  },
  {
    name: 'a snapshot that is pinned',
    act(rig) {
      const { id } = rig.store.channels.head(rig.store.channels.find('approved')!.id)!
      return rig.call('snapshot keep', { channel: 'approved', id, reason: 'test' })
    },
    rows: ['snapshot keep'],
  },
  {
    name: 'the daily checkpoint',
    async prepare(rig) {
      rig.clock.advance(2 * day)
    },
    act: (rig) => rig.update(),
    rows: [],
  },
]

const aUser = { name: 'jorge', role: 'viewer' }

function doneAlready(error: unknown): void {
  if (!(error instanceof UusError) || !['USAGE', 'UNKNOWN_NAME'].includes(error.code)) throw error
}

/** Done already: the channel has it no more. */
function goneOnly(error: unknown): void {
  if (!(error instanceof UusError) || error.code !== 'UNKNOWN_NAME') throw error
}

/** Done already: there is nothing to drop any more. */
function refusedOnly(error: unknown): void {
  if (!(error instanceof UusError) || error.code !== 'GUARD_REFUSED') throw error
}

async function waiting(archive: FakeArchive): Promise<Rig> {
  await publish(archive, ['bash 5.1', 'vim 9.0'], start)
  const rig = await Rig.open({ archives: [{ archive }] })
  await rig.mustUpdate()
  await publish(archive, ['bash 5.2', 'vim 9.0'], start + hour)
  await rig.mustUpdate()
  return rig
}

for (const one of acts) {
  test(`no effect without its row: ${one.name}`, async () => {
    await using archive = await FakeArchive.start()
    await using rig = await waiting(archive)
    await one.prepare?.(rig, archive)
    const before = rig.store.audit.list().length
    const catalogue = join(rig.folder, 'data', 'catalogue.db')
    const options = one.options?.(archive) ?? {}
    const mortal = { act: one.act, options, statements: true }
    const deaths = await dieEverywhere(rig, mortal, async (diedAt) => {
      await checkEffectsHaveRows(catalogue, diedAt)
      // What was begun is brought to its end by doing it again.
      await rig.restart({ ...options, disk: undefined })
      await one.act(rig)
      await checkEffectsHaveRows(catalogue, `${diedAt}, and done again`)
      const rows = rig.store.audit.list().slice(before)
      assert.deepEqual([...new Set(rows.map((row) => row.action))].sort(), one.rows, diedAt)
    })
    assert.ok(deaths >= 8, `only ${deaths} steps were found`)
  })
}

test('no effect without its row: the first start, with keys and configuration', async () => {
  await using archive = await FakeArchive.start()
  await publish(archive, ['bash 5.1'], start)
  await using rig = await Rig.open({ archives: [{ archive }] })
  const actions = rig.store.audit.list().map((row) => row.action)
  await rig.stop()
  rmSync(join(rig.folder, 'data'), { recursive: true })
  const catalogue = join(rig.folder, 'data', 'catalogue.db')
  const deaths = await dieEverywhere(rig, { act: async () => {}, statements: true }, async (diedAt) => {
    await checkEffectsHaveRows(catalogue, diedAt)
    await rig.restart({ disk: undefined })
    await checkEffectsHaveRows(catalogue, `${diedAt}, and started again`)
    assert.deepEqual(
      rig.store.audit.list().map((row) => row.action),
      actions,
      diedAt,
    )
  })
  assert.ok(deaths >= 100, `only ${deaths} steps were found`)
})

test('a row says what an auditor asks', async () => {
  await using archive = await FakeArchive.start()
  await using rig = await waiting(archive)
  await rig.call('approve', selectors, 'andrew')
  await publish(archive, ['bash 5.3', 'vim 9.0'], start + 2 * hour, 'Else')
  await rig.call('update', { accept: ['test/stable'], reason: 'sold' })
  await rig.restart({
    archives: [{ archive, more: ['max-age: 9d'] }],
    more: ['upstream-proxy: http://user:secret@127.0.0.1:1'],
  })
  const { length } = rig.store.audit.list()
  await rig.restart()
  const rows = rig.store.audit.list()
  assert.equal(rows.length, length, 'what is as it was needs no row')
  const details = (action: string, subject: string) =>
    rows.findLast((row) => row.action === action && row.subject === subject)!.details as Record<string, Json>
  const [promoted] = details('promote', 'approved').items as Record<string, Json>[]
  assert.deepEqual(
    [promoted!.source, promoted!.previous, promoted!.version, promoted!.suites],
    ['bash', '5.1', '5.2', ['stable']],
  )
  assert.deepEqual(promoted!.files, [sha256(packages('bash 5.2')[0]!.file)])
  // A decision comes after the snapshot that it saw, which may be a second ahead of the clock.
  const approved = rig.store.audit.list().find((row) => row.action === 'approve')!
  const at = new Date(approved.at).toISOString().replace('.000Z', 'Z')
  assert.deepEqual(promoted!.approvedBy, [{ actor: 'andrew', at, reason: 'test' }])
  const { identity } = details('adopt --accept', 'test/stable') as { identity: Record<string, string> }
  assert.match(identity.before!, /^Origin: Test$/m)
  assert.match(identity.after!, /^Origin: Else$/m)
  assert.deepEqual(details('configure', 'archive test'), {
    before: { maxAgeSeconds: 7 * 86_400 },
    after: { maxAgeSeconds: 9 * 86_400 },
  })
  assert.deepEqual(details('configure', 'server'), {
    before: { upstreamProxy: null },
    after: { upstreamProxy: 'http://[secret]@127.0.0.1:1' },
  })
  assert.doesNotMatch(JSON.stringify(rows), /user:secret/)
})
