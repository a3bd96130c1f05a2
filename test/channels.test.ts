// Channels, from upstream to approved, in one process: what moves by itself, what waits, what promotion does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PromoteResult } from '../src/actions/promote.ts'
import type { RollbackResult } from '../src/actions/snapshots.ts'
import { settleStep } from '../src/actions/update.ts'
import { system } from '../src/jobs.ts'
import { FakeArchive } from './rig/archive.ts'
import { day, hour } from './rig/clock.ts'
import { aPackage, type BuiltPackage, packages } from './rig/packages.ts'
import { Rig, type RigOptions } from './rig/rig.ts'
import { nextDate, suite, withRig as withPlainRig } from './rig/story.ts'

async function withRig(
  content: readonly BuiltPackage[],
  story: (rig: Rig, archive: FakeArchive) => Promise<void>,
  options: Partial<RigOptions> = {},
): Promise<void> {
  const thenChecked = async (rig: Rig, archive: FakeArchive) => {
    await story(rig, archive)
    await rig.check()
    await checkNothingFollows(rig)
  }
  await withPlainRig(content, thenChecked, options)
}

/** Looking only at what changed ends where looking at everything does. */
async function checkNothingFollows(rig: Rig): Promise<void> {
  const { store } = rig
  const settle = () =>
    rig.process.context.jobs.run(settleStep, { unchanged: [] }, { actor: system, emit: () => {} })
  await settle()
  const alarms = store.alarms.list().map((alarm) => alarm.key)
  const before = store.channels.list().map((channel) => store.channels.head(channel.id)?.id)
  store.db.write((tx) => {
    store.channels.forgetFollowed(tx)
    store.settings.set(tx, 'alarms-revision', '0')
  })
  await settle()
  const after = store.channels.list().map((channel) => store.channels.head(channel.id)?.id)
  assert.deepEqual(after, before, 'nothing follows that did not follow by itself')
  const sourceAlarms = (keys: string[]) => keys.filter((key) => /^(withdrawn|republished):/.test(key)).sort()
  const now = store.alarms.list().map((alarm) => alarm.key)
  assert.deepEqual(sourceAlarms(now), sourceAlarms(alarms), 'the same alarms')
}

test('the first update seeds; then testing follows and approved waits for a promotion', async () => {
  await withRig(packages('bash 5.1', 'vim 9.0'), async (rig, archive) => {
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1', 'vim 9.0'])
    await archive.publish('stable', suite(packages('bash 5.2', 'vim 9.0', 'nano 7.0')))
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.2', 'nano 7.0', 'vim 9.0'])
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1', 'vim 9.0'])
    assert.deepEqual(await rig.pending(), ['bash update 5.1 → 5.2', 'nano new - → 7.0'])
    const result = await rig.promote('bash')
    assert.deepEqual(
      [result.status, result.entered, result.left],
      ['done', ['stable main: bash 5.2 amd64'], ['stable main: bash 5.1 amd64']],
    )
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.2', 'vim 9.0'])
    assert.deepEqual(await rig.pending(), ['nano new - → 7.0'])
    assert.equal((await rig.promote('bash')).status, 'nothing')
  })
})

test('a dry run shows the exact change and does nothing', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    await archive.publish('stable', suite(packages('bash 5.2')))
    await rig.mustUpdate()
    const before = rig.store.audit.list().length
    const result = await rig.call<PromoteResult>('promote', { selectors: ['@all'], dryRun: true })
    assert.deepEqual(
      [result.entered, result.left, result.snapshot],
      [['stable main: bash 5.2 amd64'], ['stable main: bash 5.1 amd64'], null],
    )
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1'])
    assert.equal(rig.store.audit.list().length, before)
  })
})

test('nine versions of one source in a suite: the newest enters, what upstream still offers stays', async () => {
  const nine = Array.from({ length: 9 }, (_, index) => aPackage({ name: 'agent', version: `8.${index}` }))
  await withRig(nine, async (rig, archive) => {
    assert.equal(rig.shows('approved', 'stable').length, 9)
    await archive.publish('stable', suite([...nine.slice(1), aPackage({ name: 'agent', version: '8.10' })]))
    await rig.mustUpdate()
    assert.deepEqual(await rig.pending(), ['agent update 8.8 → 8.10'])
    await rig.promote('agent')
    const shown = rig.shows('approved', 'stable')
    assert.deepEqual(shown, [...nine.slice(1).map((one) => `agent ${one.spec.version}`), 'agent 8.10'].sort())
  })
})

