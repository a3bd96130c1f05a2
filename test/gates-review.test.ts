// Gates, approvals and rules where they meet: approvals that were used, versions that come back, families that were
// superseded, groups that a rule keeps out, and many items at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DecideResult } from '../src/actions/decide.ts'
import type { PendingResult } from '../src/actions/pending.ts'
import type { PromoteResult } from '../src/actions/promote.ts'
import { day, FakeClock, hour, minute } from './rig/clock.ts'
import { aPackage, packages } from './rig/packages.ts'
import { approved, gated, suite, tell, upkeep, version } from './rig/story.ts'

test('the approval of a version takes it out no more when upstream drops it', async () => {
  await tell({ stable: suite(packages('bash 1', 'vim 1')) }, async ({ rig, offer }) => {
    await offer({ stable: suite(packages('bash 1', 'vim 2')) })
    await rig.call('approve', { selectors: ['vim'] })
    rig.clock.advance(day)
    await offer({ stable: suite(packages('bash 1')) })
    assert.deepEqual(approved(rig), ['bash 1', 'vim 2'])
    assert.deepEqual(await rig.pending(), ['vim remove 2 → 2'])
  })
})

test('an approval that was used does not bring a version back as a downgrade', async () => {
  await tell({ stable: suite(packages('bash 1')) }, async ({ rig, offer }) => {
    for (const number of [2, 3]) {
      await offer({ stable: suite(packages(`bash ${number}`)) })
      await rig.call('approve', { selectors: ['bash'] })
      rig.clock.advance(day)
    }
    await offer({ stable: suite(packages('bash 2')) })
    assert.deepEqual(approved(rig), ['bash 3'])
    assert.equal((await rig.call<DecideResult>('approve', { selectors: ['bash=2'] })).status, 'done')
    assert.deepEqual(approved(rig), ['bash 2'])
  })
})

test('what was rolled back and is approved again enters when its gates let it', async () => {
  const clock = new FakeClock(Date.UTC(2026, 11, 1))
  await tell(
    { stable: suite(packages('bash 1')) },
    async ({ rig, offer }) => {
      const { id } = rig.store.channels.head(rig.store.channels.find('approved')!.id)!
      await offer({ stable: suite(packages('bash 2')) })
      await rig.call('approve', { selectors: ['bash'] })
      rig.clock.advance(hour)
      await rig.call('snapshot rollback', { channel: 'approved', id, reason: 'broken', force: true })
      await rig.call('unhold', { selectors: ['bash'] })
      await upkeep(rig)
      assert.deepEqual(approved(rig), ['bash 1'], 'the approval before the rollback counts no more')
      rig.clock.advance(Date.UTC(2026, 11, 10) - rig.clock.now())
      assert.equal((await rig.call<DecideResult>('approve', { selectors: ['bash'] })).snapshot, null)
      rig.clock.advance(2 * day)
      await upkeep(rig)
      assert.deepEqual(approved(rig), ['bash 2'])
    },
    { ...gated('gates: {freeze: [{from: 2026-12-09, to: 2026-12-10, reason: audit}]}'), clock },
  )
})

test('a busy family ripens as a whole', async () => {
  await tell(
    { stable: suite(packages('app 1', 'data 1')) },
    async ({ rig, offer }) => {
      for (let number = 2; number <= 5; number++) {
        rig.clock.advance(2 * day)
        await offer({ stable: suite(packages(`app ${number}`, `data ${number}`)) })
      }
      assert.deepEqual(approved(rig), ['app 2', 'data 2'])
      rig.clock.advance(2 * day)
      const promoted = await rig.promote('app')
      assert.equal(promoted.status, 'done')
      assert.deepEqual(approved(rig), ['app 3', 'data 3'])
    },
    gated('gates: {soak: 5d}, together: [[app, data]], rules: [{action: approve}]'),
  )
})

test('an approved version that was superseded and is ripe enters with its approval', async () => {
  await tell(
    { stable: suite(packages('web 1')) },
    async ({ rig, offer }) => {
      await offer({ stable: suite(packages('web 2')) })
      rig.clock.advance(6 * day)
      await offer({ stable: suite(packages('web 3')) })
      const early = await rig.call<DecideResult>('approve', { selectors: ['web'] })
      assert.equal(early.snapshot, null)
      const result = await rig.call<DecideResult>('approve', { selectors: ['web=2'] })
      assert.deepEqual(result.waiting, [])
      assert.deepEqual(approved(rig), ['web 2'])
    },
    gated('gates: {soak: 5d}'),
  )
})

test('approving the last that was missing lets in what waited for it, at once', async () => {
  const old = [version('app', '1', 'lib (= 1)'), version('lib', '1')]
  await tell({ stable: suite(old) }, async ({ rig, offer }) => {
    await offer({ stable: suite([version('app', '2', 'lib (= 2)'), version('lib', '2')]) })
    assert.equal((await rig.call<DecideResult>('approve', { selectors: ['app'] })).snapshot, null)
    assert.notEqual((await rig.call<DecideResult>('approve', { selectors: ['lib'] })).snapshot, null)
    assert.deepEqual(approved(rig), ['app 2', 'lib 2'])
  })
})

