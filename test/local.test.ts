// Local archives: published empty at once, filled by people, followed and gated like any other.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AuditPage } from '../src/actions/audit.ts'
import type { BackupResult } from '../src/actions/backup.ts'
import type { PromoteResult } from '../src/actions/promote.ts'
import { UusError } from '../src/lib/errors.ts'
import { FakeArchive } from './rig/archive.ts'
import { packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { Rig, type RigOptions } from './rig/rig.ts'
import { suite } from './rig/story.ts'
import { addTo, anUpload } from './rig/uploads.ts'

const local = '{name: local, local: true, suites: [stable], architectures: [amd64, arm64], release: stable}'

async function withLocal(
  act: (rig: Rig, archive: FakeArchive) => Promise<void>,
  options: Partial<RigOptions> = {},
): Promise<void> {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite(packages('base 1', 'shared 1')))
  const more = ['release: stable']
  await using rig = await Rig.open({ archives: [{ archive, more }], local: [local], ...options })
  await rig.mustUpdate()
  await act(rig, archive)
  await rig.check()
}

const dpkg = needs('dpkg-deb')

test('a local archive is published empty at once, in every channel, as what the configuration says', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite(packages('base 1')))
  const origin = local.replace('}', ', origin: Example Ltd}')
  await using rig = await Rig.open({ archives: [{ archive }], local: [origin] })
  const { channels } = rig.process.context.published()
  for (const name of ['testing', 'approved']) {
    const [shown] = channels.get(name)!.archives.get('local')!.suites
    assert.deepEqual(
      [shown!.name, shown!.origin, shown!.architectures],
      ['stable', 'Example Ltd', ['amd64', 'arm64']],
    )
    const file = channels.get(name)!.archives.get('local')!.files.get('dists/stable/Release')
    assert.ok(file?.type === 'bytes')
    assert.match(
      file.bytes.toString(),
      /^Origin: Example Ltd\nLabel: local\nSuite: stable\nCodename: stable\n/,
    )
  }
  // It is no first adoption: what init found still seeds itself.
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('approved', 'stable'), ['base 1'])
  await rig.restart({ local: [local.replace('}', ', origin: Other}')] })
  const [kept] = rig.process.context.published().channels.get('testing')!.archives.get('local')!.suites
  assert.equal(kept!.origin, 'Example Ltd', 'fixed when it was published first')
  await assert.rejects(rig.call('update', { archives: ['local'] }), /Archive local is local/)
  await rig.check()
})