test('nine new versions of a new source: a name takes the newest', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    const nine = Array.from({ length: 9 }, (_, index) => aPackage({ name: 'agent', version: `8.${index}` }))
    await archive.publish('stable', suite([...packages('bash 5.1'), ...nine]))
    await rig.mustUpdate()
    await rig.promote('agent')
    assert.deepEqual(rig.shows('approved', 'stable'), ['agent 8.8', 'bash 5.1'])
    assert.deepEqual(await rig.pending(), [])
    await rig.promote('agent=8.3')
  })
})

const kernel = (abi: string, version: string) =>
  aPackage({ name: `linux-image-${abi}`, version, source: 'linux', sourceVersion: version })
const meta = (version: string) =>
  aPackage({ name: 'linux-image', version, source: 'linux', sourceVersion: version })

test('old kernel ABIs are kept when a new one enters', async () => {
  await withRig([kernel('6.1-1', '6.1.1'), meta('6.1.1')], async (rig, archive) => {
    await archive.publish('stable', suite([kernel('6.1-2', '6.1.2'), meta('6.1.2')]))
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('testing', 'stable'), ['linux-image 6.1.2', 'linux-image-6.1-2 6.1.2'])
    await rig.promote('linux')
    assert.deepEqual(rig.shows('approved', 'stable'), [
      'linux-image 6.1.2',
      'linux-image-6.1-1 6.1.1',
      'linux-image-6.1-2 6.1.2',
    ])
    // What upstream dropped is offered for removal, and only then goes.
    assert.deepEqual(await rig.pending(), ['linux remove 6.1.2 → 6.1.1'])
    assert.equal((await rig.promote('@all')).status, 'nothing')
    await rig.call('promote', { selectors: ['@all'], include: ['remove'] })
    assert.deepEqual(rig.shows('approved', 'stable'), ['linux-image 6.1.2', 'linux-image-6.1-2 6.1.2'])
  })
})

test('two sources take turns at one binary name', async () => {
  const first = aPackage({ name: 'mta', version: '1.0', source: 'exim', sourceVersion: '1.0' })
  const other = aPackage({ name: 'exim-doc', version: '1.0', source: 'exim', sourceVersion: '1.0' })
  const second = aPackage({ name: 'mta', version: '2.0', source: 'postfix', sourceVersion: '2.0' })
  await withRig([first, other], async (rig, archive) => {
    await archive.publish('stable', suite([other, second]))
    await rig.mustUpdate()
    await rig.promote('postfix')
    assert.deepEqual(rig.shows('approved', 'stable'), ['exim-doc 1.0', 'mta 2.0'])
    const back = aPackage({ name: 'mta', version: '3.0', source: 'exim', sourceVersion: '3.0' })
    await archive.publish('stable', suite([other, back]))
    await rig.mustUpdate()
    await rig.promote('exim')
    assert.deepEqual(rig.shows('approved', 'stable'), ['exim-doc 1.0', 'mta 3.0'])
  })
})

test('a copy from security to updates follows without a promotion', async () => {
  await using archive = await FakeArchive.start()
  const old = packages('openssl 3.0')
  const fix = packages('openssl 3.0+u1')
  await archive.publish('noble', suite(old, { codename: 'noble' }))
  await archive.publish('noble-updates', suite([], { codename: 'noble', suite: 'noble-updates' }))
  await archive.publish('noble-security', suite([], { codename: 'noble', suite: 'noble-security' }))
  await using rig = await Rig.open({
    archives: [{ archive, name: 'ubuntu', suites: ['noble', 'noble-updates', 'noble-security'] }],
  })
  await rig.mustUpdate()
  await archive.publish('noble-security', suite(fix, { codename: 'noble', suite: 'noble-security' }))
  await rig.mustUpdate()
  assert.deepEqual(await rig.pending(), ['openssl update 3.0 → 3.0+u1'])
  await rig.promote('@security')
  await archive.publish('noble-updates', suite(fix, { codename: 'noble', suite: 'noble-updates' }))
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('approved', 'noble-updates'), ['openssl 3.0+u1'])
  assert.deepEqual(await rig.pending(), [])
  // The same the other way round: what was never approved waits in both suites as one line, and enters both.
  const next = packages('openssl 3.0+u2')
  await archive.publish('noble-security', suite(next, { codename: 'noble', suite: 'noble-security' }))
  await archive.publish('noble-updates', suite(next, { codename: 'noble', suite: 'noble-updates' }))
  await rig.mustUpdate()
  assert.deepEqual(await rig.pending(), ['openssl update 3.0+u1 → 3.0+u2'])
  await rig.promote('openssl')
  assert.deepEqual(rig.shows('approved').filter((line) => line.includes('u2')).length, 2)
  await rig.check()
})

