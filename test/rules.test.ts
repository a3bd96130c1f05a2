// What moves, waits, is held and is let in where it is easy to get wrong: several suites, archives and classes of
// suites; names, globs and old snapshots; rollbacks; decisions.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ChannelDetails } from '../src/actions/channels.ts'
import type { DecideResult } from '../src/actions/decide.ts'
import type { PendingResult } from '../src/actions/pending.ts'
import type { PromoteResult } from '../src/actions/promote.ts'
import type { RollbackResult } from '../src/actions/snapshots.ts'
import { FakeArchive } from './rig/archive.ts'
import { day, hour } from './rig/clock.ts'
import { aPackage, type BuiltPackage, packages } from './rig/packages.ts'
import { Rig } from './rig/rig.ts'
import { suite, tell } from './rig/story.ts'

const headOf = (rig: Rig, channel: string) => rig.store.channels.head(rig.store.channels.find(channel)!.id)!
const alarmKeys = (rig: Rig) => rig.store.alarms.list().map((alarm) => alarm.key)
const kinds = (result: PromoteResult) => result.items.map((item) => `${item.source} ${item.kind}`)
const phased = (version: string, percentage: number) =>
  aPackage({ name: 'vim', version, more: `Phased-Update-Percentage: ${percentage}\n` })
const rollBack = (rig: Rig, channel: string, id: string) =>
  rig.call<RollbackResult>('snapshot rollback', { channel, id, reason: 'broken', force: true })

test('a known file under another version is no copy of it: it waits', async () => {
  await tell({ stable: suite(packages('bash 5.1')) }, async ({ rig, offer }) => {
    const [bash] = packages('bash 5.1')
    const lie = { ...bash!, stanza: bash!.stanza.replace('Version: 5.1', 'Version: 99.9') }
    await offer({ stable: suite([lie]) })
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1'])
    assert.deepEqual(await rig.pending(), ['bash update 5.1 → 99.9'])
  })
})

test('an approval lets in only what it recorded, not other bytes under the same version', async () => {
  const [a, b] = ['a', 'b'].map((name) => aPackage({ name, version: '1', source: 'src' }))
  await tell({ stable: suite([a!]) }, async ({ rig, offer }) => {
    const changed = aPackage({ name: 'a', version: '1', source: 'src', content: 'other' })
    await offer({ stable: suite([changed, b!]) })
    assert.deepEqual((await rig.pending()).sort(), ['src late-binaries 1 → 1', 'src republished 1 → 1'])
    const result = await rig.call<DecideResult>('approve', { selectors: ['src'] })
    assert.equal(result.status, 'done')
    const files = rig.stanzas('approved', 'src').map((one) => one.sha256)
    assert.ok(
      !files.some((file) => rig.stanzas('testing', 'src').find((one) => one.name === 'a')!.sha256 === file),
    )
    assert.deepEqual(rig.shows('approved', 'stable'), ['a 1', 'b 1'])
  })
})

test('globs and names take no removal, downgrade or other bytes unless asked', async () => {
  await tell({ stable: suite(packages('liba 1', 'libb 2', 'libc 1', 'libd 1')) }, async ({ rig, offer }) => {
    const other = aPackage({ name: 'libc', version: '1', content: 'other' })
    await offer({ stable: suite([...packages('libb 1', 'libd 2'), other]) })
    const glob = await rig.call<PromoteResult>('promote', { selectors: ['lib*'], dryRun: true })
    assert.deepEqual(kinds(glob), ['libd update'])
    for (const [name, kind] of [
      ['liba', 'remove'],
      ['libb', 'downgrade'],
      ['libc', 'republished'],
    ]) {
      const refused = await rig.promote(name!)
      assert.equal(refused.status, 'refused')
      assert.match(refused.refused[0]!.why[0]!, new RegExp(`--include ${kind}`))
    }
    const asked = { selectors: ['liba', 'libb=1', 'libc=1'], include: ['remove'] }
    assert.equal((await rig.call<PromoteResult>('promote', asked)).status, 'done')
    assert.deepEqual(rig.shows('approved', 'stable'), ['libb 1', 'libc 1', 'libd 1'])
  })
})

