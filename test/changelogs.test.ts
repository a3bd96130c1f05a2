// What a waiting version's changelog claims, told by `uus explain`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { readClaims } from '../src/actions/claims.ts'
import type { ExplainResult, PendingResult } from '../src/actions/pending.ts'
import type { RulesResult } from '../src/actions/rules.ts'
import { controlText, realDeb } from './rig/debs.ts'
import { aPackage } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { approved, gated, type Story, suite, tell } from './rig/story.ts'

const entries = {
  '3': '  * Fix CVE-2026-0003 and cve-2026-0004.',
  '2': '  * Security: CVE-2026-0002.',
  '1': '  * First. CVE-2025-0001.',
}

function changelog(newest: keyof typeof entries): Buffer {
  const text = Object.entries(entries)
    .filter(([version]) => Number(version) <= Number(newest))
    .reverse()
    .map(
      ([version, change]) =>
        `tool (${version}) stable; urgency=high\n\n${change}\n\n -- Ann <a@example.org>  Mon, 23 Nov 2026 10:00:0${version} +0000\n`,
    )
  return gzipSync(text.join('\n'))
}

async function built(
  version: keyof typeof entries,
  name = 'tool',
  file: Buffer | { link: string } = changelog(version),
) {
  const spec = { name, version, ...(name === 'tool' ? {} : { source: 'tool' }) }
  const fields = {
    Package: name,
    Version: version,
    Architecture: 'amd64',
    ...(name === 'tool' ? {} : { Source: 'tool' }),
  }
  const path = Buffer.isBuffer(file) ? `usr/share/doc/${name}/changelog.gz` : `usr/share/doc/${name}`
  const deb = await realDeb({ control: controlText(fields), files: { [path]: file }, compressor: 'xz' })
  return aPackage(spec, deb)
}

async function explained({ rig }: Pick<Story, 'rig'>) {
  const { items } = await rig.call<ExplainResult>('explain', { selectors: ['tool'] })
  return items.find((item) => !item.isSuperseded)!.changelog!
}

test(
  'explain tells the entries since the approved version, and the CVE ids they claim',
  needs('dpkg-deb'),
  async () => {
    await tell({ stable: suite([await built('1')]) }, async ({ rig, offer, archive }) => {
      await offer({ stable: suite([await built('3')]) })
      const facts = await explained({ rig })
      assert.deepEqual(
        facts.entries.map(({ version, urgency }) => [version, urgency]),
        [
          ['3', 'high'],
          ['2', 'high'],
        ],
      )
      assert.deepEqual(facts.claimedCves, ['CVE-2026-0003', 'CVE-2026-0004', 'CVE-2026-0002'])
      assert.deepEqual([facts.isComplete, facts.problem], [true, null])
      assert.equal(facts.entries[0]!.date, '2026-11-23T10:00:03Z')
      // The package is here now: nobody is asked again.
      await archive[Symbol.asyncDispose]()
      assert.deepEqual(await explained({ rig }), facts)
    })
  },
)

test(
  'where a package links its documentation to a sibling, the sibling is read',
  needs('dpkg-deb'),
  async () => {
    await tell({ stable: suite([await built('1')]) }, async ({ rig, offer }) => {
      const linked = await built('2', 'tool-a', { link: 'tool' })
      await offer({ stable: suite([await built('2'), linked]) })
      assert.deepEqual((await explained({ rig })).claimedCves, ['CVE-2026-0002'])
    })
  },
)

test('what cannot be had is said, and the gates are told all the same', needs('dpkg-deb'), async () => {
  await tell({ stable: suite([await built('1')]) }, async ({ rig, offer, archive }) => {
    await offer({ stable: suite([await built('2')]) })
    await archive[Symbol.asyncDispose]()
    const facts = await explained({ rig })
    assert.deepEqual(facts.entries, [])
    assert.notEqual(facts.problem, null)
  })
})

const call = { actor: { name: 'uus', via: 'schedule' }, emit: () => {} } as const

const claimed = async ({ rig }: Pick<Story, 'rig'>) =>
  (await rig.call<PendingResult>('pending')).items.map(({ source, claimed }) => [
    source,
    claimed?.cves ?? null,
  ])

test('what was read once is a fact that pending shows', needs('dpkg-deb'), async () => {
  await tell({ stable: suite([await built('1')]) }, async ({ rig, offer }) => {
    await offer({ stable: suite([await built('3')]) })
    assert.deepEqual(await claimed({ rig }), [['tool', null]], 'nobody has looked')
    await explained({ rig })
    assert.deepEqual(await claimed({ rig }), [['tool', ['CVE-2026-0003', 'CVE-2026-0004', 'CVE-2026-0002']]])
    assert.equal(await readClaims(rig.process.context, call), 0, 'and nothing more is read beforehand')
  })
})

test('rules match on claims, and none acts on what was not read', needs('dpkg-deb'), async () => {
  const rules = gated('rules: [{match: {claims: cve}, action: approve}, {action: hold}]')
  const lib = {
    spec: { name: 'lib', version: '2' },
    fields: { Package: 'lib', Version: '2', Architecture: 'amd64' },
  }
  const path = 'usr/share/doc/lib/changelog.gz'
  const text =
    'lib (2) stable; urgency=low\n\n  * Faster.\n\n -- Ann <a@example.org>  Mon, 23 Nov 2026 10:00:00 +0000\n'
  const deb = await realDeb({
    control: controlText(lib.fields),
    files: { [path]: gzipSync(text) },
    compressor: 'xz',
  })
  await tell(
    { stable: suite([await built('1')]) },
    async ({ rig, offer }) => {
      const rulesNow = async () =>
        (await rig.call<RulesResult>('rules test')).items.map(({ source, rule }) => [source, rule])
      await offer({ stable: suite([await built('2'), aPackage(lib.spec, deb)]) })
      assert.deepEqual(approved(rig), ['tool 1'])
      assert.deepEqual(await rulesNow(), [
        ['lib', null],
        ['tool', null],
      ])
      assert.equal(await readClaims(rig.process.context, call), 2)
      assert.deepEqual(await claimed({ rig }), [['lib', []]])
      assert.deepEqual(approved(rig), ['tool 2'], 'it enters when it was read')
      assert.deepEqual(await rulesNow(), [['lib', 2]])
      assert.equal(await readClaims(rig.process.context, call), 0, 'each is read once')
    },
    rules,
  )
})

test(
  'while upstream is away nothing is taken for read: the next look reads it',
  needs('dpkg-deb'),
  async () => {
    const rules = gated('rules: [{match: {claims: none}, action: hold}, {action: approve}]')
    await tell(
      { stable: suite([await built('1')]) },
      async ({ rig, offer, archive }) => {
        await offer({ stable: suite([await built('2')]) })
        archive.lie(/\.deb$/, { type: 'status', status: 503 })
        assert.equal(await readClaims(rig.process.context, call), 0)
        assert.equal((await explained({ rig })).isTransient, true)
        assert.deepEqual(await claimed({ rig }), [['tool', null]])
        assert.deepEqual(approved(rig), ['tool 1'], 'no rule acts on what nobody could look into')
        archive.behave()
        rig.clock.advance(3_600_000)
        assert.equal(await readClaims(rig.process.context, call), 1)
        assert.deepEqual(approved(rig), ['tool 2'])
      },
      rules,
    )
  },
)
