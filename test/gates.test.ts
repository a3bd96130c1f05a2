// The gates of a channel and its rules, told as stories: what waits, for whom, until when, and what enters by itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CheckResult } from '../src/actions/channel-check.ts'
import type { DecideResult } from '../src/actions/decide.ts'
import type { PendingEntry, PendingResult } from '../src/actions/pending.ts'
import type { PromoteResult } from '../src/actions/promote.ts'
import type { RulesResult } from '../src/actions/rules.ts'
import { day, FakeClock, hour, minute } from './rig/clock.ts'
import { aPackage, packages } from './rig/packages.ts'
import type { Rig } from './rig/rig.ts'
import { approved, gated, type Story, suite, tell, upkeep, version } from './rig/story.ts'

async function state(rig: Rig, source: string): Promise<PendingEntry> {
  const { items } = await rig.call<PendingResult>('pending')
  const found = items.find((item) => item.source === source)
  assert.ok(found, `${source} does not wait`)
  return found
}
async function verdict(rig: Rig, source: string, gate: string) {
  const { items } = await rig.call<PendingResult>('explain', { selectors: [source] })
  const found = items[0]!.verdicts.find((one) => one.gate === gate)
  assert.ok(found, gate)
  return found
}

test('a half-family promotion is refused, says what mends it, and --with-deps takes exactly that along', async () => {
  const old = [version('app', '1', 'lib (>= 1)'), version('lib', '1'), version('other', '1')]
  await tell({ stable: suite(old) }, async ({ rig, offer }) => {
    await offer({
      stable: suite([version('app', '2', 'lib (>= 2)'), version('lib', '2'), version('other', '2')]),
    })
    const half = await rig.promote('app')
    assert.equal(half.status, 'refused')
    assert.deepEqual(half.mending, ['lib=2'])
    assert.match(
      half.regressions[0]!.why,
      /app 2 depends on lib \(>= 2\), which is not there: there is lib 1/,
    )
    assert.deepEqual(approved(rig), ['app 1', 'lib 1', 'other 1'])
    assert.match((await verdict(rig, 'app', 'installable')).sentence, /would enter together with lib/)
    const whole = await rig.call<PromoteResult>('promote', { selectors: ['app'], withDeps: true })
    assert.equal(whole.status, 'done')
    assert.deepEqual(approved(rig), ['app 2', 'lib 2', 'other 1'])
  })
})

test('a set of selectors is judged as one', async () => {
  await tell(
    { stable: suite([version('app', '1', 'lib (= 1)'), version('lib', '1')]) },
    async ({ rig, offer }) => {
      await offer({ stable: suite([version('app', '2', 'lib (= 2)'), version('lib', '2')]) })
      assert.equal((await rig.promote('lib')).status, 'refused', 'app 1 needs lib 1')
      const result = await rig.promote('app', 'lib', 'app')
      assert.equal(result.status, 'done')
      assert.deepEqual(
        result.items.map((item) => item.source),
        ['app', 'lib'],
        'each once, however often it is named',
      )
    },
  )
})

test('what is broken where it comes from is reported, and blocks nothing', async () => {
  await tell({ stable: suite([version('app', '1')]) }, async ({ rig, offer }) => {
    await offer({ stable: suite([version('app', '2', 'nowhere')]) })
    const { state: passes, sentence } = await verdict(rig, 'app', 'installable')
    assert.equal(passes, 'pass')
    assert.match(sentence, /in testing too, app 2 depends on nowhere/)
    assert.equal((await rig.promote('app')).status, 'done')
    const { items } = await rig.call<CheckResult>('channel check', { channel: 'approved' })
    assert.deepEqual(items, [
      {
        package: 'app',
        version: '2',
        architecture: 'amd64',
        archive: 'test',
        suite: 'stable',
        reason: 'app 2 depends on nowhere, which is not there',
      },
    ])
  })
})

