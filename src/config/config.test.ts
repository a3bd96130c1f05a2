import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { UusError } from '../lib/errors.ts'
import { parseConfig } from './config.ts'

const example = readFileSync(join(import.meta.dirname, '..', '..', 'config.example.yaml'), 'utf8')

function problems(text: string): string[] {
  try {
    parseConfig(text, '/etc/uus/config.yaml')
  } catch (error) {
    assert.ok(error instanceof UusError)
    assert.equal(error.code, 'CONFIG_INVALID')
    return [...error.details]
  }
  return []
}

const good = `data: ./data
archives:
  - name: debian
    uris: http://deb.debian.org/debian/
    suites: [bookworm, bookworm-updates]
    components: main
    architectures: amd64
    signed-by: [keys/debian.gpg, 4CB50190207B4758A3F73A796ED0E7B82643E131]
channels:
  testing: {from: upstream}
`

test('the example is a good configuration', () => {
  const config = parseConfig(example, '/etc/uus/config.yaml')
  assert.deepEqual(
    config.archives.map((archive) => [archive.name, archive.architectures]),
    [['ubuntu', ['amd64', 'i386']]],
  )
  assert.deepEqual(
    config.channels.map((channel) => [channel.name, channel.from, channel.follows]),
    [
      ['testing', 'upstream', true],
      ['approved', 'testing', false],
    ],
  )
})

test('what is commented out in the example is good as well', () => {
  const uncommented = example.replace(
    /^(\s*)# (- name: vendor|- name: local|uploads:|- \{uri| {2,}[a-z.-]+:(?: |$)| {2,}- \{|upstream-proxy|ca:|client-|max-size|bandwidth|hosts|access-log|sync: |slaves: |tls: |admin-listen|notifications:)/gm,
    '$1$2',
  )
  const config = parseConfig(uncommented.replace('    - {uri', '    # - {uri'), '/etc/uus/config.yaml')
  assert.equal(config.archives.length, 3)
  assert.deepEqual(config.archives[2]?.local, { origin: 'Example Ltd' })
  assert.equal(config.archives[2]?.releaseOf('noble'), 'noble')
  assert.deepEqual(config.archives[2]?.keyringFiles, ['/etc/uus/keys/uploaders.gpg'])
  assert.deepEqual(config.uploads, { maxBytes: 4 * 2 ** 30, waitSeconds: 6 * 3600 })
  assert.equal(config.upstreamProxy, 'http://proxy.example.com:3128')
  assert.equal(config.archives[1]?.checksValidUntil, false)
  assert.equal(config.archives[1]?.releaseOf('stable'), 'noble')
  assert.equal(config.cache.maxBytes, 200 * 2 ** 30)
  assert.deepEqual(config.limits.bandwidth, {
    windows: [{ from: 420, to: 1080, days: [1, 2, 3, 4, 5], bytesPerSecond: 5 << 20 }],
    otherwise: null,
  })
  assert.deepEqual(config.limits.hostBandwidth.get('packages.vendor.example'), {
    windows: [],
    otherwise: 1 << 20,
  })
  assert.equal(config.accessLog, '/var/log/uus/access.log')
  assert.equal(config.sync.url, 'https://updates.example.com:8443')
  assert.deepEqual(config.slaves[0]?.countries, ['no'])
  assert.equal(config.tls?.listen?.port, 8443)
  const master = /^# (master: .*)$/m.exec(example)![1]
  const slave = parseConfig(`data: data\nrole: slave\n${master}\n`, '/etc/uus/config.yaml')
  assert.deepEqual([slave.role, slave.archives, slave.master?.prefetch], ['slave', [], 'none'])
})

test('defaults, and paths relative to the file', () => {
  const config = parseConfig(good, '/etc/uus/config.yaml')
  assert.equal(config.dataFolder, '/etc/uus/data')
  assert.deepEqual(config.listen, { host: '0.0.0.0', port: 8080 })
  const [archive] = config.archives
  assert.deepEqual(archive?.uris, [
    { uri: 'http://deb.debian.org/debian', suites: null, architectures: null },
  ])
  assert.deepEqual(archive.keyringFiles, ['/etc/uus/keys/debian.gpg'])
  assert.deepEqual(archive.keyFingerprints, ['4CB50190207B4758A3F73A796ED0E7B82643E131'])
  assert.equal(archive.refreshSeconds, 1800)
  assert.deepEqual(config.channels[0]?.compression, ['gz'])
  assert.deepEqual(config.cache, { maxBytes: null, minFreeBytes: 512 << 20, memoryBytes: 64 << 20 })
  assert.deepEqual(config.limits, {
    connections: 8,
    bandwidth: { windows: [], otherwise: null },
    hostBandwidth: new Map(),
    minBytesPerSecond: 1024,
    deadlineSeconds: 21_600,
    prefetch: { files: 2, window: { from: 0, to: 1440, days: [0, 1, 2, 3, 4, 5, 6] } },
  })
  assert.equal(config.accessLog, null)
})

test('three mistakes are all shown, with their lines and what was meant', () => {
  const text = good
    .replace('data:', 'dada:')
    .replace('components: main', 'component: main')
    .replace('upstream', 'upstreem')
  assert.deepEqual(problems(text), [
    'line 1: data is missing',
    'line 1: unknown setting "dada"; did you mean "data"?',
    'line 3: archives.0.components is missing',
    'line 6: unknown setting "archives.0.component"; did you mean "components"?',
    'line 10: channels.testing.from names an unknown channel "upstreem"; did you mean "upstream"?',
  ])
})

