// The same against this host's own upstream: real archives, real size, real apt. Skipped where none can be reached.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { ChannelDetails } from '../src/actions/channels.ts'
import type { UpdateResult } from '../src/actions/update.ts'
import { readConfig } from '../src/config/config.ts'
import { PackagesReader } from '../src/debian/packages.ts'
import { RealDisk } from '../src/lib/disk.ts'
import { encodePath } from '../src/lib/url-path.ts'
import { AptRoot } from './rig/apt.ts'
import { needs } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'
import { hostConfig } from './rig/upstream.ts'

const configText = await hostConfig()
const skip = configText === null ? 'no upstream of this host can be reached' : needs('apt-get', 'gpgv').skip

test("this host's archives: adopted, published, and 20 packages downloaded byte for byte", {
  skip,
}, async () => {
  await using server = await TestServer.start({
    configText: configText!.replace(/^data: .*$/m, 'data: data'),
  })
  const { items } = await server.json<UpdateResult>('update')
  assert.ok(
    items.every((item) => item.outcome === 'unchanged' || item.outcome === 'adopted'),
    JSON.stringify(items),
  )
  const approved = await server.json<ChannelDetails>('channel', 'show', 'approved')
  assert.ok(approved.packages > 10_000, `a full suite, not ${approved.packages} packages`)

  const config = readConfig(server.configPath)
  const archive = config.archives[0]!
  const upstream = archive.uris[0]!.uri
  const index = `dists/${archive.suites[0]}/${archive.components[0]}/binary-${archive.architectures[0]}/Packages.gz`
  const ours = gunzipSync(await server.bytes(`/approved/${archive.name}/${index}`))
  await compareWithUpstream(`${upstream}/${index}`, ours)
  await downloadTwenty(server, `/approved/${archive.name}`, upstream, ours)

  using apt = new AptRoot()
  apt.setSources(await server.text('/approved.sources'))
  await apt.update()
  const names = await apt.download('bash', 'git', 'nano')
  assert.ok(names.length >= 3, names.join())
})

/** Every stanza of upstream's index comes out as it went in. */
async function compareWithUpstream(url: string, ours: Buffer): Promise<void> {
  const answer = await fetch(url)
  if (!answer.ok) return // some suites have no .gz; their stanzas are compared by hash at adoption
  const theirs = gunzipSync(Buffer.from(await answer.arrayBuffer()))
  assert.deepEqual(stanzaHashes(ours), stanzaHashes(theirs))
}

function stanzaHashes(index: Buffer): string[] {
  const reader = new PackagesReader('Packages')
  const hash = (text: Uint8Array) => createHash('sha256').update(text).digest('hex')
  return [
    ...reader.push(index).map((one) => hash(one.text)),
    ...reader.end().map((one) => hash(one.text)),
  ].sort()
}

/** Twenty small packages, spread over the index, through us and from upstream. */
async function downloadTwenty(
  server: TestServer,
  base: string,
  upstream: string,
  index: Buffer,
): Promise<void> {
  const reader = new PackagesReader('Packages')
  const small = [...reader.push(index), ...reader.end()]
    .filter((one) => one.sizeBytes < 200_000)
    .map(({ path, sha256 }) => ({ path, sha256 }))
  const step = Math.floor(small.length / 20)
  for (let number = 0; number < 20; number++) {
    const { path, sha256 } = small[number * step]!
    const ours = await server.bytes(encodePath(base, path))
    assert.equal(createHash('sha256').update(ours).digest('hex'), sha256, path)
    const theirs = await fetch(encodePath(upstream, path))
    assert.deepEqual(ours, Buffer.from(await theirs.arrayBuffer()), path)
  }
}

test('every stanza of a full index comes back byte for byte from the catalogue', { skip }, async () => {
  const { Store } = await import('../src/store/store.ts')
  const { packageRecord } = await import('../src/store/records.ts')
  const place = mkdtempSync(join(tmpdir(), 'uus-roundtrip-'))
  try {
    const path = join(place, 'config.yaml')
    writeFileSync(path, configText!)
    const archive = readConfig(path).archives[0]!
    const suite = `${archive.uris[0]!.uri}/dists/${archive.suites[0]}`
    const answer = await fetch(
      `${suite}/${archive.components[0]}/binary-${archive.architectures[0]}/Packages.gz`,
    )
    const index = gunzipSync(Buffer.from(await answer.arrayBuffer()))
    using store = Store.openWriter(join(place, 'catalogue.db'), new RealDisk())
    const reader = new PackagesReader('Packages')
    const stanzas = [...reader.push(index), ...reader.end()]
    const ids = store.db.write((tx) => store.records.put(tx, stanzas.map(packageRecord)))
    const texts = ids.map((id) => store.records.text(id))
    assert.deepEqual(Buffer.concat(texts.flatMap((text) => [text, Buffer.from('\n')])), index)
  } finally {
    rmSync(place, { recursive: true })
  }
})