test('promoting a kernel twice keeps the old ABIs', async () => {
  const kernel = (abi: string, version: string) =>
    aPackage({ name: `linux-image-${abi}`, version, source: 'linux', sourceVersion: version })
  await tell({ stable: suite([kernel('6.1-1', '6.1.1')]) }, async ({ rig, offer }) => {
    await offer({ stable: suite([kernel('6.1-2', '6.1.2')]) })
    for (let times = 0; times < 2; times++) await rig.promote('linux')
    assert.deepEqual(rig.shows('approved', 'stable'), ['linux-image-6.1-1 6.1.1', 'linux-image-6.1-2 6.1.2'])
  })
})

test('--as-of takes back nothing that the feeding channel has by now', async () => {
  await tell({ stable: suite(packages('openssl 3.0', 'bash 1')) }, async ({ rig, offer }) => {
    rig.clock.advance(8 * day)
    await offer({ stable: suite(packages('openssl 3.1', 'nano 1', 'bash 2')) })
    await rig.promote('openssl', 'nano')
    for (const selectors of [['openssl'], ['*'], ['@all']]) {
      const result = await rig.call<PromoteResult>('promote', {
        selectors,
        asOf: '7d',
        include: ['remove', 'downgrade'],
        dryRun: true,
      })
      assert.deepEqual([result.status, kinds(result)], ['nothing', []], selectors.join())
    }
  })
})

test('pins bring back a version that another suite of the release has', async () => {
  const updates = (content: BuiltPackage[]) => suite(content, { codename: 'noble', suite: 'noble-updates' })
  const noble = suite(packages('openssl 3.0', 'vim 9'), { codename: 'noble' })
  await tell({ noble, 'noble-updates': updates([]) }, async ({ rig, offer }) => {
    const good = headOf(rig, 'approved').id
    await offer({ 'noble-updates': updates(packages('openssl 3.1')) })
    await rig.promote('openssl')
    const back = await rollBack(rig, 'approved', good)
    assert.deepEqual(back.held, ['openssl'])
    const { text } = await rig.call<{ text: string }>('pins', {
      channel: 'approved',
      snapshot: back.snapshot,
    })
    assert.match(text, /Package: openssl\nPin: version 3\.0\nPin-Priority: 1001/)
  })
})

test('a rollback holds what loses a version, and not what only had a field changed', async () => {
  await tell({ stable: suite([...packages('bash 5.1'), phased('9.0', 10)]) }, async ({ rig, offer }) => {
    const good = headOf(rig, 'approved').id
    await offer({ stable: suite([...packages('bash 5.2'), phased('9.0', 20)]) })
    await rig.promote('bash')
    assert.deepEqual((await rollBack(rig, 'approved', good)).held, ['bash'])
  })
})

test('a rollback of a following channel lasts, also for what upstream dropped', async () => {
  await tell({ stable: suite(packages('bash 5.1', 'vim 9.0')) }, async ({ rig, offer }) => {
    const good = headOf(rig, 'testing').id
    await offer({ stable: suite(packages('bash 5.1')) })
    const back = await rollBack(rig, 'testing', good)
    assert.deepEqual(back.held, ['vim'])
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.1', 'vim 9.0'])
    assert.equal(headOf(rig, 'testing').id, back.snapshot)
  })
})

test('a mirror that lags and says "not modified" is not believed for what another one had', async () => {
  await using other = await FakeArchive.start()
  await using archive = await FakeArchive.start()
  const both = `${readFileSync(archive.keyring, 'utf8')}${readFileSync(other.keyring, 'utf8')}`
  writeFileSync(archive.keyring, both)
  const old = suite(packages('bash 5.1'))
  await archive.publish('stable', old)
  await other.publish('stable', old)
  await using rig = await Rig.open({ archives: [{ archive, uris: [archive.url, other.url] }] })
  await rig.mustUpdate()
  await other.publish('stable', suite(packages('bash 5.2')))
  archive.lie(/InRelease/, { type: 'status', status: 503 }, 1)
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.2'])
  await other.publish('stable', suite(packages('bash 5.3')))
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.3'])
})

