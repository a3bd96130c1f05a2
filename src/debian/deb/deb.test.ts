// Packages that dpkg-deb made must read as dpkg-deb reads them; what is no package must be refused, with a sentence.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { controlText, handmadeDeb, realDeb, tar } from '../../../test/rig/debs.ts'
import { oddDebs } from '../../../test/rig/odd-debs.ts'
import { needs, run } from '../../../test/rig/programs.ts'
import { sha256 } from '../../lib/digest.ts'
import { randomAccessTo } from '../../lib/random-access.ts'
import { type Deb, readDeb } from './deb.ts'
import { packagesStanzaOf } from './packages-stanza.ts'

const read = (bytes: Buffer): Promise<Deb> => readDeb(randomAccessTo(bytes), 'sample.deb')

/** Runs `check` with the package in a file. */
async function withFile<T>(bytes: Buffer, check: (path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'uus-deb-'))
  try {
    mkdirSync(join(folder, 'pool'))
    const path = join(folder, 'pool', 'sample.deb')
    writeFileSync(path, bytes)
    return await check(path)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Does dpkg-deb read both parts, and parse the control file; and apt the control part? */
async function othersRead(bytes: Buffer): Promise<{ dpkg: boolean; apt: boolean }> {
  return withFile(bytes, async (path) => {
    // It would read from a pipe for ever.
    const info = await run('timeout', ['5', 'dpkg-deb', '--field', path, 'Package'])
    const data = await run('sh', ['-c', 'timeout 5 dpkg-deb --fsys-tarfile "$1" >/dev/null', 'sh', path])
    const scan = await run('timeout', ['5', 'apt-ftparchive', 'packages', join(path, '..')])
    return { dpkg: info.status === 0 && data.status === 0, apt: scan.stdout.startsWith('Package:') }
  })
}

function flat(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

const fullControl = controlText({
  Source: 'sample-src (1:2.0-1)',
  Version: '1:2.0-1+b1',
  Architecture: 'amd64',
  'Original-Maintainer': 'Bob <bob@example.org>',
  Section: 'net',
  Priority: 'optional',
  'Multi-Arch': 'foreign',
  'Installed-Size': '123',
  'Pre-Depends': 'dpkg (>= 1.20)',
  Depends: 'libc6 (>= 2.36), a | b (<< 3~),\n c:any',
  Recommends: 'r',
  Suggests: 's',
  Enhances: 'e',
  Conflicts: 'old-sample',
  Breaks: 'x (<< 2)',
  Replaces: 'x (<< 2)',
  Provides: 'virtual (= 1), other',
  'Built-Using': 'gcc-12 (= 12.2.0-14)',
  Homepage: 'https://example.org/',
  Tag: 'role::program,\n use::editing',
  'X-Custom': 'yes',
  Description: 'a sämple with many fields\n A long text\n .\n  * and more',
  Bugs: 'mailto:x@example.org',
  Essential: 'no',
  'Python-Version': '3.11',
})
const scripts = { postinst: '#!/bin/sh\nset -e\n', conffiles: '/etc/sample.conf\n' }

for (const compressor of ['gzip', 'xz', 'zstd', 'none'] as const) {
  test(
    `a package that dpkg-deb packed with ${compressor} reads as dpkg-deb reads it`,
    needs('dpkg-deb'),
    async () => {
      const bytes = await realDeb({
        control: fullControl,
        parts: scripts,
        files: { 'etc/sample.conf': 'x', 'usr/bin/sample': 'y'.repeat(100_001) },
        compressor,
      })
      const { control, layout } = await read(bytes)
      const ending = { gzip: '.gz', xz: '.xz', zstd: '.zst', none: '' }[compressor]
      assert.equal(layout.control.name, `control.tar${ending}`)
      assert.equal(layout.data.name, `data.tar${ending}`)
      await withFile(bytes, async (path) => {
        for (const { name, value } of control.stanza.fields) {
          const { stdout } = await run('dpkg-deb', ['--field', path, name])
          // It lays out relations in its own way.
          assert.equal(flat(stdout), flat(value), name)
        }
        const { stdout } = await run('dpkg-deb', ['--info', path, 'control'])
        assert.equal(control.text.toString(), stdout)
      })
      assert.deepEqual(
        [control.name, control.version, control.architecture, control.source, control.sourceVersion],
        ['sample', '1:2.0-1+b1', 'amd64', 'sample-src', '1:2.0-1'],
      )
      assert.equal(control.synopsis, 'a sämple with many fields')
      assert.deepEqual(control.conffiles, ['/etc/sample.conf'])
      assert.deepEqual([...control.parts].sort(), ['conffiles', 'control', 'postinst'])
    },
  )
}

test(
  "the stanza for an index is apt-ftparchive's, field by field",
  needs('dpkg-deb', 'apt-ftparchive'),
  async () => {
    const untrusted = {
      Filename: 'pool/evil.deb',
      Size: '1',
      MD5sum: 'd41d8cd98f00b204e9800998ecf8427e',
      SHA256: 'a'.repeat(64),
      SHA512: 'b'.repeat(128),
    }
    const lies = Object.entries(untrusted)
      .map(([name, value]) => `${name}: ${value}\n`)
      .join('')
    for (const control of [controlText(), fullControl, `${fullControl}${lies}Task: t\n`]) {
      const bytes = await realDeb({ control })
      const deb = await read(bytes)
      await withFile(bytes, async (path) => {
        const { stdout } = await run('apt-ftparchive', ['packages', 'pool'], { cwd: join(path, '..', '..') })
        // We list the digests that clients of today believe, and MD5 for their caches.
        const expected = stdout.replace(/^SHA(?:1|512): .*\n/gm, '').replace(/\n\n$/, '\n')
        const stanza = packagesStanzaOf(deb.control, {
          path: 'pool/sample.deb',
          sizeBytes: bytes.length,
          sha256: sha256(bytes),
          md5: createHash('md5').update(bytes).digest('hex'),
        })
        assert.equal(stanza, expected)
      })
    }
  },
)

test('how an archive rolls a package out is not for the package to say', async () => {
  const stanzaOf = async (more: string) => {
    const control = tar([{ name: './control', content: `${controlText()}${more}` }])
    const deb = await read(handmadeDeb({ control }))
    const file = { path: 'pool/x.deb', sizeBytes: 1, sha256: sha256(''), md5: '0'.repeat(32) }
    return packagesStanzaOf(deb.control, file)
  }
  const lying = await stanzaOf('Phased-Update-Percentage: 0\nDescription-md5: x\nSuggests:\n')
  assert.equal(lying, await stanzaOf(''))
})

for (const { what, bytes, why, ...others } of oddDebs()) {
  test(`${what}: ${why === null ? 'read' : 'refused'}`, needs('dpkg-deb', 'apt-ftparchive'), async () => {
    if (why === null) await read(bytes)
    else
      await assert.rejects(read(bytes), (error: Error & { code: string; hint: string }) => {
        assert.equal(error.code, 'MALFORMED')
        assert.match(error.message, why)
        assert.match(error.message, /sample\.deb/)
        assert.ok(error.hint.length > 10)
        return true
      })
    const isRead = why === null
    assert.deepEqual(await othersRead(bytes), { dpkg: isRead, apt: isRead, ...others })
  })
}
