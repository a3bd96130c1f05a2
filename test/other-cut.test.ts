// Data directories of a version that cut indexes into other blocks: a text that is known keeps its blocks, and everything
// that is signed of it is put together from those.
import assert from 'node:assert/strict'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { FsckResult } from '../src/actions/fsck.ts'
import { sha256 } from '../src/lib/digest.ts'
import { unxz } from '../src/lib/xz.ts'
import { BlockCutter, type RawBlock } from '../src/repo/publish/blocks.ts'
import { recordPacks } from '../src/repo/publish/pack.ts'
import { packages } from './rig/packages.ts'
import type { Rig } from './rig/rig.ts'
import { gated, suite, withRig } from './rig/story.ts'

const names = Array.from({ length: 1500 }, (_, at) => `p${String(at).padStart(4, '0')}`)
const before = packages(...names.map((name) => `${name} 1.0`))
const after = packages(...names.map((name, at) => `${name} ${at % 500 === 7 ? '1.1' : '1.0'}`))

/** What a channel serves, unpacked. */
async function served(rig: Rig, channel: string, form: 'gz' | 'xz' = 'gz'): Promise<Buffer> {
  const { files } = rig.process.context.published().channels.get(channel)!.archives.get('test')!
  const file = files.get(`dists/stable/main/binary-amd64/Packages.${form}`)
  assert.ok(file?.type === 'blob')
  await using blob = (await rig.process.network.generated.open(file.sha256))!
  const bytes = await blob.read(0, blob.sizeBytes)
  assert.equal(sha256(bytes), file.sha256, `${channel} ${form}: what is signed is what is served`)
  if (form === 'gz') return gunzipSync(bytes)
  const parts: Buffer[] = []
  for await (const part of unxz(bytes, 10 << 20, 'Packages.xz')) parts.push(part)
  return Buffer.concat(parts)
}

async function textOf(content: typeof before): Promise<Buffer> {
  let text: Buffer = Buffer.alloc(0)
  await withRig(content, async (rig) => {
    text = await served(rig, 'testing')
  })
  return text
}

/** In blocks of a few kilobytes. */
function cutSmall(text: Buffer): RawBlock[] {
  const sizes = { minBytes: 2000, usualBytes: 4000, maxBytes: 8000, earlyMask: 3, lateMask: 1 }
  const cutter = new BlockCutter('', sizes)
  const entries = text
    .toString()
    .split(/(?<=\n\n)/)
    .map((stanza) => ({ name: /^Package: (.*)$/m.exec(stanza)![1]!, text: Buffer.from(stanza) }))
  return [...entries.map((entry) => cutter.push(entry)), cutter.end()].filter((block) => block !== null)
}

/** Has the catalogue know a text as another version would have published it. */
async function publishCut(rig: Rig, blocks: readonly RawBlock[]): Promise<void> {
  const { committer, store } = rig.process.jobs.repo
  await using session = committer.openSession()
  const pieces = blocks.map((block) => ({ type: 'rendered', block }) as const)
  await session.pack(pieces, ['gz'], () => new Map())
  const packs = await session.finish()
  store.db.write((tx) => recordPacks(tx, store.texts, packs))
}

test('a text that is known by other blocks is published, spliced, repaired and served by those', async () => {
  const texts = [await textOf(before), await textOf(after)] as const
  const [old, next] = texts.map(cutSmall) as [RawBlock[], RawBlock[]]
  assert.ok(old.length > 50)
  const blocksOf = (rig: Rig, text: Buffer) => rig.store.texts.blocks(sha256(text))!.map((one) => one.sha256)
  const digests = (blocks: readonly RawBlock[]) => blocks.map(({ bytes }) => sha256(bytes))
  const story = async (rig: Rig, archive: Parameters<Parameters<typeof withRig>[1]>[1]) => {
    await publishCut(rig, old)
    await publishCut(rig, next)
    await archive.publish('stable', suite(before))
    await rig.mustUpdate()
    assert.ok(texts[0].equals(await served(rig, 'testing')), 'published anew')
    await rig.promote('*')
    await archive.publish('stable', suite(after))
    await rig.mustUpdate()
    assert.ok(texts[1].equals(await served(rig, 'testing')), 'spliced')
    await rig.promote('p0007')
    await rig.promote('p0507', 'p1007')
    for (const form of ['gz', 'xz'] as const)
      assert.ok(texts[1].equals(await served(rig, 'approved', form)), `promoted, ${form}`)
    assert.deepEqual(blocksOf(rig, texts[0]), digests(old))
    assert.deepEqual(blocksOf(rig, texts[1]), digests(next))
    assert.deepEqual((await rig.call<FsckResult>('fsck')).items, [])
    const heads = rig.store.publications.heads()
    for (const path of globSync('*/*', { cwd: join(rig.folder, 'data', 'published') })) {
      if (path.startsWith('tmp')) continue
      const whole = join(rig.folder, 'data', 'published', path)
      const bytes = readFileSync(whole)
      bytes[bytes.length >> 1]! ^= 1
      writeFileSync(whole, bytes)
    }
    const mended = await rig.call<FsckResult>('fsck', { repair: true })
    assert.ok(mended.items.length > 0 && mended.items.every((one) => one.isRepaired), JSON.stringify(mended))
    assert.deepEqual(rig.store.publications.heads(), heads, 'nothing is signed anew')
    assert.ok(texts[1].equals(await served(rig, 'approved', 'xz')))
  }
  await withRig(packages('p0000 0.9'), story, gated('compression: [gz, xz]'))
})