test('a withdrawn security fix is seen, whatever backports have', async () => {
  const named = (name: string, content: BuiltPackage[], more = '') =>
    suite(content, { codename: name, suite: `stable${name.replace('bookworm', '')}`, more })
  const backports = 'NotAutomatic: yes\nButAutomaticUpgrades: yes\n'
  const suites = {
    bookworm: named('bookworm', packages('linux 6.1.1')),
    'bookworm-backports': named('bookworm-backports', packages('linux 6.12'), backports),
    'bookworm-security': named('bookworm-security', []),
  }
  await tell(suites, async ({ rig, offer }) => {
    await offer({ 'bookworm-security': named('bookworm-security', packages('linux 6.1.2')) })
    assert.deepEqual(await rig.pending(), ['linux update 6.1.1 → 6.1.2'])
    const had = headOf(rig, 'testing').id
    await offer({ 'bookworm-security': named('bookworm-security', []) })
    const late = await rig.call<PromoteResult>('promote', { selectors: ['@all'], asOf: had })
    assert.equal(late.status, 'refused')
    assert.match(late.refused[0]!.why[0]!, /withdrawn/)
    await rig.call('promote', { selectors: ['@all'], asOf: had, force: true, reason: 'as it was' })
    await rig.update()
    assert.deepEqual(alarmKeys(rig), ['withdrawn:approved:bookworm:linux'])
    assert.deepEqual(await rig.pending(), ['linux downgrade 6.1.2 → 6.1.1'])
  })
})

test('what another archive of the release has newer is not withdrawn', async () => {
  await using main = await FakeArchive.start()
  await using security = await FakeArchive.start()
  const publish = async (inMain: string[], inSecurity: string[]) => {
    await main.publish('bookworm', suite(packages(...inMain)))
    const spec = suite(packages(...inSecurity), { codename: 'bookworm-security', suite: 'bookworm-security' })
    await security.publish('bookworm-security', spec)
  }
  await publish(['openssl 3.0.1'], ['openssl 3.0.2', 'ssh 9.2'])
  await using rig = await Rig.open({
    archives: [
      { archive: main, name: 'debian', suites: ['bookworm'] },
      { archive: security, name: 'debian-security', suites: ['bookworm-security'] },
    ],
  })
  await rig.mustUpdate()
  await publish(['openssl 3.0.3'], ['ssh 9.2'])
  await rig.mustUpdate()
  assert.deepEqual(alarmKeys(rig), [])
})

test('an approval that had to wait is acted on when nothing keeps it any more', async () => {
  await tell({ stable: suite(packages('bash 5.1')) }, async ({ rig, offer }) => {
    await rig.call('hold', { selectors: ['bash'] })
    await offer({ stable: suite(packages('bash 5.2')) })
    const approved = await rig.call<DecideResult>('approve', { selectors: ['bash'] })
    assert.deepEqual([approved.snapshot, approved.waiting.length], [null, 1])
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1'])
    await rig.call('unhold', { selectors: ['bash'] })
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.2'])
  })
})

test('an approval does not cover bytes that came later under its version', async () => {
  await tell({ stable: suite(packages('bash 5.1')) }, async ({ rig, offer }) => {
    await rig.call('hold', { selectors: ['bash'] })
    await offer({ stable: suite(packages('bash 5.2')) })
    await rig.call('approve', { selectors: ['bash'] })
    await offer({ stable: suite([aPackage({ name: 'bash', version: '5.2', content: 'other' })]) })
    await rig.call('unhold', { selectors: ['bash'] })
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1'])
  })
})

