import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { comparable, parseWithDpkg, readAll } from '../../test/rig/changelogs.ts'
import { needs } from '../../test/rig/programs.ts'
import { claimedCves, entriesSince } from './changelog.ts'
import { compareVersions } from './version.ts'

const subject = { what: 'changelog of x.deb', hint: 'Look at it' }

function entry(version: string, text = '  * A change', heading = 'unstable; urgency=medium'): string {
  return `sample (${version}) ${heading}\n\n${text}\n\n -- Ann Other <ann@example.org>  Mon, 23 Nov 2026 17:05:47 +0100\n\n`
}

async function* chunksOf(text: string, chunkBytes: number, seen: { bytes: number }): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    seen.bytes += Math.min(chunkBytes, bytes.length - at)
    yield bytes.subarray(at, at + chunkBytes)
  }
}

async function since(version: string | null, text: string, chunkBytes = 100) {
  const seen = { bytes: 0 }
  const part = await entriesSince(chunksOf(text, chunkBytes, seen), version, subject)
  return { versions: part.entries.map((one) => one.version), isComplete: part.isComplete, seen: seen.bytes }
}

test('an entry has its parts', () => {
  const text = entry(
    '1:2.0-1',
    '  [ Bob ]\n  * One\n\n  * Two',
    'stable testing; urgency=HIGH (hole), binary-only=yes',
  )
  assert.deepEqual(readAll(text), [
    {
      package: 'sample',
      version: '1:2.0-1',
      distributions: ['stable', 'testing'],
      urgency: 'high',
      author: 'Ann Other <ann@example.org>',
      date: Date.UTC(2026, 10, 23, 16, 5, 47),
      text: '  [ Bob ]\n  * One\n\n  * Two',
    },
  ])
})

test(
  'generated changelogs read as dpkg-parsechangelog reads them',
  needs('dpkg-parsechangelog'),
  async () => {
    const word = fc.string({
      unit: fc.constantFrom(...'abcXYZ019.,:;()<>-_#\'"äß'),
      minLength: 1,
      maxLength: 12,
    })
    const line = fc.array(word, { minLength: 1, maxLength: 8 }).map((words) => `  * ${words.join(' ')}`)
    const arbitraryEntry = fc.record({
      version: fc
        .tuple(fc.nat(3), fc.nat(30), fc.nat(9))
        .map(([epoch, major, revision]) => `${epoch}:${major}.1-${revision}`),
      heading: fc.constantFrom(
        'unstable; urgency=low',
        'a b-security c; urgency=HIGH',
        'x; binary-only=yes, urgency=emergency',
      ),
      lines: fc.array(fc.oneof(line, fc.constant(''), line), { minLength: 1, maxLength: 6 }),
      zone: fc.constantFrom('+0000', '-0730', '+1400'),
      day: fc.integer({ min: 1, max: 28 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryEntry, { minLength: 1, maxLength: 5 }), async (entries) => {
        const text = entries
          .map(({ version, heading, lines, zone, day }) => {
            const weekday = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][
              new Date(Date.UTC(2024, 1, day)).getUTCDay()
            ]
            const date = `${weekday}, ${String(day).padStart(2, '0')} Feb 2024 01:02:03 ${zone}`
            return `sample (${version}) ${heading}\n\n  * x\n${lines.join('\n')}\n\n -- A. "N" Ö'ther <a@b.c>  ${date}\n`
          })
          .join('\n')
        assert.deepEqual(readAll(text, 17).map(comparable), await parseWithDpkg(text))
      }),
      { numRuns: 25 },
    )
  },
)

test(
  "this host's own changelogs read as dpkg-parsechangelog reads them",
  needs('dpkg-parsechangelog'),
  async (context) => {
    const paths = globSync('/usr/share/doc/lib*/changelog.Debian.gz').sort()
    if (paths.length === 0) return context.skip('this host has no changelogs')
    let compared = 0
    for (let at = 0; at < paths.length; at += Math.ceil(paths.length / 25)) {
      const text = gunzipSync(readFileSync(paths[at]!))
      assert.deepEqual(readAll(text, 999).map(comparable), await parseWithDpkg(text), paths[at]!)
      compared++
    }
    assert.ok(compared > 0)
  },
)