test('a binNMU of an approved version is a late binary; it replaces what it rebuilds', async () => {
  await withRig(packages('bash 5.1', 'vim 9.0'), async (rig, archive) => {
    const rebuilt = aPackage({ name: 'bash', version: '5.1+b1', sourceVersion: '5.1' })
    await archive.publish('stable', suite([rebuilt, ...packages('vim 9.0')]))
    await rig.mustUpdate()
    assert.deepEqual(await rig.pending(), ['bash late-binaries 5.1 → 5.1'])
    await rig.promote('bash')
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1+b1', 'vim 9.0'])
  })
})

test('an architecture that arrives late waits as late binaries of the approved version', async () => {
  await using archive = await FakeArchive.start()
  const on = (architecture: string, version: string) => aPackage({ name: 'bash', version, architecture })
  const both = (amd64: string, arm64: string) => ({
    components: { main: { amd64: [on('amd64', amd64)], arm64: [on('arm64', arm64)] } },
    date: nextDate(),
  })
  await archive.publish('stable', both('5.1', '5.1'))
  await using rig = await Rig.open({ archives: [{ archive, architectures: ['amd64', 'arm64'] }] })
  await rig.mustUpdate()
  await archive.publish('stable', both('5.2', '5.1'))
  await rig.mustUpdate()
  await rig.promote('bash')
  assert.deepEqual(rig.shows('approved'), ['stable/main/amd64 bash 5.2', 'stable/main/arm64 bash 5.1'])
  await archive.publish('stable', both('5.2', '5.2'))
  await rig.mustUpdate()
  assert.deepEqual(await rig.pending(), ['bash late-binaries 5.2 → 5.2'])
  await rig.promote('bash')
  assert.deepEqual(rig.shows('approved'), ['stable/main/amd64 bash 5.2', 'stable/main/arm64 bash 5.2'])
  await rig.check()
})

test('a withdrawn version leaves testing, stays in approved with an alarm, and is no candidate any more', async () => {
  await withRig(packages('bash 5.1', 'vim 9.0'), async (rig, archive) => {
    await archive.publish('stable', suite(packages('bash 5.2', 'vim 9.0')))
    await rig.mustUpdate()
    await rig.promote('bash')
    await archive.publish('stable', suite(packages('bash 5.1', 'vim 9.0')))
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.1', 'vim 9.0'])
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.2', 'vim 9.0'])
    assert.deepEqual(
      rig.store.alarms.list().map((alarm) => alarm.key),
      ['withdrawn:approved:stable:bash'],
    )
    assert.deepEqual(await rig.pending(), ['bash downgrade 5.2 → 5.1'])
    // Groups take a downgrade only when asked; a name has nothing else to take.
    assert.equal((await rig.promote('@all')).status, 'nothing')
    assert.equal(
      (await rig.call<PromoteResult>('promote', { selectors: ['bash'], include: ['downgrade'] })).status,
      'done',
    )
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1', 'vim 9.0'])
    await rig.mustUpdate()
    assert.deepEqual(rig.store.alarms.list(), [])
  })
})

test('a withdrawn version cannot be promoted by its number either', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    await archive.publish('stable', suite(packages('bash 5.2')))
    await rig.mustUpdate()
    await archive.publish('stable', suite(packages('bash 5.1')))
    await rig.mustUpdate()
    const result = await rig.promote('bash=5.2')
    assert.equal(result.status, 'refused')
    assert.match(result.refused[0]!.why.join(), /bash 5.2 was withdrawn upstream/)
  })
})

test('a removal waits until it is asked for', async () => {
  await withRig(packages('bash 5.1', 'vim 9.0'), async (rig, archive) => {
    await archive.publish('stable', suite(packages('bash 5.1')))
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.1'])
    assert.deepEqual(await rig.pending(), ['vim remove 9.0 → 9.0'])
    assert.equal((await rig.promote('@all')).status, 'nothing')
    assert.equal((await rig.promote('vim')).status, 'refused')
    await rig.call('promote', { selectors: ['vim'], include: ['remove'] })
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1'])
  })
})