for (const [verb, input] of [
  ['promote', { selectors: ['bash=5.9'] }],
  ['explain', { selectors: ['bash=7'] }],
  ['decline', { selectors: ['bash=7'] }],
  ['promote', { selectors: ['bash'], releases: ['nobel'] }],
  ['pending', { releases: ['nobel'] }],
  ['hold', { selectors: ['bash'], releases: ['nobel'] }],
  ['channel seed', { channel: 'approved', archive: 'vendro' }],
  ['channel seed', { channel: 'approved', suite: 'nobel' }],
] as const) {
  test(`${verb} ${JSON.stringify(input)} names what is unknown`, async () => {
    await tell({ stable: suite(packages('bash 5.1')) }, async ({ rig, offer }) => {
      await offer({ stable: suite(packages('bash 5.2')) })
      await assert.rejects(rig.call(verb, input), { code: 'UNKNOWN_NAME' })
    })
  })
}

test('a version is as old as its first appearance, whatever its phasing did since', async () => {
  await tell({ stable: suite(packages('vim 9.0')) }, async ({ rig, offer }) => {
    await offer({ stable: suite([phased('9.1', 10)]) })
    const first = rig.clock.now()
    for (const percentage of [20, 40, 60, 100]) {
      rig.clock.advance(day)
      await offer({ stable: suite([phased('9.1', percentage)]) })
    }
    const { items } = await rig.call<PendingResult>('pending', {})
    assert.ok(Math.abs(Date.parse(items[0]!.since!) - first) < hour)
    assert.equal((await rig.promote('@older-than:3d')).status, 'done')
  })
})

test('a declined version does not hide an older one that waits', async () => {
  await tell({ stable: suite(packages('agent 8.0')) }, async ({ rig, offer }) => {
    await offer({ stable: suite(packages('agent 8.0', 'agent 8.1', 'agent 8.2')) })
    await rig.call('decline', { selectors: ['agent=8.2'] })
    assert.equal((await rig.promote('@all')).status, 'done')
    assert.deepEqual(rig.shows('approved', 'stable'), ['agent 8.0', 'agent 8.1'])
  })
})

test('a hold on a source that stands nowhere any more can be ended', async () => {
  await tell({ stable: suite(packages('bash 5.1')) }, async ({ rig, offer }) => {
    const good = headOf(rig, 'approved').id
    await offer({ stable: suite(packages('bash 5.1', 'nano 7')) })
    await rig.promote('nano')
    await rollBack(rig, 'approved', good)
    await offer({ stable: suite(packages('bash 5.1')) })
    assert.equal((await rig.call<DecideResult>('unhold', { selectors: ['nano'] })).status, 'done')
    assert.deepEqual((await rig.call<ChannelDetails>('channel show', { channel: 'approved' })).holds, [])
  })
})

test('holds and verdicts stay in force when the configuration names the release otherwise', async () => {
  await tell({ stable: suite(packages('agent 1', 'bash 1')) }, async ({ archive, rig, offer }) => {
    await rig.call('hold', { selectors: ['agent'], reason: 'never' })
    await offer({ stable: suite(packages('agent 1', 'bash 2')) })
    await rig.call('decline', { selectors: ['bash'] })
    await rig.restart({ archives: [{ archive, more: ['release: noble'] }] })
    await offer({ stable: suite(packages('agent 2', 'bash 2')) })
    assert.equal((await rig.promote('agent')).status, 'refused')
    assert.equal((await rig.promote('bash')).status, 'refused')
    const { holds } = await rig.call<ChannelDetails>('channel show', { channel: 'approved' })
    assert.deepEqual(holds.map((hold) => `${hold.source} ${hold.release}`).sort(), [
      'agent noble',
      'agent stable',
    ])
  })
})

test('alarms of two releases are two', async () => {
  const suites = { jammy: suite(packages('bash 5.2')), noble: suite(packages('bash 5.2')) }
  await tell(suites, async ({ rig, offer }) => {
    await offer({ jammy: suite(packages('bash 5.1')), noble: suite(packages('bash 5.0')) })
    assert.deepEqual(alarmKeys(rig).sort(), [
      'withdrawn:approved:jammy:bash',
      'withdrawn:approved:noble:bash',
    ])
  })
})

