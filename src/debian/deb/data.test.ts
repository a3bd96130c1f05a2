import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { xzDeb } from '../../../test/rig/bombs.ts'
import {
  ar,
  controlText,
  formatMember,
  handmadeDeb,
  longName,
  pax,
  realDeb,
  type TarSpec,
  tar,
  tarEntry,
} from '../../../test/rig/debs.ts'
import { needs } from '../../../test/rig/programs.ts'
import { type RandomAccess, randomAccessTo } from '../../lib/random-access.ts'
import { readChangelog } from './changelog-file.ts'
import { checkData } from './data.ts'
import { readDeb } from './deb.ts'

/** Says how much of it was read. */
class CountedFile implements RandomAccess {
  readBytes = 0
  readonly #file: RandomAccess

  constructor(bytes: Buffer) {
    this.#file = randomAccessTo(bytes)
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes
  }

  read(start: number, count: number): Promise<Buffer> {
    assert.ok(count > 0 && start >= 0 && start + count <= this.sizeBytes, `read(${start}, ${count})`)
    this.readBytes += count
    return this.#file.read(start, count)
  }
}

const open = (bytes: Buffer) => readDeb(randomAccessTo(bytes), 'sample.deb')
const withData = (...entries: TarSpec[]) => handmadeDeb({ data: tar(entries) })

const doc = 'usr/share/doc/sample'
const entry = (version: string, text = '  * A change') =>
  `sample (${version}) unstable; urgency=medium\n\n${text}\n\n -- Ann Other <ann@example.org>  Mon, 23 Nov 2026 17:05:47 +0100\n\n`
const changelog = `${entry('2.0-1', '  * Fix CVE-2026-1234')}${entry('1.0-1')}`
const packed = gzipSync(changelog)

async function changelogOf(bytes: Buffer, since: string | null = null): Promise<string> {
  const found = await readChangelog(await open(bytes), since)
  switch (found.kind) {
    case 'read':
      return `${found.entries.map((one) => one.version).join(' ')}${found.isComplete ? '' : ' …'}`
    case 'elsewhere':
      return `in ${found.package}`
    case 'absent':
      return 'absent'
  }
}

test('what dpkg-deb packed is walked through whole', needs('dpkg-deb'), async () => {
  for (const compressor of ['gzip', 'xz', 'zstd', 'none'] as const) {
    const noise = randomBytes(300_000)
    const deep = `usr/${'deep/'.repeat(30)}file`
    const files = { 'usr/bin/x': noise, [deep]: 'deep', 'usr/bin/y': { link: '../../../../etc/passwd' } }
    const facts = await checkData(await open(await realDeb({ files, compressor })))
    // root, usr, bin, two files and a link, thirty folders.
    assert.deepEqual(facts, { entries: 36, fileBytes: 300_004 })
  }
})

test('reading the control part leaves the data part alone', needs('dpkg-deb'), async () => {
  const file = new CountedFile(await realDeb({ files: { 'usr/bin/x': randomBytes(3_000_000) } }))
  await readDeb(file, 'sample.deb')
  assert.ok(file.readBytes < 2000, `${file.readBytes}`)
})

const refused: [what: string, bytes: Buffer, why: RegExp][] = [
  [
    'a name that climbs',
    withData({ name: './usr/../../etc/passwd', content: 'x' }),
    /unsafe name ".\/usr\/..\/..\/etc\/passwd"/,
  ],
  ['an absolute name', withData({ name: '/etc/passwd', content: 'x' }), /unsafe name "\/etc\/passwd"/],
  ['a doubled slash', withData({ name: './usr//bin', type: '5' }), /unsafe name/],
  ['a newline in a name', withData({ name: './a\nb', content: '' }), /unsafe name ".\/a\?b"/],
  [
    'a hard link that climbs',
    withData({ name: './x', type: '1', link: '../../etc/shadow' }),
    /unsafe name "..\/..\/etc\/shadow"/,
  ],
  ['a hard link to nothing', withData({ name: './x', type: '1' }), /hard link to nothing/],
  ['a device', withData({ name: './dev/sda', type: '4' }), /has "dev\/sda", a device or a named pipe/],
  ['a named pipe', withData({ name: './run/x', type: '6' }), /a device or a named pipe/],
  [
    'a root that is a link',
    withData({ name: './', type: '2', link: '/etc' }),
    /has a root that is no folder/,
  ],
  [
    'a PAX header',
    withData(pax({ mtime: '1.5' }), { name: './x', content: '' }),
    /PAX header, which dpkg does not read here/,
  ],
  [
    'a long name that climbs',
    withData(longName(`./${'a/'.repeat(80)}../../x`), { name: 'x', content: '' }),
    /unsafe name/,
  ],
  [
    'a second archive behind the end',
    handmadeDeb({ data: Buffer.concat([tar([]), tarEntry({ name: './x', content: 'x' })]) }),
    /something after its end/,
  ],
  [
    'a file that goes on after the end',
    withData({ name: './x', content: 'x', size: '00077777777\0' }),
    /is cut short/,
  ],
  [
    'a cut archive',
    handmadeDeb({ data: tar([{ name: './x', content: 'x'.repeat(3000) }]).subarray(0, 2000) }),
    /is cut short/,
  ],
  [
    'bzip2',
    handmadeDeb({ data: { name: 'data.tar.bz2', bytes: Buffer.from('BZh9') } }),
    /cannot be read: it is packed as .bz2/,
  ],
  [
    'what is not packed as it says',
    handmadeDeb({ data: { name: 'data.tar.xz', bytes: gzipSync(tar([])) } }),
    /does not begin as an .xz file/,
  ],
]