test('a component move follows by itself, also with a new path', async () => {
  await using archive = await FakeArchive.start()
  const here = aPackage({ name: 'tool', version: '1.0', path: 'pool/universe/t/tool/tool_1.0_amd64.deb' })
  const moved = aPackage({ name: 'tool', version: '1.0', path: 'pool/main/t/tool/tool_1.0_amd64.deb' })
  const place = (main: BuiltPackage[], universe: BuiltPackage[]) => ({
    components: { main: { amd64: main }, universe: { amd64: universe } },
    date: nextDate(),
  })
  await archive.publish('stable', place([], [here]))
  await using rig = await Rig.open({ archives: [{ archive, components: ['main', 'universe'] }] })
  await rig.mustUpdate()
  await archive.publish('stable', place([moved], []))
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('approved'), ['stable/main/amd64 tool 1.0'])
  assert.deepEqual(await rig.pending(), [])
  await rig.check()
})

test('other bytes under a known version: gated channels keep the old ones, and an alarm says so', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    const before = rig.stanzas('approved', 'bash')[0]!.sha256
    const other = aPackage({ name: 'bash', version: '5.1', content: 'other bytes' })
    await archive.publish('stable', suite([other]))
    await rig.mustUpdate()
    assert.equal(rig.stanzas('approved', 'bash')[0]!.sha256, before)
    assert.notEqual(rig.stanzas('testing', 'bash')[0]!.sha256, before)
    assert.deepEqual(await rig.pending(), ['bash republished 5.1 → 5.1'])
    assert.deepEqual(
      rig.store.alarms.list().map((alarm) => alarm.key),
      ['republished:approved:stable:bash'],
    )
    assert.equal((await rig.promote('@all')).status, 'nothing')
    await rig.promote('bash=5.1')
    assert.notEqual(rig.stanzas('approved', 'bash')[0]!.sha256, before)
  })
})

test('changed fields of the same file follow into each channel', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    await archive.publish('stable', suite([aPackage({ name: 'bash', version: '5.1', section: 'shells' })]))
    await rig.mustUpdate()
    for (const channel of ['testing', 'approved']) {
      const [stanza] = rig.stanzas(channel, 'bash')
      assert.match(rig.store.records.text(stanza!.id).toString(), /^Section: shells$/m)
    }
  })
})

test('phasing is taken out of what channels publish', async () => {
  const phased = aPackage({ name: 'bash', version: '5.1', more: 'Phased-Update-Percentage: 10\n' })
  await withRig([phased], async (rig) => {
    const seen = await rig.check()
    assert.deepEqual(seen.get('testing/test/stable'), ['bash 5.1'])
    const { files } = rig.process.context.published().channels.get('testing')!.archives.get('test')!
    const index = files.get('dists/stable/main/binary-amd64/Packages.gz')
    assert.ok(index?.type === 'blob')
    await using blob = await rig.process.network.generated.open(index.sha256)
    const { gunzipSync } = await import('node:zlib')
    const text = gunzipSync(await blob!.read(0, blob!.sizeBytes)).toString()
    assert.doesNotMatch(text, /Phased/)
    assert.match(text, /^Description: bash$/m)
  })
})

test('what was tested is what is approved: --as-of promotes what testing had then', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    await archive.publish('stable', suite(packages('bash 5.2')))
    await rig.mustUpdate()
    const tested = rig.store.channels.head(rig.store.channels.find('testing')!.id)!.id
    rig.clock.advance(3 * day)
    await archive.publish('stable', suite(packages('bash 5.3')))
    await rig.mustUpdate()
    const byAge = await rig.call<PromoteResult>('promote', { selectors: ['bash'], asOf: '2d', dryRun: true })
    assert.deepEqual(byAge.entered, ['stable main: bash 5.2 amd64'])
    const result = await rig.call<PromoteResult>('promote', { selectors: ['@all'], asOf: tested })
    assert.deepEqual(result.entered, ['stable main: bash 5.2 amd64'])
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.2'])
    assert.deepEqual(await rig.pending(), ['bash update 5.2 → 5.3'])
    await assert.rejects(rig.call('promote', { selectors: ['bash'], asOf: '20200101T000000Z' }), {
      code: 'UNKNOWN_NAME',
    })
  })
})

test('a version that testing had before it moved on can be named', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    for (const version of ['5.2', '5.3']) {
      await archive.publish('stable', suite(packages(`bash ${version}`)))
      await rig.mustUpdate()
    }
    const result = await rig.promote('bash=5.2')
    assert.deepEqual(result.entered, ['stable main: bash 5.2 amd64'])
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.2'])
  })
})