test('who added a package does not count among those who approve it', dpkg, async () => {
  await withLocal(async (rig) => {
    await rig.restart({
      channels: { testing: '{from: upstream}', approved: '{from: testing, gates: {approvals: 1}}' },
    })
    const upload = await anUpload('tool', '1.0-1', { Depends: 'base' })
    await addTo(rig, [upload])
    const order = { selectors: ['tool'] }
    const [added] = (await rig.call<AuditPage>('audit', { action: 'add' })).items
    const jim = (added as { actor: string }).actor
    const own = await rig.call<PromoteResult>('promote', order, jim)
    assert.equal(own.status, 'refused')
    assert.match(own.refused[0]!.why[0]!, /Needs the approval of one person \(who added it does not count: /)
    assert.equal((await rig.call<PromoteResult>('promote', order, 'beth')).status, 'done')
  })
})

test(
  'an added package is in testing at once, waits for approved, and is promoted like any other',
  dpkg,
  async () => {
    await withLocal(async (rig) => {
      const result = await addTo(rig, [await anUpload('tool', '1.0-1', { Depends: 'base' })])
      assert.deepEqual([result.status, result.channel, result.warnings], ['done', 'testing', []])
      assert.ok(rig.shows('testing').includes('stable/main/amd64 tool 1.0-1'))
      assert.ok(!rig.shows('testing').includes('stable/main/arm64 tool 1.0-1'))
      assert.deepEqual(await rig.pending(), ['tool new - → 1.0-1'])
      assert.equal((await rig.promote('tool')).status, 'done')
      assert.ok(rig.shows('approved').includes('stable/main/amd64 tool 1.0-1'))
      const { items } = await rig.call<AuditPage>('audit', { action: 'add' })
      const text = JSON.stringify(items)
      assert.match(text, /"actor":"tester"/)
      assert.match(text, /"name":"tool"/)
    })
  },
)

test('a package for all architectures stands in the index of each', dpkg, async () => {
  await withLocal(async (rig) => {
    await addTo(rig, [await anUpload('docs', '1', { Architecture: 'all' })])
    assert.deepEqual(
      rig.shows('testing').filter((line) => line.includes('docs')),
      ['stable/main/amd64 docs 1', 'stable/main/arm64 docs 1'],
    )
  })
})

test('the same bytes again are nothing to do, other bytes of a known version are refused', dpkg, async () => {
  await withLocal(async (rig) => {
    const first = await anUpload('tool', '1.0-1')
    await addTo(rig, [first])
    const again = await addTo(rig, [first])
    assert.deepEqual([again.status, again.items[0]!.isNew], ['nothing', false])
    const other = await anUpload('tool', '1.0-1', {}, 'built again')
    await assert.rejects(
      addTo(rig, [other]),
      coded('VERSION_TAKEN', /local has another file as tool 1.0-1 amd64/),
    )
    const otherEpoch = await anUpload('tool', '1:1.0-1')
    await assert.rejects(addTo(rig, [otherEpoch]), coded('VERSION_TAKEN', /of another epoch/))
    await rig.restart()
    await assert.rejects(addTo(rig, [other]), coded('VERSION_TAKEN', /another file/))
  })
})

test('a newer version takes the place of the older one; an older one is refused', dpkg, async () => {
  await withLocal(async (rig) => {
    await addTo(rig, [await anUpload('tool', '1.0-1')])
    await addTo(rig, [await anUpload('tool', '1.1-1')])
    assert.deepEqual(
      rig.shows('testing').filter((line) => line.includes('tool')),
      ['stable/main/amd64 tool 1.1-1'],
    )
    const older = await anUpload('tool', '0.9-1')
    await assert.rejects(
      addTo(rig, [older]),
      coded('PACKAGE_REFUSED', /has tool 1.1-1: nobody would take 0.9-1/),
    )
  })
})

test('what cannot be placed is refused with what there is, and leaves nothing behind', dpkg, async () => {
  await withLocal(async (rig) => {
    const tool = await anUpload('tool', '1')
    const cases: [Parameters<typeof addTo>[2], string, RegExp][] = [
      [{ archive: 'test' }, 'USAGE', /test is upstream's/],
      [{ archive: 'nowhere' }, 'UNKNOWN_NAME', /no archive "nowhere"/],
      [{ suite: 'other' }, 'UNKNOWN_NAME', /no suite "other"/],
      [{ component: 'extra' }, 'UNKNOWN_NAME', /no component "extra"/],
      [{ channel: 'nowhere' }, 'UNKNOWN_NAME', /no channel "nowhere"/],
      [{ suite: null }, 'USAGE', /not said into which suite/],
    ]
    for (const [options, code, message] of cases)
      await assert.rejects(addTo(rig, [tool], options), coded(code, message))
    const foreign = await anUpload('tool', '1', { Architecture: 's390x' })
    await assert.rejects(
      addTo(rig, [foreign]),
      coded('PACKAGE_REFUSED', /for s390x, and local is for amd64, arm64/),
    )
    const broken = { name: 'tool_1_amd64.deb', bytes: tool.bytes.subarray(0, tool.bytes.length - 40) }
    await assert.rejects(addTo(rig, [broken]), coded('PACKAGE_REFUSED', /is cut short/))
    assert.deepEqual(leftovers(join(rig.folder, 'data', 'uploads')), [])
    assert.equal(rig.process.context.uploads.usedBytes, 0)
    assert.deepEqual(rig.store.localPackages.files(), [])
  })
})

test(
  'unmet dependencies, names of others and hidden security fixes are told at once, and alarmed',
  dpkg,
  async () => {
    await using archive = await FakeArchive.start()
    await archive.publish('stable', suite(packages('base 1', 'shared 1', 'lib 2')))
    await archive.publish('stable-security', suite(packages('lib 2.1')))
    await using rig = await Rig.open({
      archives: [{ archive, suites: ['stable', 'stable-security'], more: ['release: stable'] }],
      local: [local],
    })
    await rig.mustUpdate()
    const { warnings, status } = await addTo(rig, [
      await anUpload('tool', '1', { Depends: 'base, absent' }),
      await anUpload('shared', '0.5'),
      await anUpload('lib', '3'),
    ])
    assert.equal(status, 'done', 'all of it is told, none of it refused')
    assert.match(warnings.join('\n'), /^Cannot be installed from testing: .*tool.*absent/m)
    assert.match(
      warnings.join('\n'),
      /^shared 0.5 of local\/stable has the name of 1 of test\/stable: .*other one$/m,
    )
    assert.match(
      warnings.join('\n'),
      /^lib 3 of local\/stable hides the security fix 2.1 of test\/stable-security/m,
    )
    assert.equal(warnings.length, 3)

    await rig.mustUpdate()
    const alarms = () => rig.store.alarms.list().filter(({ key }) => key.startsWith('local-'))
    assert.deepEqual(
      alarms().map(({ key }) => key),
      ['local-clash:stable:shared', 'local-hides-security:stable:lib', 'local-unmet:stable:tool'],
    )
    await addTo(rig, [await anUpload('tool', '2', { Depends: 'base' })])
    await rig.mustUpdate()
    assert.ok(!alarms().some(({ key }) => key.includes('unmet')), 'mended')
    await rig.restart()
    await rig.mustUpdate()
    assert.equal(alarms().length, 2)
    await rig.check()
  },
)

test('into a gated channel is a promotion: its gates judge it', dpkg, async () => {
  await withLocal(
    async (rig) => {
      const result = await addTo(rig, [await anUpload('tool', '1')], { channel: 'approved' })
      assert.equal(result.status, 'refused')
      assert.match(
        result.refused.join('\n'),
        /tool 1: Needs the approval of 2 people \(who added it does not count: tester\)/,
      )
      assert.ok(rig.shows('testing').includes('stable/main/amd64 tool 1'), 'as far as it may')
    },
    { channels: { testing: '{from: upstream}', approved: '{from: testing, gates: {approvals: 2}}' } },
  )
  await withLocal(async (rig) => {
    const tool = await anUpload('tool', '1')
    assert.equal((await addTo(rig, [tool], { channel: 'approved' })).status, 'done')
    assert.ok(rig.shows('approved').includes('stable/main/amd64 tool 1'))
    assert.equal((await addTo(rig, [tool], { channel: 'approved' })).status, 'nothing')
  })
})

test('uploaded files stay when the cache is emptied, and are in a backup', dpkg, async () => {
  await withLocal(
    async (rig) => {
      await addTo(rig, [await anUpload('tool', '1')])
      const [file] = rig.store.localPackages.files()
      const base = rig.stanzas('testing', 'base')[0]!
      await rig.cache(packages('base 1')[0]!)
      await rig.process.network.room.lookThrough()
      assert.equal(
        await rig.process.network.packages.sizeOf(base.sha256),
        null,
        'fetched again when asked for',
      )
      assert.notEqual(await rig.process.network.packages.sizeOf(file!), null)
      const path = join(rig.folder, 'backup.tar')
      assert.equal((await rig.call<BackupResult>('backup', { file: path })).packages, 1)
    },
    { more: ['cache: {max-size: 1KiB}'] },
  )
})

test(
  'a package is taken out of the archive itself, and its version never means anything else',
  dpkg,
  async () => {
    await withLocal(async (rig) => {
      const tool = await anUpload('tool', '2')
      await addTo(rig, [tool])
      await rig.promote('tool')
      const order = { selectors: ['tool'], channel: 'upstream', reason: 'broken' }
      await assert.rejects(
        rig.call('remove', { ...order, selectors: ['base'] }),
        /only packages of local ones/,
      )
      await rig.call('remove', { ...order, force: true })
      assert.ok(!rig.shows('testing').some((line) => line.includes('tool')))
      assert.ok(rig.shows('approved').includes('stable/main/amd64 tool 2'), 'gated: until somebody decides')
      await rig.mustUpdate()
      assert.ok(rig.store.alarms.list().some(({ key }) => key === 'withdrawn:approved:stable:tool'))
      const other = await anUpload('tool', '2', {}, 'other bytes')
      await assert.rejects(addTo(rig, [other]), coded('VERSION_TAKEN', /another file/))
      assert.equal(
        (await addTo(rig, [await anUpload('tool', '1.5')])).status,
        'done',
        'a lower one, in its place',
      )
    })
  },
)

test('an archive changes neither its kind, nor does it forget when it is frozen', dpkg, async () => {
  await withLocal(async (rig) => {
    await addTo(rig, [await anUpload('tool', '1')])
    await rig.restart({ local: [] })
    assert.ok(rig.shows('testing').includes('stable/main/amd64 tool 1'), 'frozen: still served')
    await assert.rejects(addTo(rig, [await anUpload('tool', '2')]), /has left the configuration/)
    await rig.restart({ local: [local] })
    assert.equal((await addTo(rig, [await anUpload('tool', '2')])).status, 'done')
    await assert.rejects(
      rig.restart({
        local: [local.replace('local,', 'test2,').replace('name: test2', 'name: test')],
        archives: [],
      }),
      /Archive test was somebody else's, and cannot become local/,
    )
    await rig.restart({ local: [local] })
  })
})

function coded(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof UusError)
    assert.match(error.message, message)
    assert.equal(error.code, code)
    return true
  }
}

function leftovers(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((one) =>
    one.isFile() ? [one.name] : [],
  )
}
