import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSourcesFile } from './sources-list.ts'

test('a deb822 file: several URIs and suites, a keyring, comments; what is disabled is left out', () => {
  const { sources, problems } = parseSourcesFile(
    'debian.sources',
    `# the archive
Types: deb deb-src
# a comment inside
URIs: http://deb.debian.org/debian http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Architectures: amd64 i386
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
Check-Valid-Until: no

Types: deb-src
URIs: http://sources.example/
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: http://off.example/
Suites: x
Components: main
`,
  )
  assert.deepEqual(problems, [])
  assert.deepEqual(
    sources.map((source) => [source.uri, ...source.types]),
    [
      ['http://deb.debian.org/debian', 'deb', 'deb-src'],
      ['http://mirror.example/debian/', 'deb', 'deb-src'],
      ['http://sources.example/', 'deb-src'],
    ],
  )
  assert.deepEqual(sources[0], {
    place: 'debian.sources:2',
    types: ['deb', 'deb-src'],
    uri: 'http://deb.debian.org/debian',
    suites: ['bookworm', 'bookworm-updates'],
    components: ['main', 'contrib'],
    architectures: ['amd64', 'i386'],
    signedBy: { paths: ['/usr/share/keyrings/debian-archive-keyring.gpg'], armored: null },
    isTrusted: false,
    ignoresValidUntil: true,
  })
})

test('an embedded key comes out as armor, with its blank line', () => {
  const { sources } = parseSourcesFile(
    'x.sources',
    `Types: deb
URIs: http://x.example/
Suites: stable
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abcd
 -----END PGP PUBLIC KEY BLOCK-----
`,
  )
  assert.equal(
    sources[0]?.signedBy.armored,
    '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabcd\n-----END PGP PUBLIC KEY BLOCK-----\n',
  )
})

test('one-line entries, with and without options', () => {
  const { sources, problems } = parseSourcesFile(
    'sources.list',
    `deb http://archive.ubuntu.com/ubuntu noble main universe # comment
deb-src http://archive.ubuntu.com/ubuntu noble main
deb [ arch=amd64,arm64 signed-by=/etc/apt/keyrings/v.gpg trusted=yes ] https://vendor.example/apt stable main
deb [check-valid-until=no] file:/srv/repo ./
deb broken
what is this
`,
  )
  assert.deepEqual(problems, [
    'sources.list:5 lacks a URI or a suite',
    'sources.list:6 is no sources.list line',
  ])
  assert.deepEqual(
    sources.map(({ types, uri, suites, components, architectures, isTrusted }) => ({
      types,
      uri,
      suites,
      components,
      architectures,
      isTrusted,
    })),
    [
      {
        types: ['deb'],
        uri: 'http://archive.ubuntu.com/ubuntu',
        suites: ['noble'],
        components: ['main', 'universe'],
        architectures: [],
        isTrusted: false,
      },
      {
        types: ['deb-src'],
        uri: 'http://archive.ubuntu.com/ubuntu',
        suites: ['noble'],
        components: ['main'],
        architectures: [],
        isTrusted: false,
      },
      {
        types: ['deb'],
        uri: 'https://vendor.example/apt',
        suites: ['stable'],
        components: ['main'],
        architectures: ['amd64', 'arm64'],
        isTrusted: true,
      },
      {
        types: ['deb'],
        uri: 'file:/srv/repo',
        suites: ['./'],
        components: [],
        architectures: [],
        isTrusted: false,
      },
    ],
  )
  assert.deepEqual(sources[2]?.signedBy.paths, ['/etc/apt/keyrings/v.gpg'])
  assert.equal(sources[3]?.ignoresValidUntil, true)
})

test('a stanza without suites is a problem with its place', () => {
  const { sources, problems } = parseSourcesFile('x.sources', 'Types: deb\nURIs: http://x/\n\nnonsense\n')
  assert.deepEqual(sources, [])
  assert.deepEqual(problems, ['x.sources:4 is not a "Name: value" line', 'x.sources:1 has no Suites'])
})
