// A real full suite of this host's upstream with every kind of index that it has: what a channel publishes of each is
// exactly what goes with its packages, and memory stays within its budget. What is expected comes from upstream's own
// files, by simple means that have nothing in common with ours. Skipped where no upstream can be reached.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { UpdateResult } from '../src/actions/update.ts'
import type { ArchiveConfig } from '../src/config/archives.ts'
import { parseRelease, type Release } from '../src/debian/release.ts'
import { needs, run, runForHash } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'
import { hostArchives, hostConfig } from './rig/upstream.ts'

/** DESIGN §8: what the jobs process may take. */
const jobsBudgetBytes = 350e6

const hostText = await hostConfig()
const skip =
  hostText === null ? 'no upstream of this host can be reached' : needs('awk', 'zcat', 'xzcat', 'pgrep').skip

const component = 'main'

function configText(archive: ArchiveConfig, indexes: string, channels: string): string {
  return `data: data
listen: 127.0.0.1:0
archives:
  - {name: real, uris: "${archive.uris[0]!.uri}", suites: ${archive.suites[0]}, components: ${component},
     architectures: ${archive.architectures[0]}, signed-by: [${archive.keyringFiles.join(', ')}], indexes: [${indexes}]}
channels: {${channels}}
`
}

/** Upstream's files, or a channel's, unpacked. */
interface Suite {
  readonly release: Release
  /** The file's plain text; null where there is none. */
  text(path: string): Promise<string | null>
  /** The file, packed as `.gz`, in a folder. */
  save(path: string): Promise<string>
}

async function suiteAt(url: string, folder: string): Promise<Suite> {
  const get = async (path: string) => {
    const answer = await fetch(`${url}/${path}`)
    return answer.ok ? Buffer.from(await answer.arrayBuffer()) : null
  }
  const inRelease = (await get('InRelease'))!.toString()
  const [, signed] = /\n\n([\s\S]*?)-----BEGIN PGP SIGNATURE/.exec(inRelease)!
  const save = async (path: string, bytes: Buffer) => {
    const file = join(folder, createHash('sha256').update(`${url} ${path}`).digest('hex'))
    writeFileSync(file, bytes)
    return file
  }
  return {
    release: parseRelease(signed!, 'InRelease'),
    async text(path) {
      const gz = await get(`${path}.gz`)
      if (gz !== null) return gunzipSync(gz).toString()
      const xz = await get(`${path}.xz`)
      if (xz === null) return null
      return (await run('xzcat', [await save(`${path}.xz`, xz)])).stdout
    },
    save: async (path) => save(path, (await get(`${path}.gz`))!),
  }
}

const stanzasOf = (text: string) => text.split(/\n\n+/).filter((stanza) => stanza.trim() !== '')
const fieldOf = (stanza: string, name: string) =>
  new RegExp(`^${name}: *(.*)$`, 'm').exec(stanza.startsWith('\n') ? stanza : `\n${stanza}`)?.[1] ?? null
const sourceOf = (stanza: string) =>
  (fieldOf(stanza, 'Source') ?? fieldOf(stanza, 'Package')!).replace(/ .*/, '')
/** Without the head. Those of no package go to every channel. */
const documentsOf = (text: string) => text.split(/^---\n/m).slice(2)

/** The highest memory a process ever had. */
function peakBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

async function jobsPid(server: TestServer): Promise<number> {
  return Number((await run('pgrep', ['-P', String(server.pid)])).stdout.trim())
}

async function update(server: TestServer): Promise<void> {
  const { items } = await server.call<UpdateResult>('update')
  assert.deepEqual(
    items.map(({ error }) => error),
    [null],
  )
}