test('a hold keeps a source at what the channel has until it ends, in gated and following channels', async () => {
  await withRig(packages('bash 5.1', 'vim 9.0'), async (rig, archive) => {
    await rig.call('hold', { selectors: ['bash'], reason: 'not yet' })
    await rig.call('hold', { selectors: ['vim'], to: 'testing' })
    await archive.publish('stable', suite(packages('bash 5.2', 'vim 9.1')))
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.2', 'vim 9.0'])
    const refused = await rig.promote('bash')
    assert.equal(refused.status, 'refused')
    assert.match(refused.refused[0]!.why[0]!, /bash is on hold in approved since .* \(tester: not yet\)/)
    assert.equal((await rig.promote('@all')).status, 'refused')
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1', 'vim 9.0'])
    assert.equal((await rig.call<{ status: string }>('hold', { selectors: ['bash'] })).status, 'nothing')
    await rig.call('unhold', { selectors: ['vim'], to: 'testing' })
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.2', 'vim 9.1'])
    await rig.call('unhold', { selectors: ['bash'] })
    assert.equal((await rig.promote('bash')).status, 'done')
  })
})

test('--force breaks a hold, with a reason that stays on the record', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    await rig.call('hold', { selectors: ['bash'] })
    await archive.publish('stable', suite(packages('bash 5.2')))
    await rig.mustUpdate()
    await assert.rejects(rig.call('promote', { selectors: ['bash'], force: true }), { code: 'USAGE' })
    await rig.call('promote', { selectors: ['bash'], force: true, reason: 'CVE is exploited' })
    const row = rig.store.audit.list().at(-1)!
    assert.deepEqual([row.action, row.reason], ['promote --force', 'CVE is exploited'])
    assert.match(JSON.stringify(row.details), /is on hold/)
  })
})

test('a declined version stays out, its successor does not', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    await archive.publish('stable', suite(packages('bash 5.2')))
    await rig.mustUpdate()
    await rig.call('decline', { selectors: ['bash'], reason: 'breaks login' })
    assert.equal((await rig.promote('bash')).status, 'refused')
    assert.equal((await rig.promote('@all')).status, 'refused')
    await archive.publish('stable', suite(packages('bash 5.3')))
    await rig.mustUpdate()
    assert.equal((await rig.promote('@all')).status, 'done')
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.3'])
  })
})

test('approve records what it saw, lifts a decline, and lets the version in', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    await archive.publish('stable', suite(packages('bash 5.2')))
    await rig.mustUpdate()
    await rig.call('decline', { selectors: ['bash'] })
    await rig.call('approve', { selectors: ['bash=5.2'], reason: 'tested' })
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.2'])
    const [decision] = rig.store.decisions.verdicts(rig.store.channels.find('approved')!.id)
    assert.deepEqual(
      [decision?.verb, decision?.version, decision?.files],
      ['approve', '5.2', [rig.stanzas('approved', 'bash')[0]!.sha256]],
    )
  })
})

test('a rollback is a new snapshot with the old content, with holds that survive updates', async () => {
  await withRig(packages('bash 5.1', 'vim 9.0'), async (rig, archive) => {
    const approved = rig.store.channels.find('approved')!
    const good = rig.store.channels.head(approved.id)!
    for (const one of packages('bash 5.1', 'vim 9.0')) await rig.cache(one)
    await archive.publish('stable', suite(packages('bash 5.2', 'vim 9.1')))
    await rig.mustUpdate()
    await rig.promote('@all')
    rig.clock.advance(hour)
    const result = await rig.call<RollbackResult>('snapshot rollback', {
      channel: 'approved',
      id: good.id,
      reason: 'vim is broken',
    })
    assert.deepEqual([result.status, result.held], ['done', ['bash', 'vim']])
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1', 'vim 9.0'])
    const head = rig.store.channels.head(approved.id)!
    assert.ok(head.revision > good.revision && head.id > good.id)
    assert.equal((await rig.promote('@all')).status, 'refused')
    const { text } = await rig.call<{ text: string }>('pins', {
      channel: 'approved',
      snapshot: result.snapshot,
    })
    assert.match(text, /^Package: bash\nPin: version 5\.1\nPin-Priority: 1001$/m)
    assert.match(text, /^Package: vim\nPin: version 9\.0\nPin-Priority: 1001$/m)
    await rig.call('unhold', { selectors: ['bash'] })
    assert.equal((await rig.promote('@all')).status, 'done')
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.2', 'vim 9.0'])
  })
})

test('a rollback is refused when a file of the old content cannot be had', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    const good = rig.store.channels.head(rig.store.channels.find('approved')!.id)!
    await archive.publish('stable', suite(packages('bash 5.2')))
    archive.removeFile(packages('bash 5.1')[0]!.path)
    await rig.mustUpdate()
    await rig.promote('bash')
    const order = { channel: 'approved', id: good.id, reason: 'no' }
    await assert.rejects(rig.call('snapshot rollback', order), {
      code: 'GATE_REFUSED',
      message: /A file of .* cannot be had any more: bash_5.1_amd64.deb/,
    })
    assert.equal(
      (await rig.call<RollbackResult>('snapshot rollback', { ...order, force: true })).status,
      'done',
    )
  })
})