test('a forced promotion that breaks something is on the record with what it broke', async () => {
  await tell(
    { stable: suite([version('app', '1', 'lib (= 1)'), version('lib', '1')]) },
    async ({ rig, offer }) => {
      await offer({ stable: suite([version('app', '2', 'lib (= 2)'), version('lib', '2')]) })
      const result = await rig.call<PromoteResult>('promote', {
        selectors: ['lib'],
        force: true,
        reason: 'now',
      })
      assert.equal(result.status, 'done')
      const row = rig.store.audit.list().at(-1)
      assert.equal(row!.action, 'promote --force')
      assert.match(JSON.stringify(row!.details), /app 1: app 1 depends on lib \(= 1\)/)
    },
  )
})

test('soak: a version waits its time, and enters by itself once it was approved', async () => {
  await tell(
    { stable: suite(packages('bash 1')) },
    async ({ rig, offer }) => {
      await offer({ stable: suite(packages('bash 2')) })
      const entry = await state(rig, 'bash')
      assert.equal(entry.state, 'waiting')
      const since = Date.parse(entry.since!)
      assert.equal(Date.parse(entry.eligibleAt!), since + 3 * day)
      const result = await rig.call<DecideResult>('approve', { selectors: ['bash'] })
      assert.equal(result.snapshot, null)
      assert.match(result.waiting[0]!.why[0]!, /Has waited for .* of 3d, until 2026-11-2/)
      rig.clock.advance(3 * day - hour)
      await rig.mustUpdate()
      assert.deepEqual(approved(rig), ['bash 1'])
      rig.clock.advance(hour + minute)
      await upkeep(rig)
      assert.deepEqual(approved(rig), ['bash 2'])
    },
    gated('gates: {soak: 3d}'),
  )
})

test('a busy package that changes every two days still ripens', async () => {
  await tell(
    { stable: suite(packages('web 1')) },
    async ({ rig, offer }) => {
      const seen: string[] = []
      for (let number = 2; number <= 8; number++) {
        rig.clock.advance(2 * day)
        await offer({ stable: suite(packages(`web ${number}`)) })
        seen.push(approved(rig).join())
      }
      // Each is in approved five days after it came, at the next look: two, and a half, versions behind.
      assert.deepEqual(seen, ['web 1', 'web 1', 'web 1', 'web 2', 'web 3', 'web 4', 'web 5'])
      const { items } = await rig.call<PendingResult>('pending')
      assert.deepEqual(
        items.map((item) => `${item.to} ${item.state}`),
        ['8 waiting'],
      )
    },
    gated('gates: {soak: 5d}, rules: [{action: approve, since: always}]'),
  )
})

test('promote takes the newest version that is old enough, and --force the newest', async () => {
  await tell(
    { stable: suite(packages('web 1')) },
    async ({ rig, offer }) => {
      for (const number of [2, 3]) {
        await offer({ stable: suite(packages(`web ${number}`)) })
        rig.clock.advance(4 * day)
      }
      await offer({ stable: suite(packages('web 4')) })
      const { items } = await rig.call<PendingResult>('pending')
      assert.deepEqual(items.map((item) => `${item.to} ${item.state} ${item.isSuperseded}`).sort(), [
        '2 ready true',
        '4 waiting false',
      ])
      assert.equal((await rig.promote('web')).status, 'done')
      assert.deepEqual(approved(rig), ['web 2'])
      assert.equal((await rig.promote('web')).status, 'refused')
      await rig.call('promote', { selectors: ['web'], force: true, reason: 'now' })
      assert.deepEqual(approved(rig), ['web 4'])
    },
    gated('gates: {soak: 7d}'),
  )
})

