// Damaged packages must be read or refused, never crash the reader, make it hang or eat memory. UUS_FUZZ_RUNS tries more.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { controlText, realDeb } from './rig/debs.ts'
import { needs, run } from './rig/programs.ts'

const changelog = gzipSync(
  Array.from(
    { length: 30 },
    (_, at) =>
      `sample (${30 - at}.0-1) unstable; urgency=low\n\n  * Fix CVE-2026-${1000 + at}\n\n -- A <a@b.c>  Mon, 23 Nov 2026 17:05:47 +0100\n\n`,
  ).join(''),
)

async function writeSeeds(folder: string): Promise<void> {
  const files = {
    'etc/sample.conf': 'x\n',
    'usr/bin/sample': randomBytes(30_000),
    'usr/share/doc/sample/changelog.Debian.gz': changelog,
    [`usr/share/${'long/'.repeat(30)}name`]: 'y'.repeat(5000),
    'usr/share/link': { link: '../bin/sample' },
  }
  const control = controlText({
    Depends: 'libc6 (>= 2.36), a | b',
    Source: 'src (2.0)',
    Description: 'a\n long\n .\n text',
  })
  for (const compressor of ['gzip', 'xz', 'zstd', 'none'] as const) {
    const parts = {
      conffiles: '/etc/sample.conf\n',
      postinst: '#!/bin/sh\n',
      md5sums: 'd41d8cd98f  x\n'.repeat(300),
    }
    writeFileSync(join(folder, `${compressor}.deb`), await realDeb({ control, parts, files, compressor }))
  }
}

test(
  'damaged packages neither crash the reader nor make it hang or eat memory',
  needs('dpkg-deb'),
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'uus-fuzz-'))
    try {
      await writeSeeds(folder)
      const runs = Number(process.env.UUS_FUZZ_RUNS ?? 1500)
      const script = join(import.meta.dirname, 'rig', 'fuzz-debs.ts')
      const seconds = 60 + runs / 5
      const result = await run('timeout', [
        '--signal=KILL',
        String(seconds),
        process.execPath,
        '--max-old-space-size=64',
        script,
        folder,
        String(runs),
      ])
      assert.equal(result.status, 0, result.output.slice(-4000))
      if (process.env.UUS_FUZZ_RUNS !== undefined) process.stderr.write(result.stdout)
      const { read, refused, data, changelogs, maxRssMegabytes } = JSON.parse(result.stdout) as Record<
        string,
        number
      >
      // Damage that nothing notices would prove as little as damage that is always noticed at the door.
      const shares = [read!, refused!, data!, changelogs!].map((count) => count / runs)
      assert.ok(
        shares.every((share) => share > 0.05),
        result.stdout,
      )
      // Node itself, the decoders' windows (64 MiB for xz, 128 MiB for zstd), and little more.
      assert.ok(maxRssMegabytes! < 400, result.stdout)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)
