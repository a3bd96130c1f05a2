import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSourcesFile } from '../debian/sources-list.ts'
import { parseConfig } from './config.ts'
import { draftArchives, type HostFacts, renderConfig } from './from-apt.ts'

const host: HostFacts = {
  architecture: 'amd64',
  foreignArchitectures: [],
  codename: 'noble',
  trustedKeyrings: ['/etc/apt/trusted.gpg.d/a.gpg'],
  ownBaseUrl: 'http://uus.example.com:8080',
}

function draft(name: string, text: string, facts: Partial<HostFacts> = {}) {
  const { sources } = parseSourcesFile(name, text)
  return draftArchives(sources, { ...host, ...facts }, (archive) => `/data/keyrings/${archive}.asc`)
}

/** The draft's text must be a configuration that says the same. */
function roundTrip(archives: ReturnType<typeof draft>['archives']) {
  return parseConfig(
    renderConfig({ data: './data', listen: '127.0.0.1:8080', baseUrl: null }, archives),
    '/x/config.yaml',
  )
}

test("Ubuntu's own two hosts are one archive", () => {
  const { archives, skipped } = draft(
    'ubuntu.sources',
    `Types: deb
URIs: http://archive.ubuntu.com/ubuntu/
Suites: noble noble-updates
Components: main universe
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

Types: deb
URIs: http://security.ubuntu.com/ubuntu/
Suites: noble-security
Components: main universe
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg
`,
  )
  assert.deepEqual(skipped, [])
  const [archive, ...more] = roundTrip(archives).archives
  assert.equal(more.length, 0)
  assert.equal(archive?.name, 'ubuntu')
  assert.deepEqual(archive.uris, [
    { uri: 'http://archive.ubuntu.com/ubuntu', suites: ['noble', 'noble-updates'], architectures: null },
    { uri: 'http://security.ubuntu.com/ubuntu', suites: ['noble-security'], architectures: null },
  ])
  assert.deepEqual(archive.suites, ['noble', 'noble-updates', 'noble-security'])
  assert.equal(archive.releaseOf('noble'), null, 'its codename tells')
})

test("a vendor's archive belongs to the host's release, and names that clash get a suffix", () => {
  const { archives } = draft(
    'sources.list',
    `deb [signed-by=/k/a.gpg] https://a.example/apt stable main
deb [signed-by=/k/b.gpg arch=arm64] https://b.example/apt stable main
deb https://deb.example/Node_20.x nodistro main
`,
  )
  const config = roundTrip(archives)
  assert.deepEqual(
    config.archives.map((one) => [
      one.name,
      one.keyringFiles,
      one.architectures,
      one.releaseOf(one.suites[0]!),
    ]),
    [
      ['apt', ['/k/a.gpg'], ['amd64'], 'noble'],
      ['apt-2', ['/k/b.gpg'], ['arm64'], 'noble'],
      ['node-20.x', ['/etc/apt/trusted.gpg.d/a.gpg'], ['amd64'], 'noble'],
    ],
  )
})

test('foreign architectures are named as such', () => {
  const text = 'deb http://deb.debian.org/debian bookworm main\n'
  const { archives } = draft('sources.list', text, { foreignArchitectures: ['i386'] })
  const [archive] = roundTrip(archives).archives
  assert.deepEqual([archive?.architectures, archive?.foreignArchitectures], [['amd64', 'i386'], ['i386']])
})

test('an embedded key goes into a file of its own', () => {
  const { archives } = draft(
    'x.sources',
    `Types: deb
URIs: http://x.example/vendor
Suites: stable
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abcd
 -----END PGP PUBLIC KEY BLOCK-----
`,
  )
  assert.deepEqual(archives[0]?.signedBy, ['/data/keyrings/vendor.asc'])
  assert.match(archives[0].embeddedKey!, /^-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabcd\n/)
})

test('what cannot be mirrored is left out, each with a line that says why', () => {
  const { archives, skipped } = draft(
    'sources.list',
    `deb file:/srv/repo stable main
deb cdrom:[Debian]/ bookworm main
deb [trusted=yes] http://t.example/apt stable main
deb http://uus.example.com:8080/approved/ubuntu noble main
deb mirror+http://m.example/list noble main
`,
  )
  assert.deepEqual(archives, [])
  assert.deepEqual(skipped, [
    'sources.list:1: file:/srv/repo is left out: only http and https archives can be mirrored',
    'sources.list:2: cdrom:[Debian]/ is left out: only http and https archives can be mirrored',
    'sources.list:3: http://t.example/apt is left out: "Trusted: yes" skips signatures, and UUS does not',
    'sources.list:4: http://uus.example.com:8080/approved/ubuntu is left out: it is this very server',
    'sources.list:5: mirror+http://m.example/list is left out: only http and https archives can be mirrored',
  ])
})

test('one archive listed line by line is one archive, with its sources if they are wanted', () => {
  const lines = ['noble', 'noble-updates'].flatMap((suite) =>
    ['main restricted', 'universe'].flatMap((components) => [
      `deb http://archive.ubuntu.com/ubuntu ${suite} ${components}`,
      `deb-src [check-valid-until=no] http://archive.ubuntu.com/ubuntu ${suite} ${components}`,
    ]),
  )
  const [archive, ...more] = roundTrip(draft('sources.list', lines.join('\n')).archives).archives
  assert.equal(more.length, 0)
  assert.deepEqual(
    [archive?.suites, archive?.components, archive?.checksValidUntil, archive?.kinds.includes('sources')],
    [['noble', 'noble-updates'], ['main', 'restricted', 'universe'], false, true],
  )
})

test('suites with other components are another archive: nothing is taken that nobody asked for', () => {
  const { archives } = draft(
    'sources.list',
    `deb http://deb.debian.org/debian stable main
deb http://deb.debian.org/debian testing contrib
`,
  )
  assert.deepEqual(
    roundTrip(archives).archives.map(({ name, suites, components }) => [name, suites, components]),
    [
      ['debian', ['stable'], ['main']],
      ['debian-2', ['testing'], ['contrib']],
    ],
  )
})

test('a flat archive has no components', () => {
  const { archives } = draft('sources.list', 'deb http://flat.example/repo ./\n')
  const [archive] = roundTrip(archives).archives
  assert.deepEqual([archive?.suites, archive?.components, archive?.releaseOf('./')], [['./'], [], 'noble'])
})