test('entries are newest first, down to what is known', async () => {
  const text = [entry('2.0-1'), entry('1.9-1ubuntu2'), entry('1.9-1'), entry('1.8-1')].join('')
  assert.deepEqual(await since('1.9-1', text), {
    versions: ['2.0-1', '1.9-1ubuntu2'],
    isComplete: true,
    seen: Math.min(text.length, Math.ceil((3 * entry('1.9-1').length + 8) / 100) * 100),
  })
  assert.deepEqual((await since(null, text)).versions.length, 4)
  assert.deepEqual((await since('2.0-1', text)).versions, [])
  assert.deepEqual((await since('2.0', text)).versions, ['2.0-1'])
  assert.deepEqual((await since('1.0', text)).versions.length, 4)
})

test('a backport stops at what it was made of only where that is not newer', async () => {
  const text = [entry('2.0-1~bpo12+1'), entry('2.0-1'), entry('1.9-1')].join('')
  assert.deepEqual((await since('1.9-1', text)).versions, ['2.0-1~bpo12+1', '2.0-1'])
})

test('any changelog gives entries newer than the version, whatever its order', async () => {
  const version = fc.tuple(fc.nat(3), fc.nat(3)).map(([major, revision]) => `${major}.0-${revision}`)
  await fc.assert(
    fc.asyncProperty(fc.array(version, { maxLength: 8 }), version, async (versions, known) => {
      const found = await since(known, versions.map((one) => entry(one)).join(''))
      const stop = versions.findIndex((one) => compareVersions(one, known) <= 0)
      assert.deepEqual(found.versions, stop < 0 ? versions : versions.slice(0, stop))
      assert.equal(found.isComplete, true)
    }),
  )
})

test('no more is read and kept than needed', async () => {
  const long = Array.from({ length: 5000 }, (_, at) => entry(`${5000 - at}.0-1`)).join('')
  const found = await since('4990.0-1', long, 4096)
  assert.equal(found.versions.length, 10)
  assert.ok(found.seen < 10_000, `${found.seen}`)
  const all = await since(null, long, 4096)
  assert.deepEqual([all.versions.length, all.isComplete], [200, false])
})

test('what is no entry is passed over', () => {
  const junk = `# a comment\n\nWelcome!\n${entry('2.0')}Local variables:\nmode: debian-changelog\nEnd:\n${entry('1.0', '  * caf\xe9')}`
  const entries = readAll(Buffer.from(junk, 'latin1'))
  assert.deepEqual(
    entries.map((one) => [one.version, one.text]),
    [
      ['2.0', '  * A change'],
      ['1.0', '  * caf\ufffd'],
    ],
  )
  for (const text of ['', 'nothing', 'sample (1.0-) x; urgency=low\n', 'sample (1.0) ; urgency=low\n']) {
    assert.deepEqual(readAll(text), [])
  }
  const [open] = readAll('sample (1.0) unstable; urgency=low\n\n  * cut off')
  assert.deepEqual([open?.text, open?.author, open?.date], ['  * cut off', '', null])
  const [odd] = readAll('sample (1.0) unstable; x\n\n  * x\n\n -- Somebody without an address\n')
  assert.deepEqual([odd?.urgency, odd?.author, odd?.date], ['', 'Somebody without an address', null])
})

test('lines and entries beyond all measure are refused', () => {
  for (const [text, why] of [
    ['x'.repeat(3 << 20), /changelog: has a line of more than 1 MiB/],
    [
      `sample (1.0) x; urgency=low\n${`  ${'y'.repeat(1000)}\n`.repeat(9000)}`,
      /has an entry of more than 8 MiB \(1.0\)/,
    ],
  ] as const) {
    assert.throws(() => readAll(text), { code: 'MALFORMED', message: why })
  }
})

test('claimed CVE ids are found once each, however they are written', () => {
  const text = `  * Fix cve-2024-1234, CVE-2024-1234 and (CVE-2023-123456).
  * debian/patches/CVE-2022-0001_part1.patch, CVE-2021-99999: x; XCVE-2020-1111, CVE-20-1, CVE-2020-12, CVE-2024-1234567890123
  * CVE-2019-1000/CVE-2019-1001`
  assert.deepEqual(claimedCves(text), [
    'CVE-2024-1234',
    'CVE-2023-123456',
    'CVE-2022-0001',
    'CVE-2021-99999',
    'CVE-2019-1000',
    'CVE-2019-1001',
  ])
})
