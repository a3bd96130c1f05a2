// Verifies a whole published tree as a suspicious client would, and against the views: the check that runs after
// each act of the fault tests. Throws at the first thing that is wrong.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { indexPath, suiteFolder } from '../../src/debian/index-kinds.ts'
import { PackagesReader } from '../../src/debian/packages.ts'
import { parseRelease } from '../../src/debian/release.ts'
import { SourcesReader } from '../../src/debian/sources.ts'
import { sha256 } from '../../src/lib/digest.ts'
import { RealDisk } from '../../src/lib/disk.ts'
import { unxz } from '../../src/lib/xz.ts'
import type { ChannelOptions } from '../../src/repo/options.ts'
import { GeneratedFiles } from '../../src/repo/publish/assemble.ts'
import {
  type Published,
  type PublishedArchive,
  type PublishedChannel,
  type PublishedFile,
  PublishedLoader,
} from '../../src/repo/published.ts'
import { FileBlobs } from '../../src/store/file-blobs.ts'
import type { Store } from '../../src/store/store.ts'
import { readKeyring } from '../../src/trust/keyring.ts'
import { verifyDetachedRelease, verifyInRelease } from '../../src/trust/verify.ts'

export interface TreeOptions {
  readonly store: Store
  /** The folder of the generated files. */
  readonly publishedFolder: string
  readonly channels: readonly ChannelOptions[]
  readonly now: number
}

/** What a client of each channel sees: `channel/archive/suite` → sorted `name version`. */
export type Seen = Map<string, string[]>

export async function checkTree(options: TreeOptions): Promise<Seen> {
  const { store, channels, now } = options
  const files = new GeneratedFiles(store.texts, new FileBlobs(options.publishedFolder, new RealDisk()))
  const published = new PublishedLoader(store, channels, { now: () => now, sleep: async () => {} }).load()
  const seen: Seen = new Map()
  for (const channel of published.channels.values()) {
    for (const archive of channel.archives.values()) {
      for (const suite of archive.suites) {
        const listed = await checkSuite(channel, archive, suite.name, files, now)
        const names = checkPackages(store, channel, archive, suite.name, listed, published.findPackage)
        seen.set(`${channel.name}/${archive.name}/${suite.name}`, names)
      }
      await checkRetained(archive, files)
    }
  }
  checkAuditChain(store)
  return seen
}

async function bytesOf(file: PublishedFile, files: GeneratedFiles, what: string): Promise<Buffer> {
  if (file.type === 'bytes') return file.bytes
  assert.equal(file.type, 'blob', what)
  await using blob = await files.open(file.sha256)
  assert.ok(blob !== null, `${what} is published, but its file is missing`)
  assert.equal(blob.sizeBytes, file.sizeBytes, what)
  const bytes = await blob.read(0, blob.sizeBytes)
  assert.equal(sha256(bytes), file.sha256, what)
  return bytes
}

/** Signatures, and every listed file in every form; the plain texts by path. */
async function checkSuite(
  channel: PublishedChannel,
  archive: PublishedArchive,
  suite: string,
  files: GeneratedFiles,
  now: number,
): Promise<Map<string, Buffer>> {
  const keyring = await readKeyring(
    channel.keys.map((key) => ({ path: `${channel.name}.asc`, bytes: Buffer.from(key.publicKey) })),
  )
  const folder = suiteFolder(suite)
  const at = (path: string) => archive.files.get(join(folder, path))
  const inRelease = await bytesOf(at('InRelease')!, files, 'InRelease')
  const releaseText = await bytesOf(at('Release')!, files, 'Release')
  const signature = await bytesOf(at('Release.gpg')!, files, 'Release.gpg')
  const verified = await verifyInRelease(inRelease, keyring, now, `InRelease of ${channel.name}/${suite}`)
  await verifyDetachedRelease(releaseText, signature, keyring, now, `Release of ${channel.name}/${suite}`)
  const release = parseRelease(releaseText.toString(), 'Release')
  assert.deepEqual(release, verified.release, 'InRelease and Release say the same')
  assert.ok(release.date <= now, 'the Date is not ahead')
  const plainTexts = new Map<string, Buffer>()
  for (const [path, { digest, sizeBytes }] of release.files) {
    const file = at(path)
    if (file === undefined) {
      assert.match(
        path,
        /(Packages|Sources|Translation-\w+|Commands-\w+|\.yml|\.tar|Contents-\w+)$/,
        `${path} is listed, but not served`,
      )
      continue
    }
    const bytes = await bytesOf(file, files, path)
    assert.deepEqual([sha256(bytes), bytes.length], [digest, sizeBytes], path)
    const plainPath = path.replace(/\.(gz|xz)$/, '')
    const plain = path.endsWith('.xz') ? await collect(unxz(bytes, 1e9, path)) : gunzipSync(bytes)
    const expected = release.files.get(plainPath)!
    assert.deepEqual(
      [sha256(plain), plain.length],
      [expected.digest, expected.sizeBytes],
      `${path}, unpacked`,
    )
    plainTexts.set(plainPath, plain)
    const byHash = join(folder, path, '..', 'by-hash', 'SHA256', digest)
    assert.ok(archive.files.has(byHash), `${path} has its by-hash name`)
  }
  for (const path of archive.files.keys()) {
    const isOfSuite = folder === '' || path.startsWith(`${folder}/`)
    if (!isOfSuite || path.includes('by-hash/') || /Release(\.gpg)?$/.test(path)) continue
    const listed = folder === '' ? path : path.slice(folder.length + 1)
    assert.ok(release.files.has(listed), `${path} is served, but not listed`)
  }
  return plainTexts
}