test('soak differs by suite and source, and for a security fix counts from the version that brought it', async () => {
  const base = { stable: suite(packages('openssl 1', 'bash 1')), 'stable-security': suite([]) }
  await tell(
    base,
    async ({ rig, offer }) => {
      await offer({
        'stable-security': suite(packages('openssl 2')),
        stable: suite(packages('openssl 1', 'bash 2')),
      })
      const seconds = async (source: string) => {
        const { eligibleAt, since } = await state(rig, source)
        return (Date.parse(eligibleAt!) - Date.parse(since!)) / 1000
      }
      assert.equal(await seconds('openssl'), 86_400)
      assert.equal(await seconds('bash'), 30 * 86_400)
      rig.clock.advance(23 * hour)
      await offer({ 'stable-security': suite(packages('openssl 3')) })
      const soak = await verdict(rig, 'openssl', 'soak')
      assert.match(soak.sentence, /counted from 2, which brought the fix/)
      rig.clock.advance(2 * hour)
      assert.equal((await rig.promote('openssl')).status, 'done')
      assert.ok(rig.shows('approved', 'stable-security').includes('openssl 3'))
    },
    gated('gates: {soak: [{suite: "*-security", for: 1d}, {source: "b*", for: 30d}, {for: 7d}]}'),
  )
})

test('two approvals are two people; the one who promotes counts, and a newer version starts anew', async () => {
  await tell(
    { stable: suite(packages('bash 1')) },
    async ({ rig, offer }) => {
      await offer({ stable: suite(packages('bash 2')) })
      await rig.call('approve', { selectors: ['bash'] }, 'andrew')
      await rig.call('approve', { selectors: ['bash'] }, 'andrew')
      assert.equal((await state(rig, 'bash')).state, 'needs')
      assert.match((await verdict(rig, 'bash', 'approvals')).sentence, /one more person; approved by andrew/)
      assert.equal(
        (await rig.call<PromoteResult>('promote', { selectors: ['bash'] }, 'andrew')).status,
        'refused',
      )
      const done = await rig.call<PromoteResult>('promote', { selectors: ['bash'] }, 'beth')
      assert.equal(done.status, 'done')
      const row = rig.store.audit.list().at(-1)
      assert.deepEqual((row!.details as { items: { approvers: string[] }[] }).items[0]!.approvers, [
        'andrew',
        'beth',
      ])
      await offer({ stable: suite(packages('bash 3')) })
      assert.match((await verdict(rig, 'bash', 'approvals')).sentence, /approval of 2 people/)
    },
    gated('gates: {approvals: 2}'),
  )
})

test('a decline voids approvals, and whoever approves afterwards starts again', async () => {
  await tell(
    { stable: suite(packages('bash 1')) },
    async ({ rig, offer }) => {
      await offer({ stable: suite(packages('bash 2')) })
      await rig.call('approve', { selectors: ['bash'] }, 'andrew')
      await rig.call('decline', { selectors: ['bash=2'] }, 'beth')
      await rig.call('approve', { selectors: ['bash=2'] }, 'carl')
      assert.deepEqual(approved(rig), ['bash 1'])
      await rig.call('approve', { selectors: ['bash=2'] }, 'andrew')
      assert.deepEqual(approved(rig), ['bash 2'])
    },
    gated('gates: {approvals: 2}'),
  )
})

test('a halted update stays out, one that is under way waits, and a security suite is exempt', async () => {
  const phased = (percentage: number, text: string) =>
    aPackage({ name: 'vim', version: text, more: `Phased-Update-Percentage: ${percentage}\n` })
  const base = { stable: suite(packages('vim 1')), 'stable-security': suite([]) }
  await tell(base, async ({ rig, offer }) => {
    await offer({ stable: suite([phased(0, '2')]) })
    assert.match((await verdict(rig, 'vim', 'phasing')).sentence, /halted/)
    assert.equal((await rig.promote('vim')).status, 'refused')
    await offer({ stable: suite([phased(40, '2')]) })
    assert.match((await verdict(rig, 'vim', 'phasing')).sentence, /to 40 % of machines so far/)
    await offer({ stable: suite(packages('vim 1')), 'stable-security': suite([phased(0, '3')]) })
    assert.equal((await rig.promote('vim')).status, 'done')
  })
  await tell(
    { stable: suite(packages('vim 1')) },
    async ({ rig, offer }) => {
      await offer({ stable: suite([phased(10, '2')]) })
      assert.equal((await rig.promote('vim')).status, 'done')
    },
    gated('gates: {phasing: started}'),
  )
})