for (const [what, bytes, why] of refused) {
  test(`${what} is refused in the data part`, async () => {
    await assert.rejects(checkData(await open(bytes)), (error: Error & { code: string; hint: string }) => {
      assert.equal(error.code, 'MALFORMED')
      assert.match(error.message, why)
      assert.match(error.message, /^data\.tar\.[a-z0-9]+ of sample\.deb/)
      assert.ok(error.hint.length > 10)
      return true
    })
  })
}

test('more entries than there may be are refused while they come', async () => {
  const many = Buffer.concat(Array.from({ length: 5000 }, (_, at) => tarEntry({ name: `./f${at}` })))
  const deb = await open(handmadeDeb({ data: Buffer.concat([many, Buffer.alloc(1024)]) }))
  assert.equal((await checkData(deb)).entries, 5000)
  await assert.rejects(checkData(deb, { entries: 4999 }), { message: /has more than 4999 entries/ })
})

test('a package that unpacks to far more than it could hold is refused', needs('xz'), async () => {
  const zeros = tar([{ name: './x', content: Buffer.alloc(40_000_000) }])
  const bombs: [ending: string, bytes: Buffer][] = [
    ['gz', gzipSync(zeros)],
    ['zst', zstdCompressSync(zeros)],
  ]
  for (const [ending, bytes] of bombs) {
    const deb = await open(handmadeDeb({ data: { name: `data.tar.${ending}`, bytes } }))
    await assert.rejects(checkData(deb, { plainBytes: 20e6 }), { message: /unpacks to more than 20.0 MB/ })
  }
  // 100,000 bytes that would become 700 MB: more than a thousandfold.
  const bomb = await open(xzDeb(700))
  await assert.rejects(checkData(bomb), { code: 'MALFORMED', message: /unpacks to more than 3\d\d MB/ })
})

test('a control part that is a bomb is refused', needs('xz'), async () => {
  const bomb = tar([
    { name: './md5sums', content: Buffer.alloc(40_000_000, 'x') },
    { name: './control', content: controlText() },
  ])
  const data = { name: 'data.tar.gz', bytes: gzipSync(tar([])) }
  for (const control of [
    { name: 'control.tar', bytes: bomb },
    { name: 'control.tar.gz', bytes: gzipSync(bomb) },
    { name: 'control.tar.zst', bytes: zstdCompressSync(bomb) },
  ]) {
    const why = control.name === 'control.tar' ? /is larger than 16 MiB/ : /unpacks to more than 32.0 MB/
    await assert.rejects(open(ar([formatMember, control, data])), { code: 'MALFORMED', message: why })
  }
})

test('the changelog is read out of any package, down to what is known', needs('dpkg-deb'), async () => {
  for (const compressor of ['gzip', 'xz', 'zstd', 'none'] as const) {
    const bytes = await realDeb({
      files: {
        [`${doc}/changelog.Debian.gz`]: packed,
        [`${doc}/changelog.gz`]: gzipSync('upstream'),
        'var/x': 'x',
      },
      compressor,
    })
    assert.equal(await changelogOf(bytes), '2.0-1 1.0-1')
    assert.equal(await changelogOf(bytes, '1.0-1'), '2.0-1')
    assert.equal(await changelogOf(bytes, '3.0'), '')
  }
})

