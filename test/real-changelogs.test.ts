// Changelogs of 20 real packages of this host's security suite, held against the packages' own files as dpkg-deb, tar and
// gzip unpack them. Skipped where no upstream can be reached.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { claimedCves } from '../src/debian/changelog.ts'
import { readChangelog } from '../src/debian/deb/changelog-file.ts'
import { readDeb } from '../src/debian/deb/deb.ts'
import { randomAccessTo } from '../src/lib/random-access.ts'
import { needs } from './rig/programs.ts'
import { hasSuite, hostArchives, hostConfig } from './rig/upstream.ts'

const wanted = 20
const maxBytes = 300_000
/** Ours stops there. */
const maxEntries = 200

const hostText = await hostConfig()
const security = await findSecurity(hostText)
const skip =
  security === null ? 'no security suite of this host can be reached' : needs('dpkg-deb', 'tar', 'xz').skip

async function findSecurity(text: string | null) {
  for (const archive of text === null ? [] : hostArchives(text)) {
    const suite = archive.suites.find((one) => one.endsWith('-security'))
    if (suite !== undefined && (await hasSuite(archive, suite))) {
      const component = archive.components[0] ?? 'main'
      return { url: archive.uris[0]!.uri, suite, component, architecture: archive.architectures[0]! }
    }
  }
  return null
}

async function get(url: string): Promise<Buffer> {
  const answer = await fetch(url)
  assert.ok(answer.ok, `${url} answers ${answer.status}`)
  return Buffer.from(await answer.arrayBuffer())
}

/** Small ones, of as many sources. */
async function choose({
  url,
  suite,
  component,
  architecture,
}: NonNullable<typeof security>): Promise<string[]> {
  const index = await get(`${url}/dists/${suite}/${component}/binary-${architecture}/Packages.xz`)
  const text = spawnSync('xz', ['-dc'], { input: index, maxBuffer: 1 << 30 }).stdout.toString()
  const bySource = new Map<string, { path: string; bytes: number }>()
  for (const stanza of text.split('\n\n')) {
    const field = (name: string) => new RegExp(`^${name}: (\\S+)`, 'm').exec(stanza)?.[1]
    const path = field('Filename')
    const bytes = Number(field('Size'))
    if (path === undefined || bytes > maxBytes) continue
    const source = field('Source') ?? field('Package')!
    if (bytes < (bySource.get(source)?.bytes ?? Number.POSITIVE_INFINITY))
      bySource.set(source, { path, bytes })
  }
  return [...bySource.values()].sort((a, b) => a.bytes - b.bytes).map(({ path }) => path)
}

/** The package's changelog as other programs unpack it; null if it has none of its own. */
function unpacked(deb: string): string | null {
  const data = spawnSync('dpkg-deb', ['--fsys-tarfile', deb], { maxBuffer: 1 << 30 }).stdout
  for (const name of ['changelog.Debian.gz', 'changelog.gz']) {
    const found = spawnSync('tar', ['-xO', '--wildcards', `./usr/share/doc/*/${name}`], {
      input: data,
      maxBuffer: 1 << 30,
    })
    if (found.status === 0 && found.stdout.length > 0) return gunzipSync(found.stdout).toString()
  }
  return null
}

test('20 real security updates claim what their own changelogs say', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'uus-changelogs-'))
  try {
    let count = 0
    let ids = 0
    for (const path of await choose(security!)) {
      const bytes = await get(`${security!.url}/${path}`)
      const file = join(folder, 'one.deb')
      writeFileSync(file, bytes)
      const text = unpacked(file)
      if (text === null) continue
      const ours = await readChangelog(await readDeb(randomAccessTo(bytes), path), null)
      assert.equal(ours.kind, 'read', path)
      if (ours.kind !== 'read') return
      const heads = [...text.matchAll(/^\S+ \(([^)]+)\)[^;\n]*;.*urgency=(\w+)/gm)].map(
        ([, version, urgency]) => [version, urgency!.toLowerCase()],
      )
      if (heads.length > maxEntries) continue
      assert.deepEqual(
        ours.entries.map(({ version, urgency }) => [version, urgency]),
        heads,
        path,
      )
      const expected = new Set([...text.matchAll(/\bCVE-\d{4}-\d{4,}/gi)].map(([id]) => id.toUpperCase()))
      const claimed = claimedCves(ours.entries.map((entry) => entry.text).join('\n'))
      assert.deepEqual(new Set(claimed), expected, path)
      ids += expected.size
      if (++count === wanted) break
    }
    assert.equal(count, wanted)
    assert.ok(ids > 0, 'some of them name CVE ids')
    t.diagnostic(`${count} packages, ${ids} CVE ids`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