const newYear =
  'gates: {freeze: [{from: 2026-12-24, to: 2027-01-03, time-zone: Pacific/Auckland, reason: holidays}]}'

test('a freeze over New Year ends when the day does, in the time zone that it is written in', async () => {
  const clock = new FakeClock(Date.UTC(2026, 11, 23, 9, 0))
  await tell(
    { stable: suite(packages('bash 1')) },
    async ({ rig, offer }: Story) => {
      await offer({ stable: suite(packages('bash 2')) })
      assert.equal((await state(rig, 'bash')).state, 'ready')
      await offer({ stable: suite(packages('bash 2', 'vim 1')) })
      clock.advance(Date.UTC(2026, 11, 23, 11, 0) - clock.now())
      const refused = await rig.promote('bash')
      assert.equal(refused.status, 'refused')
      assert.match(refused.refused[0]!.why[0]!, /Frozen until 2027-01-03T11:00:00Z: holidays/)
      await rig.call('approve', { selectors: ['bash'] })
      clock.advance(Date.UTC(2027, 0, 3, 10, 59) - clock.now())
      await upkeep(rig)
      assert.deepEqual(approved(rig), ['bash 1'])
      clock.advance(minute)
      await upkeep(rig)
      assert.deepEqual(approved(rig), ['bash 2'])
    },
    { ...gated(newYear), clock },
  )
})

test('a window opens on its days, and what waits for it enters by itself', async () => {
  // A Monday.
  const clock = new FakeClock(Date.UTC(2026, 10, 23, 22, 0))
  await tell(
    { stable: suite(packages('bash 1')) },
    async ({ rig, offer }: Story) => {
      await offer({ stable: suite(packages('bash 2')) })
      const { eligibleAt } = await state(rig, 'bash')
      assert.equal(eligibleAt, '2026-11-24T21:00:00Z', '22:00 in Oslo on Tuesday')
      await rig.call('approve', { selectors: ['bash'] })
      clock.advance(Date.parse('2026-11-25T03:59:00Z') - clock.now())
      await upkeep(rig)
      assert.deepEqual(approved(rig), ['bash 2'], 'still open on Wednesday morning')
      await offer({ stable: suite(packages('bash 3')) })
      clock.advance(2 * minute)
      assert.equal((await state(rig, 'bash')).eligibleAt, '2026-12-01T21:00:00Z')
    },
    {
      ...gated('gates: {window: {days: [tue], from: "22:00", to: "05:00", time-zone: Europe/Oslo}}'),
      clock,
    },
  )
})

test('where a soak ends while the window is closed, the window says when', async () => {
  // A Monday.
  const clock = new FakeClock(Date.UTC(2026, 10, 23, 10, 0))
  await tell(
    { stable: suite(packages('bash 1')) },
    async ({ rig, offer }: Story) => {
      await offer({ stable: suite(packages('bash 2')) })
      assert.equal((await state(rig, 'bash')).eligibleAt, '2026-11-27T22:00:00Z')
    },
    { ...gated('gates: {soak: 3d, window: {days: [mon, fri], from: "22:00", to: "23:00"}}'), clock },
  )
})

