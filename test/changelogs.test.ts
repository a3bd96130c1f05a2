// What a waiting version's changelog claims, told by `uus explain`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { ExplainResult } from '../src/actions/pending.ts'
import { controlText, realDeb } from './rig/debs.ts'
import { aPackage } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { type Story, suite, tell } from './rig/story.ts'

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