test('a rolled-back following channel does not follow again by itself', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    const testing = rig.store.channels.find('testing')!
    const good = rig.store.channels.head(testing.id)!
    await archive.publish('stable', suite(packages('bash 5.2', 'nano 7.0')))
    await rig.mustUpdate()
    await rig.call('snapshot rollback', { channel: 'testing', id: good.id, reason: 'no', force: true })
    await archive.publish('stable', suite(packages('bash 5.3', 'nano 7.0', 'vim 9.0')))
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.1', 'vim 9.0'])
  })
})

test('what is added to the configuration later waits for a seed; it is never seeded twice', async () => {
  await using archive = await FakeArchive.start()
  const components = (universe: BuiltPackage[]) => ({
    components: { main: { amd64: packages('bash 5.1') }, universe: { amd64: universe } },
    date: nextDate(),
  })
  await archive.publish('stable', components(packages('tool 1.0')))
  await using rig = await Rig.open({ archives: [{ archive }] })
  await rig.mustUpdate()
  await rig.restart({ archives: [{ archive, components: ['main', 'universe'] }] })
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('testing'), ['stable/main/amd64 bash 5.1', 'stable/universe/amd64 tool 1.0'])
  assert.deepEqual(rig.shows('approved'), ['stable/main/amd64 bash 5.1'])
  assert.deepEqual(await rig.pending(), [], 'an unseeded index is not pending')
  assert.deepEqual(
    rig.store.alarms.list().map((alarm) => alarm.key),
    ['seed:approved'],
  )
  const seeded = await rig.call<{ status: string; entered: number }>('channel seed', {
    channel: 'approved',
    reason: 'trusted',
  })
  assert.deepEqual([seeded.status, seeded.entered], ['done', 1])
  await archive.publish('stable', components(packages('tool 2.0')))
  await rig.mustUpdate()
  const again = await rig.call<{ status: string }>('channel seed', { channel: 'approved' })
  assert.equal(again.status, 'nothing')
  assert.deepEqual(await rig.pending(), ['tool update 1.0 → 2.0'])
  await rig.check()
})

test('an empty seed makes everything wait', async () => {
  await using archive = await FakeArchive.start()
  await using vendor = await FakeArchive.start()
  await archive.publish('stable', suite(packages('bash 5.1')))
  await vendor.publish('any', suite(packages('agent 1.0')))
  await using rig = await Rig.open({ archives: [{ archive }] })
  await rig.mustUpdate()
  const more = { archive: vendor, name: 'vendor', suites: ['any'], more: ['release: stable'] }
  await rig.restart({ archives: [{ archive }, more] })
  await rig.mustUpdate()
  await rig.call('channel seed', { channel: 'approved', archive: 'vendor', empty: true })
  assert.deepEqual(rig.shows('approved', 'any'), [])
  assert.deepEqual(await rig.pending(), ['agent new - → 1.0'])
  const seen = await rig.check()
  assert.deepEqual(seen.get('approved/vendor/any'), [])
})

test('an archive of which a suite is still to come waits for that, not for a seed', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite(packages('bash 5.1')))
  await using rig = await Rig.open({ archives: [{ archive, suites: ['stable', 'updates'] }] })
  await rig.update()
  assert.deepEqual([rig.shows('testing', 'stable'), rig.shows('approved', 'stable')], [['bash 5.1'], []])
  const alarms = () => rig.store.alarms.list().map((alarm) => alarm.key)
  assert.deepEqual(
    alarms().filter((key) => key.startsWith('seed')),
    [],
  )
  await assert.rejects(rig.call('channel seed', { channel: 'approved' }), { code: 'GUARD_REFUSED' })
  await archive.publish('updates', suite(packages('vim 9.0')))
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('approved'), ['stable/main/amd64 bash 5.1', 'updates/main/amd64 vim 9.0'])
  assert.deepEqual(alarms(), [])
})