test('rules: the first that matches counts, and a rule leaves the backlog alone unless it is told not to', async () => {
  const old = ['bash 1', 'linux-tools 1', 'php8 1', 'xz 1'] as const
  await tell({ stable: suite(packages(...old)) }, async ({ rig, offer }) => {
    await offer({ stable: suite(packages('bash 2', ...old.slice(1))) })
    const rules = [
      '{match: {source: "php*"}, action: require, approvals: 2}',
      '{match: {source: xz}, action: decline}',
      '{match: {source: "lin*"}, action: hold}',
      '{match: {jump: minor}, action: ignore}',
      '{action: approve, soak: 1d}',
    ]
    rig.clock.advance(day)
    await rig.restart(gated(`rules: [${rules.join(', ')}]`))
    rig.clock.advance(minute)
    await offer({ stable: suite(packages('bash 2', 'linux-tools 2', 'php8 2', 'xz 2', 'new 1.2')) })
    const { items } = await rig.call<RulesResult>('rules test')
    assert.deepEqual(
      items.map((item) => `${item.source} ${item.rule} ${item.action} ${item.acts} ${item.state}`),
      [
        'bash 5 approve false ready',
        'linux-tools 3 hold true needs',
        'new 5 approve true waiting',
        'php8 1 require true needs',
        'xz 2 decline true blocked',
      ],
    )
    rig.clock.advance(2 * day)
    await upkeep(rig)
    assert.deepEqual(approved(rig), ['bash 1', 'linux-tools 1', 'new 1.2', 'php8 1', 'xz 1'])
    await rig.call('approve', { selectors: ['php8'] }, 'andrew')
    await rig.call('approve', { selectors: ['php8', 'linux-tools'] }, 'beth')
    assert.deepEqual(approved(rig), ['bash 1', 'linux-tools 2', 'new 1.2', 'php8 2', 'xz 1'])
    const told = rules.with(4, '{action: approve, soak: 1d, since: always}')
    await rig.restart(gated(`rules: [${told.join(', ')}]`))
    await upkeep(rig)
    assert.deepEqual(approved(rig), ['bash 2', 'linux-tools 2', 'new 1.2', 'php8 2', 'xz 1'])
  })
})

test('a rule can have a newer version inherit approvals', async () => {
  await tell(
    { stable: suite(packages('bash 1')) },
    async ({ rig, offer }) => {
      await offer({ stable: suite(packages('bash 2')) })
      await rig.call('approve', { selectors: ['bash'] }, 'andrew')
      await offer({ stable: suite(packages('bash 3')) })
      await rig.call('approve', { selectors: ['bash'] }, 'beth')
      assert.deepEqual(approved(rig), ['bash 3'])
    },
    gated('rules: [{action: require, approvals: 2, inherit-approvals: true, since: always}]'),
  )
})

test('what rules let in enters together, and what would break something stays out', async () => {
  const old = [
    version('app', '1', 'lib (= 1)'),
    version('lib', '1'),
    version('bash', '1'),
    version('sad', '1', 'old'),
  ]
  await tell(
    { stable: suite([...old, version('old', '1')]) },
    async ({ rig, offer }) => {
      const before = rig.store.channels.snapshots(rig.store.channels.find('approved')!.id).length
      const fresh = [version('app', '2', 'lib (= 2)'), version('lib', '2'), version('bash', '2')]
      // The rule leaves `old` alone, so that nothing that needs the new one may enter.
      await offer({ stable: suite([...fresh, version('sad', '2', 'old (>= 2)'), version('old', '2')]) })
      assert.deepEqual(approved(rig), ['app 2', 'bash 2', 'lib 2', 'old 1', 'sad 1'])
      const after = rig.store.channels.snapshots(rig.store.channels.find('approved')!.id).length
      assert.equal(after, before + 1, 'one snapshot')
    },
    gated('rules: [{match: {source: old}, action: hold}, {action: approve}]'),
  )
})