test('of several approved at once, what breaks something keeps nothing else out', async () => {
  const old = [version('app', '1', 'lib (= 1)'), version('lib', '1'), version('bash', '1')]
  await tell({ stable: suite(old) }, async ({ rig, offer }) => {
    await offer({
      stable: suite([version('app', '2', 'lib (= 2)'), version('lib', '2'), version('bash', '2')]),
    })
    const result = await rig.call<DecideResult>('approve', { selectors: ['app', 'bash'] })
    assert.deepEqual(
      result.waiting.map((one) => one.source),
      ['app'],
    )
    assert.match(result.waiting[0]!.why.join(), /Would enter together with lib/)
    assert.deepEqual(approved(rig), ['app 1', 'bash 2', 'lib 1'])
  })
})

test('groups and globs do not bring what a rule declines or ignores', async () => {
  const names = ['bash', 'bat', 'baz']
  await tell(
    { stable: suite(packages(...names.map((name) => `${name} 1`))) },
    async ({ rig, offer }) => {
      await offer({ stable: suite(packages(...names.map((name) => `${name} 2`))) })
      for (const verb of ['approve', 'promote']) {
        await rig.call(verb, { selectors: ['@all', 'ba*'] })
        assert.deepEqual(approved(rig), ['bash 2', 'bat 1', 'baz 1'], verb)
      }
      assert.equal((await rig.promote('bat')).status, 'done')
      await rig.call('approve', { selectors: ['baz'] })
      assert.deepEqual(approved(rig), ['bash 2', 'bat 2', 'baz 2'])
    },
    gated('rules: [{match: {source: bat}, action: ignore}, {match: {source: baz}, action: decline}]'),
  )
})

test('approving one of a family does not lift the decline of another', async () => {
  await tell(
    { stable: suite(packages('mesa 1', 'libdrm 1')) },
    async ({ rig, offer }) => {
      await offer({ stable: suite(packages('mesa 2', 'libdrm 2')) })
      await rig.call('decline', { selectors: ['libdrm'], reason: 'black screens' }, 'beth')
      const result = await rig.call<DecideResult>('approve', { selectors: ['mesa'] })
      assert.equal(result.snapshot, null)
      assert.match(JSON.stringify(result.waiting), /black screens/)
      assert.deepEqual(approved(rig), ['libdrm 1', 'mesa 1'])
    },
    gated('together: [[mesa, libdrm]]'),
  )
})

test('a rule that names removals acts on those that came after it', async () => {
  await tell(
    { stable: suite(packages('bash 1', 'vim 1')) },
    async ({ rig, offer }) => {
      rig.clock.advance(day)
      await offer({ stable: suite(packages('bash 1')) })
      assert.deepEqual(approved(rig), ['bash 1'])
    },
    gated('rules: [{match: {kind: remove}, action: approve}]'),
  )
})

test('other bytes under an old version soak anew, and came after a rule that they came after', async () => {
  await tell(
    { stable: suite(packages('bash 1')) },
    async ({ rig, offer }) => {
      rig.clock.advance(30 * day)
      await offer({ stable: suite([aPackage({ name: 'bash', version: '1', content: 'other' })]) })
      const { items } = await rig.call<PendingResult>('pending')
      assert.deepEqual([items[0]!.kind, items[0]!.state], ['republished', 'waiting'])
    },
    gated('gates: {soak: 3d}, rules: [{match: {kind: republished}, action: approve}]'),
  )
})

test('a removal that would take too much keeps nothing else out', async () => {
  const many = Array.from({ length: 30 }, (_, at) =>
    aPackage({ name: `old-${String.fromCharCode(97 + (at % 26))}${at}`, version: '1', source: 'old' }),
  )
  await tell(
    { stable: suite([...packages('bash 1'), ...many]) },
    async ({ archive, rig }) => {
      rig.clock.advance(day)
      await archive.publish('stable', suite(packages('bash 2')))
      await rig.update({ accept: ['test/stable'], reason: 'meant' })
      assert.ok(approved(rig).includes('bash 2'))
      assert.ok(approved(rig).includes('old-a0 1'))
    },
    gated('rules: [{match: {kind: [update, remove]}, action: approve, since: always}]'),
  )
})

test('a channel that follows a gated one has at once what entered by itself there', async () => {
  await tell(
    { stable: suite(packages('bash 1')) },
    async ({ rig, offer }) => {
      await offer({ stable: suite(packages('bash 2')) })
      rig.clock.advance(3 * day + minute)
      await upkeep(rig)
      assert.deepEqual([...approved(rig), ...rig.shows('branch', 'stable')], ['bash 2', 'bash 2'])
    },
    {
      channels: {
        testing: '{from: upstream}',
        approved: '{from: testing, gates: {soak: 3d}, rules: [{action: approve}]}',
        branch: '{from: approved, follow: true}',
      },
    },
  )
})

test('a family of one release does not bring its like of another', async () => {
  const at = (number: number) => suite(packages(`mesa ${number}`, `libdrm ${number}`, `bash ${number}`))
  await tell(
    { jammy: at(1), noble: at(1) },
    async ({ rig, offer }) => {
      await offer({ jammy: at(2), noble: at(2) })
      const { items } = await rig.call<PromoteResult>('promote', {
        selectors: ['mesa'],
        releases: ['noble'],
        dryRun: true,
      })
      assert.deepEqual(items.map((item) => `${item.source} ${item.release}`).sort(), [
        'libdrm noble',
        'mesa noble',
      ])
    },
    gated('together: [[mesa, libdrm]]'),
  )
})