test('what leaves the configuration is frozen, served, and goes only when it is dropped', async () => {
  await using archive = await FakeArchive.start()
  await using vendor = await FakeArchive.start()
  await archive.publish('stable', suite(packages('bash 5.1')))
  await vendor.publish('any', suite(packages('agent 1.0')))
  const both = [{ archive }, { archive: vendor, name: 'vendor', suites: ['any'] }]
  await using rig = await Rig.open({ archives: both })
  await rig.mustUpdate()
  await rig.restart({ archives: [{ archive }] })
  await rig.mustUpdate()
  assert.deepEqual((await rig.check()).get('approved/vendor/any'), ['agent 1.0'])
  const { items } = await rig.call<{ items: { archive: string; state: string; frozen: string[] }[] }>(
    'archive list',
  )
  assert.deepEqual(
    items.filter((one) => one.archive === 'vendor').map((one) => [one.state, one.frozen]),
    [['frozen', ['main/amd64']]],
  )
  await assert.rejects(rig.call('archive drop', { archive: 'test', reason: 'no' }), { code: 'GUARD_REFUSED' })
  await rig.call('archive drop', { archive: 'vendor', reason: 'not used' })
  assert.deepEqual([...(await rig.check()).keys()], ['testing/test/stable', 'approved/test/stable'])
  // Back in the configuration, it waits for a seed like anything new.
  await rig.restart({ archives: both })
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('testing', 'any'), ['agent 1.0'])
  assert.deepEqual(rig.shows('approved', 'any'), [])
})

test('every change is a snapshot with an audit row in a chain that cannot be edited', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    await archive.publish('stable', suite(packages('bash 5.2')))
    await rig.mustUpdate()
    await rig.promote('bash')
    await rig.call('hold', { selectors: ['bash'], reason: 'why not' }, 'andrew')
    const rows = rig.store.audit.list()
    assert.deepEqual(
      rows.slice(-4).map((row) => [row.actor.name, row.action, row.subject]),
      [
        ['tester', 'adopt', 'test/stable'],
        ['tester', 'follow', 'testing'],
        ['tester', 'promote', 'approved'],
        ['andrew', 'hold', 'bash'],
      ],
    )
    for (const sql of [
      "UPDATE audit SET actor = 'x'",
      'DELETE FROM audit WHERE sequence = 1',
      'DELETE FROM decision',
    ]) {
      assert.throws(() => rig.store.db.write((tx) => tx.run(sql)), /never|changed/)
    }
  })
})

test('a chain of channels: a third tier is fed from approved', async () => {
  await withRig(
    packages('bash 5.1'),
    async (rig, archive) => {
      await archive.publish('stable', suite(packages('bash 5.2')))
      await rig.mustUpdate()
      await rig.promote('bash')
      assert.deepEqual(await rig.pending('production'), ['bash update 5.1 → 5.2'])
      assert.deepEqual(rig.shows('lab', 'stable'), ['bash 5.2'], 'a follower of approved has it at once')
      await rig.call('promote', { selectors: ['bash'], to: 'production' })
      assert.deepEqual(rig.shows('production', 'stable'), ['bash 5.2'])
    },
    {
      channels: {
        testing: '{from: upstream}',
        approved: '{from: testing}',
        production: '{from: approved}',
        lab: '{from: approved, follow: true}',
      },
    },
  )
})

test('a selector that matches in two releases is refused until one is named', async () => {
  await using archive = await FakeArchive.start()
  for (const name of ['jammy', 'noble']) await archive.publish(name, suite(packages('bash 5.1')))
  await using rig = await Rig.open({ archives: [{ archive, suites: ['jammy', 'noble'] }] })
  await rig.mustUpdate()
  for (const name of ['jammy', 'noble']) await archive.publish(name, suite(packages('bash 5.2')))
  await rig.mustUpdate()
  await assert.rejects(rig.promote('bash'), {
    code: 'RELEASE_AMBIGUOUS',
    message: 'The selection is in several releases: jammy, noble',
  })
  await rig.call('promote', { selectors: ['bash'], releases: ['noble'] })
  assert.deepEqual(rig.shows('approved'), ['jammy/main/amd64 bash 5.1', 'noble/main/amd64 bash 5.2'])
})

test('an unknown name does nothing, whatever else matches', async () => {
  await withRig(packages('bash 5.1'), async (rig, archive) => {
    await archive.publish('stable', suite(packages('bash 5.2')))
    await rig.mustUpdate()
    await assert.rejects(rig.promote('bash', 'bsah'), { code: 'UNKNOWN_NAME', message: /bsah/ })
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1'])
    await assert.rejects(rig.promote('CVE-2024-3094'), { code: 'NO_ADVISORY_DATA' })
    await assert.rejects(rig.call('promote', { selectors: ['bash'], to: 'nowhere' }), {
      code: 'UNKNOWN_NAME',
    })
  })
})

