import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '../lib/digest.ts'
import { isSafePath } from '../lib/safe-path.ts'
import { formatReleaseDate, parseReleaseDate } from './date.ts'
import { releaseOfCodename } from './names.ts'
import { parseRelease, renderRelease, renderReleaseBody } from './release.ts'

const a = 'a'.repeat(64)
const b = 'b'.repeat(64)

// The shape of Ubuntu's: MD5Sum and SHA1 first, wide size columns, Acquire-By-Hash after the lists,
// and a Date with a blank-padded hour.
const ubuntu = `Origin: Ubuntu
Label: Ubuntu
Suite: noble-backports
Version: 24.04
Codename: noble
Date: Fri, 18 Sep 2026  9:51:49 UTC
Architectures: amd64 arm64 i386
Components: main restricted universe multiverse
Description: Ubuntu Noble 24.04
NotAutomatic: yes
ButAutomaticUpgrades: yes
MD5Sum:
 d41d8cd98f00b204e9800998ecf8427e                0 main/binary-amd64/Packages
SHA1:
 da39a3ee5e6b4b0d3255bfef95601890afd80709                0 main/binary-amd64/Packages
SHA256:
 ${a}          1234567 main/binary-amd64/Packages
 ${b}            23456 main/dep11/icons-64x64@2.tar
Acquire-By-Hash: yes
`

// The shape of Debian security's: Valid-Until, and components with a prefix.
const debian = `Origin: Debian
Label: Debian-Security
Suite: oldstable-security
Codename: bookworm-security
Date: Sat, 21 Nov 2026 00:53:02 UTC
Valid-Until: Sat, 28 Nov 2026 00:53:02 UTC
Acquire-By-Hash: yes
Architectures: amd64 arm64
Components: updates/main updates/contrib
SHA256:
 ${a}   602 main/binary-amd64/Packages
`

test("Ubuntu's dialect parses", () => {
  const release = parseRelease(ubuntu, 'noble-backports')
  assert.deepEqual(release.identity, {
    origin: 'Ubuntu',
    label: 'Ubuntu',
    suite: 'noble-backports',
    version: '24.04',
    codename: 'noble',
    description: 'Ubuntu Noble 24.04',
    notAutomatic: 'yes',
    butAutomaticUpgrades: 'yes',
  })
  assert.equal(release.date, Date.UTC(2026, 8, 18, 9, 51, 49))
  assert.equal(release.validUntil, null)
  assert.equal(release.acquireByHash, true)
  assert.deepEqual(
    [...release.files],
    [
      ['main/binary-amd64/Packages', { algorithm: 'SHA256', digest: a, sizeBytes: 1234567 }],
      ['main/dep11/icons-64x64@2.tar', { algorithm: 'SHA256', digest: b, sizeBytes: 23456 }],
    ],
  )
})

test("Debian's dialect parses", () => {
  const release = parseRelease(debian, 'bookworm-security')
  assert.equal(release.validUntil, Date.UTC(2026, 10, 28, 0, 53, 2))
  assert.deepEqual(release.components, ['updates/main', 'updates/contrib'])
})

test('SHA512 alone is enough; MD5Sum and SHA1 are not', () => {
  const digest = 'c'.repeat(128)
  const release = parseRelease(debian.replace('SHA256', 'SHA512').replace(a, digest), 'x')
  assert.deepEqual(release.files.get('main/binary-amd64/Packages'), {
    algorithm: 'SHA512',
    digest,
    sizeBytes: 602,
  })
  assert.throws(() => parseRelease(debian.replace('SHA256', 'MD5Sum'), 'x'), {
    message: /no file under SHA256/,
  })
})

for (const [what, text, why] of [
  ['a field that stands twice', debian.replace('Label:', 'origin:'), /origin stands twice/],
  ['a path that leaves the suite', debian.replace('main/b', '../../b'), /odd SHA256 line/],
  ['an absolute path', debian.replace('main/b', '/main/b'), /odd SHA256 line/],
  ['a digest of the wrong length', debian.replace(a, a.slice(1)), /odd SHA256 line/],
  ['a date with a zone', debian.replace('00:53:02 UTC', '00:53:02 +0200'), /no date that apt can read/],
  ['no Date', debian.replace(/^Date:.*\n/m, ''), /no valid Date/],
  ['text after a blank line', debian.replace('Codename', '\nCodename'), /blank, but more follows/],
  ['a line that is no field', debian.replace('Suite:', 'Suite'), /line 3 is no field/],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => parseRelease(text, 'InRelease of x'), { code: 'MALFORMED', message: why })
  })
}

test('what a channel publishes parses back to itself', () => {
  const identity = parseRelease(ubuntu, 'x').identity
  const files = [
    { path: 'main/binary-amd64/Packages.gz', sha256: sha256('gz'), sizeBytes: 2 },
    { path: 'main/binary-amd64/Packages', sha256: sha256('plain'), sizeBytes: 5 },
  ]
  const body = renderReleaseBody(identity, ['amd64'], ['main'], files)
  const date = Date.UTC(2026, 10, 3, 4, 5, 6)
  const text = renderRelease(body, { date: formatReleaseDate(date), validUntil: null, snapshots: 'no' })
  const release = parseRelease(text, 'ours')
  assert.deepEqual(release.identity, identity)
  assert.equal(release.date, date)
  assert.deepEqual([...release.files.keys()], ['main/binary-amd64/Packages', 'main/binary-amd64/Packages.gz'])
  assert.match(text, /^Date: Tue, 03 Nov 2026 04:05:06 UTC$/m)
  assert.match(text, /^Snapshots: no$/m)
  assert.ok(!text.includes('Valid-Until'))
})

test('dates parse as apt parses them', () => {
  const ms = Date.UTC(2026, 6, 1, 9, 0, 0)
  for (const good of [
    'Wed, 01 Jul 2026 09:00:00 UTC',
    'Wed, 1 Jul 2026  9:00:00 GMT',
    'Wed, 01 Jul 2026 09:00:00 +0000',
    '01 Jul 2026 09:00:00 Z',
  ]) {
    assert.equal(parseReleaseDate(good), ms, good)
  }
  for (const bad of [
    '2026-07-01T09:00:00Z',
    'Wed, 01 Jul 2026 09:00:00 CEST',
    'Wed, 31 Feb 2026 09:00:00 UTC',
    '',
  ]) {
    assert.equal(parseReleaseDate(bad), null, bad)
  }
})

test('safe paths hold what real archives use', () => {
  for (const good of [
    'pool/main/g/g++/g++_1%'.slice(0, -1),
    'pool/libstdc++_1.0~rc1+b2_all.deb',
    'icons-64x64@2.tar',
    './x'.slice(2),
  ]) {
    assert.ok(isSafePath(good), good)
  }
  for (const bad of [
    '',
    '/x',
    'x/',
    'a//b',
    '../x',
    'a/../b',
    './a',
    'a b',
    'a%20b',
    'a\\b',
    'a?b',
    'a#b',
    'a\0b',
  ]) {
    assert.ok(!isSafePath(bad), JSON.stringify(bad))
  }
})

test('a suite belongs to the release of its codename, without the pocket', () => {
  for (const [codename, release] of [
    ['noble', 'noble'],
    ['noble-security', 'noble'],
    ['bookworm-updates', 'bookworm'],
    ['bookworm-backports-sloppy', 'bookworm'],
    ['cloud-sdk-bookworm', 'cloud-sdk-bookworm'],
  ] as const) {
    assert.equal(releaseOfCodename(codename), release)
  }
})