test('groups move as one: an approval is for all of them, and what keeps one out keeps all out', async () => {
  await tell(
    { stable: suite(packages('mesa 1', 'libdrm 1', 'bash 1')) },
    async ({ rig, offer }) => {
      await offer({ stable: suite(packages('mesa 2', 'libdrm 2', 'bash 2')) })
      await rig.call('hold', { selectors: ['libdrm'] })
      const refused = await rig.promote('mesa')
      assert.equal(refused.status, 'refused')
      assert.match(
        refused.refused.map((one) => one.why.join()).join(),
        /Moves together with libdrm: libdrm is on hold/,
      )
      await rig.call('unhold', { selectors: ['libdrm'] })
      await rig.call('approve', { selectors: ['mesa'] })
      assert.deepEqual(approved(rig), ['bash 1', 'libdrm 2', 'mesa 2'])
    },
    gated('together: [["mesa*", libdrm]]'),
  )
})

test('a kernel brings its signed image, its meta package, and the modules that the old ABI had', async () => {
  const kernel = (number: number, abi: string) => [
    aPackage({ name: `linux-image-unsigned-${abi}`, version: `${number}`, source: 'linux' }),
    aPackage({ name: `linux-image-${abi}`, version: `${number}`, source: 'linux-signed' }),
    aPackage({
      name: 'linux-generic',
      version: `${number}`,
      source: 'linux-meta',
      depends: `linux-image-${abi}`,
    }),
    aPackage({ name: `nvidia-modules-${abi}`, version: `${number}`, source: 'nvidia-modules' }),
    aPackage({ name: `other-modules-${abi}`, version: `${number}`, source: 'other-modules' }),
  ]
  const old = kernel(1, '6.8.0-40-generic').slice(0, 4)
  await tell({ stable: suite(old) }, async ({ rig, offer }) => {
    await offer({
      stable: suite([
        ...old.filter((one) => one.spec.name !== 'linux-generic'),
        ...kernel(2, '6.8.0-45-generic'),
      ]),
    })
    const result = await rig.promote('linux-meta')
    assert.equal(result.status, 'done')
    assert.deepEqual(result.items.map((item) => item.source).sort(), [
      'linux',
      'linux-meta',
      'linux-signed',
      'nvidia-modules',
    ])
    assert.ok(approved(rig).includes('linux-image-6.8.0-40-generic 1'), 'the old ABI stays')
  })
})

test('two admins promote at the same second: both are served, none twice', async () => {
  await tell({ stable: suite(packages('a 1', 'b 1')) }, async ({ rig, offer }) => {
    await offer({ stable: suite(packages('a 2', 'b 2')) })
    const results = await Promise.all(
      ['andrew', 'beth'].flatMap((who) =>
        ['a', 'b'].map((source) => rig.call<PromoteResult>('promote', { selectors: [source] }, who)),
      ),
    )
    assert.deepEqual(results.map((one) => one.status).sort(), ['done', 'done', 'nothing', 'nothing'])
    assert.deepEqual(approved(rig), ['a 2', 'b 2'])
  })
})

test('a hold survives three newer versions', async () => {
  await tell(
    { stable: suite(packages('bash 1', 'vim 1')) },
    async ({ rig, offer }) => {
      await rig.call('hold', { selectors: ['bash'], reason: 'driver' })
      for (const number of [2, 3, 4])
        await offer({ stable: suite(packages(`bash ${number}`, `vim ${number}`)) })
      assert.deepEqual(approved(rig), ['bash 1', 'vim 4'])
    },
    gated('rules: [{action: approve}]'),
  )
})

test('withdrawn while it soaks: promoted by no rule, and an alarm for who has it', async () => {
  await tell(
    { stable: suite(packages('bash 1')) },
    async ({ rig, offer }) => {
      await offer({ stable: suite(packages('bash 2')) })
      rig.clock.advance(day)
      await offer({ stable: suite(packages('bash 1')) })
      rig.clock.advance(5 * day)
      await upkeep(rig)
      assert.deepEqual(approved(rig), ['bash 1'])
    },
    gated('gates: {soak: 3d}, rules: [{action: approve}]'),
  )
})