test('selectors: binary names, globs, age', async () => {
  const parts = (version: string) => [
    aPackage({ name: 'php8.2-cli', version, source: 'php8.2' }),
    aPackage({ name: 'php8.2-fpm', version, source: 'php8.2' }),
  ]
  await withRig([...parts('8.2.1'), ...packages('vim 9.0')], async (rig, archive) => {
    await archive.publish('stable', suite([...parts('8.2.2'), ...packages('vim 9.0')]))
    await rig.mustUpdate()
    rig.clock.advance(5 * day)
    await archive.publish('stable', suite([...parts('8.2.2'), ...packages('vim 9.1')]))
    await rig.mustUpdate()
    const dryRun = async (...selectors: string[]) => {
      const result = await rig.call<PromoteResult>('promote', { selectors, dryRun: true })
      return result.items.map((item) => item.source)
    }
    assert.deepEqual(await dryRun('php8.2-fpm'), ['php8.2'])
    assert.deepEqual(await dryRun('php*'), ['php8.2'])
    assert.deepEqual(await dryRun('@older-than:3d'), ['php8.2'])
    assert.deepEqual(await dryRun('@all'), ['php8.2', 'vim'])
    for (const bad of ['@nothing', '@older-than:soon', 'a b', 'bash=', 'bash=1:']) {
      await assert.rejects(dryRun(bad), { code: 'USAGE' }, bad)
    }
  })
})

test('following on an unchanged upstream makes no snapshot', async () => {
  await withRig(packages('bash 5.1'), async (rig) => {
    const before = rig.store.audit.list().length
    await rig.mustUpdate()
    assert.equal(rig.store.audit.list().length, before)
  })
})

test('three earlier states stay served, however old they are', async () => {
  await withRig(
    packages('bash 1'),
    async (rig, archive) => {
      const present = () => rig.process.context.published().channels.get('testing')!
      const folder = 'dists/stable/main/binary-amd64'
      const indexes: string[] = []
      for (let version = 1; version <= 5; version++) {
        rig.clock.advance(30 * day)
        const content = { components: { main: { amd64: packages(`bash ${version}`) } } }
        await archive.publish('stable', { ...content, date: rig.clock.now() - hour })
        await rig.mustUpdate()
        const index = present().archives.get('test')!.files.get(`${folder}/Packages.gz`)
        indexes.push(index?.type === 'blob' ? index.sha256 : '')
      }
      const archiveNow = present().archives.get('test')!
      const isServed = indexes.map((sha256) => archiveNow.files.has(`${folder}/by-hash/SHA256/${sha256}`))
      assert.deepEqual(isServed, [false, true, true, true, true])
      const { findPackage } = rig.process.context.published()
      const isFound = indexes.map(
        (_, at) => findPackage(present(), archiveNow, `pool/main/b/bash/bash_${at + 1}_amd64.deb`) !== null,
      )
      assert.deepEqual(isFound, isServed)
    },
    { channels: { testing: '{from: upstream, keep: 1h}' } },
  )
})

test('no statement that runs in normal work scans a large table', async () => {
  await withRig(packages('bash 5.1', 'vim 9.0'), async (rig, archive) => {
    await archive.publish('stable', suite(packages('bash 5.2', 'vim 9.0', 'nano 7.0')))
    await rig.mustUpdate()
    await rig.pending()
    await rig.promote('bash', 'nano')
    await rig.call('hold', { selectors: ['bash'] })
    await rig.call('channel diff', { from: 'approved', to: 'testing' })
    await rig.call('status')
    await rig.check()
    const { reader } = rig.process.network
    const plans = [...rig.store.db.plans(), ...reader.db.plans()]
    assert.ok(plans.length > 60, `${plans.length} statements`)
    for (const { sql, plan } of plans) {
      // The plan of an insertion shows the check of foreign keys, which runs only after a violation.
      if (sql.startsWith('INSERT INTO record')) continue
      const scans = plan.filter((step) =>
        /^SCAN (record|member|pool_file|block|publication_file|twin|other|stays)\b/.test(step),
      )
      assert.deepEqual(scans, [], sql)
    }
    const find = plans.find(({ sql }) => sql.includes('FROM pool_file') && sql.includes('LIMIT 1'))
    assert.deepEqual(find?.plan, [
      'SEARCH pool_file USING PRIMARY KEY (channel_id=? AND archive_id=? AND path=?)',
      'CORRELATED SCALAR SUBQUERY 1',
      'SEARCH blocked_file USING PRIMARY KEY (sha256=?)',
    ])
  })
})
