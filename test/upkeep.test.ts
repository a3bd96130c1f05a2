// What keeps a data directory small, whole and believed: collection, proofs and repairs, recalls, keys, backups, clocks.
import assert from 'node:assert/strict'
import {
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import type { BackupResult } from '../src/actions/backup.ts'
import type { FsckResult } from '../src/actions/fsck.ts'
import type { GcResult } from '../src/actions/gc.ts'
import type { KeyChangeResult } from '../src/actions/keys.ts'
import type { RemoveResult } from '../src/actions/remove.ts'
import type { ResetDatesResult } from '../src/actions/reset-dates.ts'
import { examine } from '../src/doctor.ts'
import { UusError } from '../src/lib/errors.ts'
import { restore } from '../src/restore.ts'
import { FakeArchive } from './rig/archive.ts'
import { day, FakeClock, hour } from './rig/clock.ts'
import { aPackage, packages } from './rig/packages.ts'
import { needs, run } from './rig/programs.ts'
import { Rig, writeConfig } from './rig/rig.ts'
import { TestServer } from './rig/server.ts'
import { suite, withRig } from './rig/story.ts'

const many = Array.from({ length: 300 }, (_, at) => `p${String(at).padStart(3, '0')} 1.0`)

const packsOf = (rig: Rig) =>
  globSync('*/*', { cwd: join(rig.folder, 'data', 'published') })
    .filter((path) => !path.startsWith('tmp'))
    .map((path) => join(rig.folder, 'data', 'published', path))

/** Nobody's work in progress is as old as this. */
function age(rig: Rig): void {
  const old = new Date(rig.clock.now() - day)
  for (const path of packsOf(rig)) utimesSync(path, old, old)
}

async function release(rig: Rig, archive: FakeArchive, version: string): Promise<void> {
  await archive.publish('stable', suite(packages(...many.slice(1), `p000 ${version}`)))
  await rig.mustUpdate()
  await rig.promote('p000')
}

test('collection takes what is no longer needed, and nothing else', async () => {
  await withRig(packages(...many), async (rig, archive) => {
    await release(rig, archive, '1.1')
    const pinned = rig.store.channels.head(rig.store.channels.find('approved')!.id)!
    await rig.call('snapshot keep', { channel: 'approved', id: pinned.id, reason: 'audited' })
    for (const version of ['1.2', '1.3', '1.4', '1.5']) {
      rig.clock.advance(hour)
      await release(rig, archive, version)
    }
    age(rig)
    assert.equal((await rig.call<GcResult>('gc')).status, 'nothing', 'a week has not passed')
    rig.clock.advance(8 * day)
    const before = packsOf(rig).reduce((sum, path) => sum + statSync(path).size, 0)
    const planned = await rig.call<GcResult>('gc', { dryRun: true })
    age(rig)
    const done = await rig.call<GcResult>('gc')
    assert.deepEqual(done.snapshots, planned.snapshots)
    // Of six snapshots of each channel the last four stay, and the pinned one.
    assert.equal(done.snapshots.filter((name) => name.startsWith('testing/')).length, 2)
    assert.equal(done.snapshots.filter((name) => name.startsWith('approved/')).length, 1)
    assert.ok(!done.snapshots.includes(`approved/${pinned.id}`))
    const after = packsOf(rig).reduce((sum, path) => sum + statSync(path).size, 0)
    assert.ok(after < before && done.freedBytes > 0, `${before} → ${after}, freed ${done.freedBytes}`)
    assert.equal((await rig.call<FsckResult>('fsck')).items.length, 0)
    const published = rig.process.context.published()
    const approved = published.channels.get('approved')!
    assert.equal(published.findSnapshot(approved, pinned.id).type, 'snapshot')
    const gone = done.snapshots.find((name) => name.startsWith('approved/'))!.split('/')[1]!
    const found = published.findSnapshot(approved, gone)
    assert.ok(found.type === 'absent' && found.why.includes('was collected on'), JSON.stringify(found))
    await release(rig, archive, '1.6')
    assert.equal((await rig.call<FsckResult>('fsck')).items.length, 0)
  })
})

test('a proof finds bytes that changed on the disk; a repair makes them again as they were signed', async () => {
  await withRig(packages(...many), async (rig, archive) => {
    await release(rig, archive, '1.1')
    await release(rig, archive, '1.2')
    const clean = await rig.call<FsckResult>('fsck')
    assert.deepEqual([clean.status, clean.items], ['done', []])
    assert.ok(clean.publications >= 4, `${clean.publications} publications`)
    for (const path of packsOf(rig)) {
      const bytes = readFileSync(path)
      bytes[bytes.length >> 1]! ^= 1
      writeFileSync(path, bytes)
    }
    const sick = await rig.call<FsckResult>('fsck')
    assert.equal(sick.status, 'failed')
    assert.ok(sick.items.length >= 2 && sick.items.every((one) => !one.isRepaired))
    assert.match(sick.items[0]!.what, /^\w+\/test\/stable main\/binary-amd64\/Packages\.gz$/)
    const heads = rig.store.publications.heads()
    const mended = await rig.call<FsckResult>('fsck', { repair: true })
    assert.equal(mended.status, 'done', JSON.stringify(mended.items))
    assert.ok(mended.items.every((one) => one.isRepaired))
    assert.deepEqual(rig.store.publications.heads(), heads, 'nothing is signed anew')
    assert.deepEqual((await rig.call<FsckResult>('fsck')).items, [])
  })
})

test('a published file that is gone altogether is made again, at the start or by a repair', async () => {
  await withRig(packages(...many), async (rig) => {
    for (const path of packsOf(rig)) rmSync(path)
    assert.equal((await rig.call<FsckResult>('fsck')).status, 'failed')
    assert.equal((await rig.call<FsckResult>('fsck', { repair: true })).status, 'done')
    for (const path of packsOf(rig)) rmSync(path)
    await rig.restart()
    assert.deepEqual((await rig.call<FsckResult>('fsck')).items, [])
  })
})

test('a damaged package file goes into quarantine and is fetched again', async () => {
  const [bash, vim] = packages('bash 5.1', 'vim 9.0')
  await withRig([bash!, vim!], async (rig, archive) => {
    for (const one of [bash!, vim!]) await rig.cache(one)
    const { sha256 } = rig.stanzas('approved', 'bash')[0]!
    const path = join(rig.folder, 'data', 'pool', sha256.slice(0, 2), sha256.slice(2))
    writeFileSync(path, 'rotten')
    const sick = await rig.call<FsckResult>('fsck')
    assert.deepEqual(
      sick.items.map(({ what, isRepaired }) => [what.replace(/.*\//, ''), isRepaired]),
      [[basename(bash!.path), false]],
    )
    assert.equal(sick.packages, 2)
    const mended = await rig.call<FsckResult>('fsck', { repair: true })
    assert.equal(mended.status, 'done', JSON.stringify(mended.items))
    assert.deepEqual(readFileSync(path), bash!.file)
    const aside = globSync('*/*', { cwd: join(rig.folder, 'data', 'quarantine') }).filter(
      (one) => !one.startsWith('tmp'),
    )
    assert.equal(aside.length, 1)
    assert.equal(readFileSync(join(rig.folder, 'data', 'quarantine', aside[0]!), 'utf8'), 'rotten')
    writeFileSync(path, 'rotten again')
    archive.removeFile(bash!.path)
    const lost = await rig.call<FsckResult>('fsck', { repair: true })
    assert.equal(lost.status, 'failed')
    assert.match(lost.items[0]!.why, /in quarantine, and cannot be fetched: .*404/)
    assert.ok(!existsSync(path))
  })
})

test('what is removed does not come back, and a recall takes the file from everybody', async () => {
  await withRig(packages('bash 5.1', 'xz 5.6'), async (rig) => {
    const refused = await rig
      .call<RemoveResult>('remove', {
        selectors: ['xz'],
        channel: 'approved',
        block: true,
        reason: 'backdoor',
      })
      .catch((error) => error)
    assert.ok(refused instanceof UusError && refused.code === 'GATE_REFUSED')
    assert.match(refused.hint!, /uus remove xz --channel testing/)
    await rig.call<RemoveResult>('remove', { selectors: ['xz'], channel: 'testing', reason: 'backdoor' })
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.1'])
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.1'], 'it does not follow again')
    const approved = rig.process.context.published().channels.get('approved')!
    const xz = rig.stanzas('approved', 'xz')[0]!
    const find = () => {
      const published = rig.process.context.published()
      const channel = published.channels.get('approved')!
      return published.findPackage(channel, channel.archives.get('test')!, xz.path)
    }
    assert.ok(find() !== null)
    const before = approved.head!.id
    const done = await rig.call<RemoveResult>('remove', {
      selectors: ['xz=5.6'],
      channel: 'approved',
      block: true,
      reason: 'backdoor',
    })
    assert.equal(done.status, 'done')
    assert.deepEqual(done.items, [{ source: 'xz', version: '5.6', release: 'stable', packages: ['xz'] }])
    assert.equal(find(), null)
    const published = rig.process.context.published()
    const old = published.findSnapshot(published.channels.get('approved')!, before)
    assert.ok(old.type === 'snapshot')
    assert.equal(old.findPackage(old.archives.get('test')!, xz.path), null, 'a retained snapshot neither')
    const row = rig.store.audit.list().at(-1)!
    assert.equal(`${row.action} ${row.subject} ${row.reason}`, 'remove approved backdoor')
    assert.deepEqual(await rig.pending(), [])
  })
})

const kernel = (abi: string) =>
  aPackage({ name: `linux-image-6.1.0-${abi}-amd64`, version: '6.1', source: 'linux' })
const vital = (name: string, field: string) => {
  const one = aPackage({ name, version: '1.0' })
  return { ...one, stanza: `${one.stanza.replace(/^Priority: .*\n/m, '').trimEnd()}\n${field}\n` }
}

for (const [what, before, after, objection] of [
  ['empties an index', ['a 1', 'b 1'], [], /all its 2 packages would be gone/],
  [
    'loses a third of the packages',
    many,
    many.slice(0, 200),
    /it would lose 100 of its 300 packages: p200, p201, .* and 95 more/,
  ],
] as const) {
  test(`an update that ${what} waits until somebody says that it is meant`, async () => {
    await withRig(packages(...before), async (rig, archive) => {
      await archive.publish('stable', suite(packages(...after)))
      const waiting = await rig.update()
      assert.equal(waiting.status, 'refused')
      assert.equal(waiting.items[0]!.error?.code, 'GUARD_REFUSED')
      assert.match(waiting.items[0]!.error!.message, objection)
      assert.equal(rig.shows('testing').length, before.length)
      assert.match(rig.store.alarms.list()[0]!.hint!, /uus update --accept test\/stable --reason/)
      const accepted = await rig.update({ accept: ['test/stable'], reason: 'new release' })
      assert.equal(accepted.status, 'done')
      assert.equal(rig.shows('testing').length, after.length)
      assert.ok(!rig.store.alarms.list().some((alarm) => alarm.key.startsWith('suite:')))
    })
  })
}

for (const field of ['Essential: yes', 'Protected: yes', 'Important: yes', 'Priority: required']) {
  test(`an update that loses a package with "${field}" waits`, async () => {
    await withRig([vital('libc6', field), ...packages(...many)], async (rig, archive) => {
      await archive.publish('stable', suite(packages(...many)))
      const waiting = await rig.update()
      assert.match(waiting.items[0]!.error!.message, /would lose libc6, without which systems do not work/)
    })
  })
}

test('old kernels may go, and what another suite has', async () => {
  const kernels = Array.from({ length: 25 }, (_, at) => kernel(String(at)))
  await using archive = await FakeArchive.start()
  const main = packages('bash 5.1')
  const proposed = packages(...many.slice(0, 30))
  await archive.publish('stable', suite([...main, ...kernels], { codename: 'bookworm' }))
  await archive.publish(
    'stable-updates',
    suite(proposed, { suite: 'stable-updates', codename: 'bookworm-updates' }),
  )
  await using rig = await Rig.open({ archives: [{ archive, suites: ['stable', 'stable-updates'] }] })
  await rig.mustUpdate()
  await archive.publish('stable', suite([...main, ...proposed, kernel('99')], { codename: 'bookworm' }))
  await rig.mustUpdate()
  await archive.publish(
    'stable-updates',
    suite([], { suite: 'stable-updates', codename: 'bookworm-updates' }),
  )
  await rig.mustUpdate()
  assert.equal(rig.shows('testing', 'stable-updates').length, 0)
})

test('a promotion that would remove much asks, and can be forced with a reason', async () => {
  await withRig(packages(...many), async (rig, archive) => {
    await archive.publish('stable', suite(packages(...many.slice(0, 100))))
    await rig.update({ accept: ['test/stable'], reason: 'meant' })
    const order = { selectors: ['@all'], include: ['remove'] }
    const refused = await rig.call<{ status: string; objections: string[] }>('promote', order)
    assert.equal(refused.status, 'refused')
    assert.match(refused.objections[0]!, /it would lose 200 of its 300 packages/)
    assert.equal(rig.shows('approved').length, 300)
    const forced = await rig.call<{ status: string }>('promote', { ...order, force: true, reason: 'meant' })
    assert.equal(forced.status, 'done')
    assert.equal(rig.shows('approved').length, 100)
    assert.match(
      JSON.stringify(rig.store.audit.list().at(-1)!.details),
      /"overridden":\["test\/stable main amd64: it would lose 200/,
    )
  })
})

test(
  'keys: the standby takes over, both sign for a while, a drop needs force',
  needs('gpgv', 'gpg'),
  async () => {
    await withRig(packages('bash 5.1'), async (rig) => {
      const channel = rig.store.channels.find('approved')!
      const [active, standby] = rig.store.keys.list(channel.id)
      const folder = mkdtempSync(join(tmpdir(), 'uus-keys-'))
      const verify = async (...fingerprints: string[]) => {
        const { inRelease } = rig.store.publications.envelopeOf(
          channel.id,
          rig.store.archives.suites()[0]!.id,
        )
        writeFileSync(join(folder, 'InRelease'), inRelease)
        const armored = fingerprints.map(
          (one) => rig.store.keys.list(channel.id).find((key) => key.fingerprint === one)!.publicKey,
        )
        writeFileSync(join(folder, 'keys.asc'), armored.join('\n'))
        await run('gpg', [
          '--homedir',
          folder,
          '--batch',
          '--yes',
          '-o',
          join(folder, 'keys.gpg'),
          '--dearmor',
          join(folder, 'keys.asc'),
        ])
        const result = await run('gpgv', [
          '--homedir',
          folder,
          '--ignore-time-conflict',
          '--keyring',
          join(folder, 'keys.gpg'),
          join(folder, 'InRelease'),
        ])
        return [...result.output.matchAll(/using \w+ key ([0-9A-F]{40})/g)].map(([, one]) => one)
      }
      try {
        assert.deepEqual(await verify(active!.fingerprint), [active!.fingerprint])
        const rotated = await rig.call<KeyChangeResult>('key rotate', { channel: 'approved' })
        assert.equal(rotated.active, standby!.fingerprint)
        assert.deepEqual(rotated.retiring, [active!.fingerprint])
        assert.deepEqual(
          (await verify(active!.fingerprint, standby!.fingerprint)).sort(),
          [active!.fingerprint, standby!.fingerprint].sort(),
        )
        await rig.check()
        const drop = { channel: 'approved', fingerprint: active!.fingerprint.toLowerCase() }
        const refusal = await rig.call('key drop', drop).catch((error) => error)
        assert.ok(refusal instanceof UusError && refusal.code === 'GATE_REFUSED')
        assert.match(refusal.hint!, /fetch \/approved\.sources/)
        const dropped = await rig.call<KeyChangeResult>('key drop', {
          ...drop,
          force: true,
          reason: 'all have it',
        })
        assert.deepEqual(dropped.retiring, [])
        assert.deepEqual(await verify(active!.fingerprint, standby!.fingerprint), [standby!.fingerprint])
        assert.ok(!existsSync(join(rig.folder, 'data', 'keys', `${active!.fingerprint}.key`)))
        const keys = rig.process.context.published().channels.get('approved')!.keys
        assert.deepEqual(
          keys.map((key) => key.role),
          ['active', 'standby'],
        )
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    })
  },
)

test('a dropped active key is succeeded by the standby', async () => {
  await withRig(packages('bash 5.1'), async (rig) => {
    const [active, standby] = rig.store.keys.list(rig.store.channels.find('approved')!.id)
    const dropped = await rig.call<KeyChangeResult>('key drop', {
      channel: 'approved',
      fingerprint: active!.fingerprint,
      force: true,
      reason: 'lost laptop',
    })
    assert.equal(dropped.active, standby!.fingerprint)
    assert.notEqual(dropped.standby, standby!.fingerprint)
    const unknown = await rig
      .call('key drop', {
        channel: 'approved',
        fingerprint: active!.fingerprint,
        force: true,
        reason: 'again',
      })
      .catch((error) => error)
    assert.equal((unknown as UusError).code, 'UNKNOWN_NAME')
  })
})

test('a key that cannot be read raises an alarm long before clients notice', async () => {
  await withRig(packages('bash 5.1'), async (rig) => {
    const channel = rig.store.channels.find('approved')!
    const [active] = rig.store.keys.list(channel.id)
    const path = join(rig.folder, 'data', 'keys', `${active!.fingerprint}.key`)
    const bytes = readFileSync(path)
    rmSync(path)
    await rig.restart()
    rig.clock.advance(2 * day)
    await rig.update()
    const alarms = () => rig.store.alarms.list().map(({ key }) => key)
    assert.deepEqual(alarms(), ['upkeep:SIGNING_KEY_MISSING'])
    rig.clock.advance(23 * day)
    await rig.update()
    assert.deepEqual(alarms().sort(), ['upkeep:SIGNING_KEY_MISSING', 'validity:approved'])
    const found = await examine(join(rig.folder, 'config.yaml'), rig.clock)
    assert.ok(found.some(({ level, what }) => level === 'problem' && what.includes('its active key is gone')))
    writeFileSync(path, bytes, { mode: 0o600 })
    await rig.update()
    assert.deepEqual(alarms(), [])
  })
})

test('after a clock that was a year ahead, dates begin anew', async () => {
  const clock = new FakeClock(Date.UTC(2027, 10, 23))
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite(packages('bash 5.1')))
  await using rig = await Rig.open({ archives: [{ archive }], clock })
  await rig.mustUpdate()
  clock.advance(-365 * day)
  await archive.publish('stable', suite(packages('bash 5.2')))
  const stuck = await rig.update().catch((error) => error)
  assert.match(
    JSON.stringify(stuck instanceof UusError ? stuck.toValue() : stuck.items),
    /CLOCK_BEHIND.*reset-date/,
  )
  const before = await examine(join(rig.folder, 'config.yaml'), clock)
  assert.ok(before.some(({ hint }) => hint?.includes('uus doctor --reset-date') === true))
  const reset = await rig.call<ResetDatesResult>('reset dates', { reason: 'battery' })
  assert.equal(reset.status, 'done')
  assert.ok(reset.releases === 2 && reset.snapshots.length >= 3, JSON.stringify(reset))
  await rig.mustUpdate()
  await rig.promote('bash')
  assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.2'])
  for (const head of rig.store.publications.heads()) assert.ok(head.date <= clock.now())
  await rig.check()
  assert.equal((await rig.call<ResetDatesResult>('reset dates', { reason: 'again' })).status, 'nothing')
})

test('a backup taken while serving brings everything back, published and signed', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite(packages(...many)))
  await using server = await TestServer.start({ archives: [{ archive }] })
  await server.json('update')
  const file = join(server.folder, 'backup.tar')
  const made = await server.json<BackupResult>('backup', file)
  // Two of each channel, and the audit log's.
  assert.equal(made.keys, 5)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.deepEqual(made.missing, [])
  const again = await server.uus('backup', file)
  assert.equal(again.status, 2, again.output)
  const index = await server.bytes('/approved/test/dists/stable/main/binary-amd64/Packages.gz')
  const keys = await server.text('/keys/approved.asc')
  await server.stop()
  const refused = await server.uus('restore', file)
  assert.match(refused.output, /has a catalogue already/)
  rmSync(join(server.folder, 'data'), { recursive: true })
  rmSync(server.configPath)
  const restored = await server.uus('restore', file)
  assert.equal(restored.status, 0, restored.output)
  assert.match(restored.output, /The configuration is back too/)
  await server.restart()
  assert.deepEqual(await server.bytes('/approved/test/dists/stable/main/binary-amd64/Packages.gz'), index)
  assert.equal(await server.text('/keys/approved.asc'), keys)
  const fsck = await server.json<FsckResult>('fsck')
  assert.deepEqual(fsck.items, [])
  const audit = await server.json<{ items: { action: string }[] }>('audit')
  assert.ok(audit.items.some(({ action }) => action === 'restore'))
  assert.equal((await server.uus('doctor')).status, 0)
})

test('a file that is no backup leaves nothing behind', async () => {
  await using archive = await FakeArchive.start()
  const folder = mkdtempSync(join(tmpdir(), 'uus-restore-'))
  try {
    const config = writeConfig(folder, { archives: [{ archive }] })
    const file = join(folder, 'backup.tar')
    for (const bytes of ['', 'no tar at all'.repeat(100)]) {
      writeFileSync(file, bytes)
      const error = await restore(file, config, { name: 'tester', via: 'cli' }).catch((one) => one)
      assert.ok(error instanceof UusError && error.code === 'MALFORMED', String(error))
      assert.deepEqual(
        globSync('data/*.db', { cwd: folder }).filter((name) => !name.endsWith('lock.db')),
        [],
      )
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