test('nothing is promoted to a channel that follows by itself', async () => {
  await tell({ stable: suite(packages('bash 5.1')) }, async ({ rig }) => {
    await rig.call('hold', { selectors: ['bash'], to: 'testing' })
    const forced = { selectors: ['bash'], to: 'testing', force: true, reason: 'x' }
    await assert.rejects(rig.call('promote', forced), {
      code: 'USAGE',
      message: /takes over upstream by itself/,
    })
  })
})

test('an accepted identity is published at once, in every channel', async () => {
  await tell({ stable: suite(packages('bash 5.1')) }, async ({ archive, rig }) => {
    await archive.publish(
      'stable',
      suite(packages('bash 5.1'), { origin: 'Renamed', more: 'NotAutomatic: yes\n' }),
    )
    assert.equal((await rig.update()).status, 'refused')
    await rig.update({ accept: ['test/stable'], reason: 'renamed' })
    for (const channel of rig.process.context.published().channels.values()) {
      const release = channel.archives.get('test')!.files.get('dists/stable/Release')!
      assert.equal(release.type, 'bytes')
      if (release.type === 'bytes')
        assert.match(release.bytes.toString(), /^Origin: Renamed$[\s\S]*^NotAutomatic: yes$/m)
    }
  })
})

test('a Release that is older on purpose is adopted once it is accepted', async () => {
  await tell({ stable: suite(packages('bash 5.1')) }, async ({ archive, rig }) => {
    const older = { components: { main: { amd64: packages('bash 5.0') } }, date: Date.UTC(2026, 9, 1) }
    await archive.publish('stable', older)
    assert.equal((await rig.update()).items[0]!.outcome, 'older')
    const accepted = await rig.update({ accept: ['test/stable'], reason: 'rebuilt' })
    assert.equal(accepted.items[0]!.outcome, 'adopted')
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.0'])
  })
})

test('a channel that left the configuration keeps its Valid-Until, renewed', async () => {
  await tell({ stable: suite(packages('bash 5.1')) }, async ({ rig }) => {
    await rig.restart({ channels: { testing: '{from: upstream}' } })
    rig.clock.advance(30 * day)
    await rig.mustUpdate()
    const { id } = rig.store.channels.find('approved')!
    const head = rig.store.publications.heads().find((one) => one.channelId === id)!
    assert.ok(head.validUntil! > rig.clock.now() + 40 * day)
  })
})

test('an architecture that an archive never had is left out if it is foreign', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite(packages('bash 5.1')))
  const more = ['foreign-architectures: [i386]']
  await using rig = await Rig.open({ archives: [{ archive, more }] })
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('approved'), ['stable/main/amd64 bash 5.1'])
})

test('nothing that was fetched for an adoption stays behind, also when it fails', async () => {
  await using archive = await FakeArchive.start()
  const spec = (number: number) =>
    suite([], {
      components: {
        main: { amd64: packages(`bash ${number}`) },
        universe: { amd64: packages(`vim ${number}`) },
      },
    })
  await archive.publish('stable', spec(1))
  await using rig = await Rig.open({ archives: [{ archive, components: ['main', 'universe'] }] })
  await rig.mustUpdate()
  const incoming = () =>
    readdirSync(join(rig.folder, 'data', 'incoming'), { recursive: true }).filter(
      (name) => String(name).length > 60,
    )
  archive.lie(/universe/, { type: 'wrong-bytes' })
  await archive.publish('stable', spec(2))
  assert.equal((await rig.update()).items[0]!.outcome, 'failed')
  assert.deepEqual(incoming(), [])
})

test('two suites with the very same index are adopted at once', async () => {
  const same = packages('bash 5.1')
  await tell({ one: suite(same), two: suite(same) }, async ({ rig, offer }) => {
    const next = packages('bash 5.2')
    await offer({ one: suite(next), two: suite(next) })
    assert.deepEqual(rig.shows('testing'), ['one/main/amd64 bash 5.2', 'two/main/amd64 bash 5.2'])
  })
})