test('a real full suite: every index is cut by what a channel shows, in bounded memory', {
  skip,
}, async (t) => {
  const archive = hostArchives(hostText!)[0]!
  const [suite, architecture] = [archive.suites[0]!, archive.architectures[0]!]
  let at = Date.now()
  const lap = (what: string) => {
    t.diagnostic(`${what}: ${((Date.now() - at) / 1000).toFixed(1)} s`)
    at = Date.now()
  }
  const kinds = 'packages, translations, cnf, dep11, sources'
  const all = 'testing: {from: upstream}'
  await using server = await TestServer.start({ configText: configText(archive, kinds, all) })
  const peaks: number[] = []
  await update(server)
  lap('adopted, and published for one channel')
  peaks.push(peakBytes(await jobsPid(server)))

  const upstream = await suiteAt(`${archive.uris[0]!.uri}/dists/${suite}`, server.folder)
  const path = (name: string) => `${component}/${name}`
  const packagesPath = path(`binary-${architecture}/Packages`)
  const componentsPath = path(`dep11/Components-${architecture}.yml`)
  const packages = stanzasOf((await upstream.text(packagesPath))!)
  const documents = documentsOf((await upstream.text(componentsPath)) ?? '')
  const { chosen, declined } = choose(packages, documents)

  // What the gate `installable` takes is measured by real-gates.test.ts.
  // A channel that comes later begins with nothing; some sources are let in, and one is not.
  writeFileSync(
    server.configPath,
    configText(archive, `${kinds}, contents`, `${all}, few: {from: testing, gates: {installable: false}}`),
  )
  await server.restart()
  await server.json('channel', 'seed', 'few', '--empty', '--reason', 'a test')
  await server.json('decline', declined, '--to', 'few')
  const refused = await server.uus('promote', declined, '--to', 'few')
  assert.equal(refused.status, 3, refused.output)
  await server.json('promote', ...chosen, '--to', 'few', '--force', '--reason', 'without what they depend on')
  lap('promoted')
  await update(server)
  lap('Contents made for two channels')
  peaks.push(peakBytes(await jobsPid(server)))

  const few = await suiteAt(`${server.url}/few/real/dists/${suite}`, server.folder)
  const testing = await suiteAt(`${server.url}/testing/real/dists/${suite}`, server.folder)
  const shown = packages.filter((stanza) => chosen.includes(sourceOf(stanza)))
  const names = new Set(shown.map((stanza) => fieldOf(stanza, 'Package')!))
  assert.ok(names.size > chosen.length)
  assert.deepEqual(stanzasOf((await few.text(packagesPath))!).sort(), shown.sort())
  await checkTranslations(upstream, few, path('i18n/Translation-en'), shown)
  assert.deepEqual(
    documentsOf((await few.text(componentsPath)) ?? '').sort(),
    documents.filter((one) => names.has(fieldOf(one, 'Package') ?? 'bash')).sort(),
  )
  const sources = stanzasOf((await upstream.text(path('source/Sources')))!)
  assert.deepEqual(
    stanzasOf((await few.text(path('source/Sources')))!).sort(),
    sources.filter((stanza) => chosen.includes(fieldOf(stanza, 'Package')!)).sort(),
  )
  lap('compared')
  const everyName = new Set(packages.map((stanza) => fieldOf(stanza, 'Package')!))
  const contents = [...testing.release.files.keys()].filter((one) => /(^|\/)Contents-[a-z0-9]+$/.test(one))
  assert.ok(contents.length > 0, 'upstream has Contents')
  for (const one of contents)
    await checkContents(
      upstream,
      one,
      [
        [testing, everyName],
        [few, names],
      ],
      server.folder,
    )
  lap('Contents compared')

  const peak = Math.max(...peaks)
  t.diagnostic(`${packages.length} packages, ${sources.length} sources, ${documents.length} components`)
  t.diagnostic(
    `jobs process: at most ${(peak / 1e6).toFixed(0)} MB; server: ${(peakBytes(server.pid) / 1e6).toFixed(0)} MB`,
  )
  assert.ok(peak <= jobsBudgetBytes, `the jobs process took ${peak} bytes`)
})

/** Sources with several packages, some of them with AppStream metadata; and one of these to decline. */
function choose(
  packages: readonly string[],
  documents: readonly string[],
): { chosen: string[]; declined: string } {
  const bySource = new Map(packages.map((stanza) => [fieldOf(stanza, 'Package')!, sourceOf(stanza)]))
  const described = [...new Set(documents.flatMap((one) => bySource.get(fieldOf(one, 'Package')!) ?? []))]
  const [declined, ...others] = described.slice(0, 4)
  return { chosen: [...new Set(['bash', 'coreutils', 'perl', ...others])], declined: declined ?? 'hello' }
}

async function checkTranslations(
  upstream: Suite,
  channel: Suite,
  path: string,
  shown: readonly string[],
): Promise<void> {
  const key = (stanza: string) => `${fieldOf(stanza, 'Package')} ${fieldOf(stanza, 'Description-md5')}`
  const wanted = new Set(shown.map(key))
  const entries = stanzasOf((await upstream.text(path))!).filter((entry) => wanted.has(key(entry)))
  assert.ok(entries.length > 0)
  assert.deepEqual(stanzasOf((await channel.text(path))!).sort(), entries.sort())
}

// Keeps, of each line's packages, those that are in a file; prints lines that keep any.
const filterContents = `
NR == FNR { isShown[$1]; next }
{
  count = split($NF, all, ","); kept = ""
  for (number = 1; number <= count; number++) {
    name = all[number]; sub(".*/", "", name)
    if (name in isShown) kept = kept (kept == "" ? "" : ",") all[number]
  }
  if (kept != "") print substr($0, 1, length($0) - length($NF)) kept
}`

async function checkContents(
  upstream: Suite,
  path: string,
  channels: readonly (readonly [channel: Suite, names: ReadonlySet<string>])[],
  folder: string,
): Promise<void> {
  const theirs = await upstream.save(path)
  for (const [channel, names] of channels) {
    const list = join(folder, 'names')
    writeFileSync(list, [...names].join('\n').concat('\n'))
    const script = 'zcat "$1" | LC_ALL=C awk "$2" "$3" -'
    const expected = await runForHash('sh', ['-c', script, 'sh', theirs, filterContents, list])
    assert.deepEqual(await runForHash('zcat', [await channel.save(path)]), expected, path)
    const { digest, sizeBytes } = channel.release.files.get(path)!
    assert.deepEqual({ sha256: digest, sizeBytes }, expected, path)
  }
}