for (const [what, change, problem] of [
  ['a name that is reserved', ['name: debian', 'name: snapshots'], /line 3: archives.0.name is reserved/],
  ['a name with capitals', ['name: debian', 'name: Debian'], /must be lower-case letters/],
  [
    'a name that looks like a file',
    ['testing:', 'a.sources:'],
    /line 10: channels.a.sources must not end in .sources/,
  ],
  [
    'an address of another kind',
    ['http://deb', 'ftp://deb'],
    /line 4: archives.0.uris must be an http:\/\/ or https:\/\/ URL/,
  ],
  ['a suite that leaves dists', ['bookworm-updates', '../x'], /line 5: archives.0.suites.1 must be a suite/],
  ['an odd architecture', ['amd64', 'x86_64'], /must be an architecture like amd64/],
  [
    'no keyring beside a fingerprint',
    ['keys/debian.gpg, ', ''],
    /line 8: archives.0.signed-by must name a keyring file/,
  ],
  [
    'a number for a duration',
    ['{from: upstream}', '{from: upstream, valid-for: 3}'],
    /channels.testing.valid-for expected string/,
  ],
  [
    'an odd duration',
    ['{from: upstream}', '{from: upstream, keep: soon}'],
    /channels.testing.keep must be a duration like 7d/,
  ],
  [
    'an odd packing',
    ['{from: upstream}', '{from: upstream, compression: [bz2]}'],
    /channels.testing.compression/,
  ],
  [
    'a circle of channels',
    ['{from: upstream}', '{from: testing}'],
    /channels.testing.from leads in a circle/,
  ],
  [
    'an odd size',
    ['data:', 'cache: {max-size: 5 apples}\ndata:'],
    /cache.max-size must be a size like 200GiB/,
  ],
  [
    'an odd rate',
    ['data:', 'limits: {bandwidth: 5MiB}\ndata:'],
    /limits.bandwidth must be a rate like 10MiB\/s, or unlimited/,
  ],
  [
    'an odd time of day',
    ['data:', 'limits: {bandwidth: [{from: "25:00", rate: 5MiB/s}]}\ndata:'],
    /limits.bandwidth.0.from must be a time of day like 08:00/,
  ],
  [
    'two rates for the rest of the day',
    ['data:', 'limits: {bandwidth: [{rate: 5MiB/s}, {rate: 6MiB/s}]}\ndata:'],
    /limits.bandwidth must have at most one rate without "from" and "to"/,
  ],
  ['an odd address to listen on', ['data:', 'listen: 8080\ndata:'], /listen/],
  [
    'a release of a suite that is not there',
    ['components:', 'release: {sid: x}\n    components:'],
    /release.sid is not one of the archive's suites/,
  ],
  ['the same setting twice', ['data:', 'data: x\ndata:'], /Map keys must be unique/],
  ['text that is no YAML', ['data:', 'data: ['], /line 2: Flow sequence/],
] as const) {
  test(`${what} is a problem with its line`, () => {
    const found = problems(good.replace(change[0], change[1]))
    assert.ok(
      found.some((one) => problem.test(one)),
      found.join('\n') || 'no problem was found',
    )
    assert.ok(found.every((one) => /^line \d+: /.test(one)))
  })
}

test('two archives of one name are refused', () => {
  const archive = good.slice(good.indexOf('  - name'), good.indexOf('channels:'))
  assert.match(
    problems(good.replace('channels:', `${archive}channels:`)).join(),
    /archives.1.name "debian" stands twice/,
  )
})

test('a file that is not there is named', async () => {
  const { readConfig } = await import('./config.ts')
  assert.throws(() => readConfig('/nonexistent/config.yaml'), {
    message: 'Cannot read the configuration /nonexistent/config.yaml: there is no such file',
    hint: /uus init/,
  })
})

test('a local archive has no upstream, and what is wrong with it is said', () => {
  const text = (archive: string) =>
    `data: data\narchives:\n  - ${archive}\nchannels: {testing: {from: upstream}}\n`
  const problems = (archive: string): string => {
    try {
      parseConfig(text(archive), '/etc/uus/config.yaml')
      return ''
    } catch (error) {
      return (error as UusError).details.join('; ')
    }
  }
  const good = '{name: local, local: true, suites: noble, architectures: amd64'
  const { archives } = parseConfig(text(`${good}, release: {noble: n}}`), '/etc/uus/config.yaml')
  const [local] = archives
  assert.deepEqual(
    [local?.local?.origin, local?.components, local?.releaseOf('noble')],
    ['local', ['main'], 'n'],
  )
  assert.match(problems(`${good}, uris: [http://a]}`), /unknown setting "archives.0.uris"/)
  assert.match(problems(`${good}, refresh: 1h}`), /unknown setting "archives.0.refresh"/)
  assert.match(problems(`${good}, origin: Ubuntu}`), /must not be Ubuntu or Debian/)
  assert.match(problems(`${good}, keyring: ${'A'.repeat(40)}}`), /keyring must name a keyring file/)
  assert.match(
    problems('{name: local, local: true, suites: ./, architectures: amd64}'),
    /must not be a flat suite/,
  )
})