const changelogs: [what: string, bytes: Buffer, expected: string][] = [
  ['a native package', withData({ name: `./${doc}/changelog.gz`, content: packed }), '2.0-1 1.0-1'],
  ['an unpacked one', withData({ name: `./${doc}/changelog.Debian`, content: changelog }), '2.0-1 1.0-1'],
  [
    "upstream's before Debian's",
    withData(
      { name: `./${doc}/changelog.gz`, content: gzipSync('upstream') },
      { name: `./${doc}/changelog.Debian.gz`, content: packed },
    ),
    '2.0-1 1.0-1',
  ],
  ['none', withData({ name: './usr/', type: '5' }), 'absent'],
  ['a folder of the same name', withData({ name: `./${doc}/changelog.gz`, type: '5' }), 'absent'],
  [
    'a folder that is a link to a sibling',
    withData({ name: `./${doc}`, type: '2', link: 'sample-common' }),
    'in sample-common',
  ],
  [
    'an absolute link',
    withData({ name: `./${doc}`, type: '2', link: '/usr/share/doc/sample-common' }),
    'in sample-common',
  ],
  [
    'a file that is a link to a sibling',
    withData({
      name: `./${doc}/changelog.Debian.gz`,
      type: '2',
      link: '../sample-common/changelog.Debian.gz',
    }),
    'in sample-common',
  ],
  [
    'a link within the package',
    withData(
      { name: `./${doc}/changelog.Debian.gz`, type: '2', link: 'changelog.gz' },
      { name: `./${doc}/changelog.gz`, content: packed },
    ),
    '2.0-1 1.0-1',
  ],
  [
    'a link to what came before',
    withData(
      { name: './usr/share/doc/a/changelog.Debian.gz', content: packed },
      { name: `./${doc}`, type: '2', link: 'a' },
    ),
    '2.0-1 1.0-1',
  ],
  [
    'a hard link',
    withData(
      { name: './usr/share/doc/a/changelog.Debian.gz', content: packed },
      { name: `./${doc}/changelog.Debian.gz`, type: '1', link: './usr/share/doc/a/changelog.Debian.gz' },
    ),
    '2.0-1 1.0-1',
  ],
  ['a link to itself', withData({ name: `./${doc}`, type: '2', link: 'sample' }), 'absent'],
  [
    'links in a circle',
    withData(
      { name: `./${doc}`, type: '2', link: 'other' },
      { name: './usr/share/doc/other', type: '2', link: 'sample' },
    ),
    'absent',
  ],
  [
    'a link to a file of this host',
    withData({ name: `./${doc}/changelog.gz`, type: '2', link: '/etc/passwd' }),
    'absent',
  ],
  [
    'a link that climbs out',
    withData({ name: `./${doc}/changelog.gz`, type: '2', link: '../../../../../../etc/passwd' }),
    'absent',
  ],
  ['a link to an odd name', withData({ name: `./${doc}`, type: '2', link: '../doc/..%2f' }), 'absent'],
  [
    'a file that is no changelog',
    withData({ name: `./${doc}/changelog.gz`, content: gzipSync('hello\nworld\n') }),
    '',
  ],
]

for (const [what, bytes, expected] of changelogs) {
  test(`${what}: the changelog is ${expected || 'empty'}`, async () => {
    assert.equal(await changelogOf(bytes), expected)
  })
}

test('a changelog that is a bomb, or none of its kind, is refused', async () => {
  const endless = gzipSync(Buffer.alloc(20_000_000, 'x'))
  for (const [content, why] of [
    [endless, /usr\/share\/doc\/sample\/changelog.gz of sample.deb: has a line of more than 1 MiB/],
    [Buffer.from('no gzip'), /is not a valid .gz file/],
    [packed.subarray(0, packed.length - 5), /is not a valid .gz file/],
  ] as const) {
    const bytes = withData({ name: `./${doc}/changelog.gz`, content })
    await assert.rejects(changelogOf(bytes), { code: 'MALFORMED', message: why })
  }
})

test('no more of the data part is read than up to the changelog', needs('dpkg-deb'), async () => {
  const noise = randomBytes(2_000_000)
  for (const compressor of ['gzip', 'xz', 'zstd', 'none'] as const) {
    const files = {
      [`${doc}/changelog.gz`]: packed,
      'var/lib/x': noise,
      'var/lib/y': Buffer.from(noise.toReversed()),
    }
    const file = new CountedFile(await realDeb({ files, compressor }))
    const found = await readChangelog(await readDeb(file, 'sample.deb'), null)
    assert.equal(found.kind, 'read')
    assert.ok(file.readBytes < 2_600_000, `${compressor}: ${file.readBytes} of ${file.sizeBytes}`)
  }
})