/** The texts are exactly the views, and every file they name is found under that very channel. */
function checkPackages(
  store: Store,
  channel: PublishedChannel,
  archive: PublishedArchive,
  suite: string,
  plainTexts: ReadonlyMap<string, Buffer>,
  findPackage: Published['findPackage'],
): string[] {
  if (store.followed.find(channel.id) !== null)
    return checkFollowed(channel, archive, plainTexts, findPackage)
  const names: string[] = []
  for (const index of store.archives.indexes()) {
    if (index.archive !== archive.name || index.suite !== suite) continue
    const view = store.views.find(channel.id, index.id)
    if (view === null || view.liveSince === null) continue
    const path = indexPath(index)
    const plain = plainTexts.get(path)
    assert.ok(plain !== undefined, `${path} is published`)
    if (index.kind === 'sources') {
      checkSources(store, channel, archive, view.id, plain, findPackage)
      continue
    }
    const reader = new PackagesReader(path)
    const stanzas = [...reader.push(plain), ...reader.end()].map((one) => ({
      name: one.name,
      version: one.version,
      sha256: one.sha256,
      path: one.path,
      sizeBytes: one.sizeBytes,
    }))
    const expected = store.views.recordIds(view.id).map((id) => store.records.get(id))
    const key = (one: { name: string; version: string; sha256: string }) =>
      `${one.name} ${one.version} ${one.sha256}`
    assert.deepEqual(stanzas.map(key).sort(), expected.map(key).sort(), `${channel.name} ${path}`)
    for (const stanza of stanzas) {
      const found = findPackage(channel, archive, stanza.path)
      assert.deepEqual(found, { sha256: stanza.sha256, sizeBytes: stanza.sizeBytes }, stanza.path)
      names.push(`${stanza.name} ${stanza.version}`)
    }
  }
  return names.sort()
}

/** A slave has no views: every file that its texts name is found under that very channel. */
function checkFollowed(
  channel: PublishedChannel,
  archive: PublishedArchive,
  plainTexts: ReadonlyMap<string, Buffer>,
  findPackage: Published['findPackage'],
): string[] {
  const names: string[] = []
  for (const [path, plain] of plainTexts) {
    if (/(^|\/)Sources$/.test(path)) {
      const reader = new SourcesReader(path)
      for (const { path: file, sha256: digest, sizeBytes } of [
        ...reader.push(plain),
        ...reader.end(),
      ].flatMap((one) => one.files))
        assert.deepEqual(findPackage(channel, archive, file), { sha256: digest, sizeBytes }, file)
    }
    if (!/(^|\/)Packages$/.test(path)) continue
    const reader = new PackagesReader(path)
    for (const stanza of [...reader.push(plain), ...reader.end()]) {
      const found = findPackage(channel, archive, stanza.path)
      assert.deepEqual(found, { sha256: stanza.sha256, sizeBytes: stanza.sizeBytes }, stanza.path)
      names.push(`${stanza.name} ${stanza.version}`)
    }
  }
  return names.sort()
}

/** The text is the view, and every file that it names is found under that very channel. */
function checkSources(
  store: Store,
  channel: PublishedChannel,
  archive: PublishedArchive,
  viewId: number,
  plain: Buffer,
  findPackage: Published['findPackage'],
): void {
  const reader = new SourcesReader('Sources')
  const stanzas = [...reader.push(plain), ...reader.end()]
  const expected = store.views.recordIds(viewId).map((id) => store.records.get(id))
  const key = (one: { name: string; version: string }) => `${one.name} ${one.version}`
  assert.deepEqual(stanzas.map(key).sort(), expected.map(key).sort())
  for (const { path, sha256: digest, sizeBytes } of stanzas.flatMap((one) => one.files))
    assert.deepEqual(findPackage(channel, archive, path), { sha256: digest, sizeBytes }, path)
}

/** Every by-hash name is there, right, and stays so for clients of earlier states. */
async function checkRetained(archive: PublishedArchive, files: GeneratedFiles): Promise<void> {
  for (const [path, file] of archive.files) {
    if (!path.includes('by-hash/SHA256/')) continue
    const bytes = await bytesOf(file, files, path)
    assert.equal(sha256(bytes), path.split('/').at(-1), path)
  }
}

export function checkAuditChain(store: Store): void {
  for (const [index, row] of store.audit.list().entries()) assert.equal(row.sequence, index + 1)
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}
