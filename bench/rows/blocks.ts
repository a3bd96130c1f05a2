// How large blocks are and how they are packed: what each choice costs when an index is published first, when ten of
// its packages change, and for whoever fetches the change.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { lzma2, xz } from '@napi-rs/lzma'
import type { Sha256 } from '../../src/lib/digest.ts'
import { RealDisk } from '../../src/lib/disk.ts'
import { deflateBlock } from '../../src/lib/gzip.ts'
import { type BlockSizes, blockSizes } from '../../src/repo/publish/blocks.ts'
import { type Encoder, type PackedForm, packedEncoders } from '../../src/repo/publish/encoders.ts'
import { PublishSession, recordPacks, usableForms } from '../../src/repo/publish/pack.ts'
import { spliceBlocks } from '../../src/repo/publish/splice.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import { FileBlobs } from '../../src/store/file-blobs.ts'
import { Store } from '../../src/store/store.ts'
import { seeded } from '../../test/rig/seeded.ts'
import { type Order, OrderedIndex, type Stanza, stanzasOf } from '../ordered-index.ts'
import type { Table } from '../report.ts'
import { hostIndex } from '../upstream.ts'

const changes = 5
const packagesAtATime = 10
/** At which a block is likely to end. */
const usualKibibytes = [12, 24, 48, 96, 192, 384, 768]

interface Choice {
  readonly what: string
  readonly form: PackedForm
  readonly encoder: Encoder
  readonly sizes: BlockSizes
  readonly order: Order
}

export async function blocksRow(folder: string, index: string | undefined): Promise<Table | null> {
  const text = index === undefined ? await hostIndex() : await readIndex(index)
  if (text === null) return null
  const stanzas = [...stanzasOf(text)]
  const rows: string[][] = []
  for (const choice of choicesOf()) {
    const row = [choice.what, ...(await measure(choice, stanzas, folder))]
    // All of them take minutes.
    process.stderr.write(`${row.join('  ')}\n`)
    rows.push(row)
  }
  for (const [what, packed] of wholeFiles(text)) rows.push([what, '1', megabytes(packed), '', '', '', ''])
  return {
    title: `Blocks and codecs: ${stanzas.length} packages, ${megabytes(text.length)} MB`,
    budget: `a change is ${packagesAtATime} packages somewhere, or all binaries of ${packagesAtATime} sources; medians of ${changes}`,
    heads: ['what', 'blocks', 'MB', 'cold CPU s', 'change CPU s', 'change kB', 'sources kB'],
    rows,
  }
}

async function readIndex(from: string): Promise<Buffer> {
  const bytes = from.includes('://')
    ? Buffer.from(await (await fetch(from)).arrayBuffer())
    : readFileSync(from)
  if (from.endsWith('.gz')) return gunzipSync(bytes)
  return from.endsWith('.xz') ? xz.decompress(bytes) : bytes
}

function* choicesOf(): Generator<Choice> {
  const order = 'name'
  const { gz, xz: ourXz } = packedEncoders
  for (const size of usualKibibytes)
    yield { what: `gz 6, ${size} KiB`, form: 'gz', encoder: gz, sizes: sizesOf(size), order }
  for (const level of [1, 4, 9])
    yield { what: `gz ${level}, 96 KiB`, form: 'gz', encoder: gzOf(level), sizes: blockSizes, order }
  for (const size of usualKibibytes) {
    const sizes = sizesOf(size)
    yield { what: `xz 5, ${size} KiB`, form: 'xz', encoder: xzOf(5, sizes), sizes, order }
  }
  for (const preset of [1, 4, 6, 9])
    yield {
      what: `xz ${preset}, 96 KiB`,
      form: 'xz',
      encoder: xzOf(preset, blockSizes),
      sizes: blockSizes,
      order,
    }
  for (const other of ['source', 'section', 'chance'] as const) {
    yield { what: `gz 6, by ${other}`, form: 'gz', encoder: gz, sizes: blockSizes, order: other }
    yield { what: `xz 5, by ${other}`, form: 'xz', encoder: ourXz, sizes: blockSizes, order: other }
  }
}

/** In the proportions of those we use. */
function sizesOf(kibibytes: number): BlockSizes {
  const scale = (kibibytes << 10) / blockSizes.usualBytes
  return {
    minBytes: blockSizes.minBytes * scale,
    usualBytes: blockSizes.usualBytes * scale,
    maxBytes: blockSizes.maxBytes * scale,
    earlyMask: (blockSizes.earlyMask + 1) * scale - 1,
    lateMask: (blockSizes.lateMask + 1) * scale - 1,
  }
}

function gzOf(level: number): Encoder {
  return {
    ...packedEncoders.gz,
    name: `gz${level}-bench`,
    async encode(raw) {
      const bytes = await deflateBlock(raw, level)
      return { bytes, unpaddedBytes: bytes.length }
    },
  }
}

/** With a dictionary for the largest block, which ours has for ours. */
function xzOf(preset: number, { maxBytes }: BlockSizes): Encoder {
  const dictSize = Math.max(blockSizes.maxBytes, maxBytes)
  return {
    ...packedEncoders.xz,
    name: `xz${preset}-bench`,
    async encode(raw) {
      const parts: Buffer[] = []
      for await (const part of lzma2.compressStream(streamOf(raw), { preset, dictSize })) parts.push(part)
      const bytes = Buffer.concat(parts)
      return { bytes, unpaddedBytes: bytes.length }
    },
  }
}

function streamOf(raw: Buffer): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(raw)
      controller.close()
    },
  })
}

interface Published {
  readonly sha256: Sha256
  readonly fileBytes: number
  readonly blocks: number
  readonly addedBytes: number
  readonly cpuSeconds: number
}

async function measure(choice: Choice, stanzas: readonly Stanza[], folder: string): Promise<string[]> {
  const path = join(folder, 'blocks')
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  using store = Store.openWriter(join(path, 'catalogue.db'), new RealDisk())
  const places = [
    new FileBlobs(join(path, 'packs'), new RealDisk()),
    new FileBlobs(join(path, 'texts'), new RealDisk()),
  ]
  for (const blobs of places) await blobs.prepare()
  const index = new OrderedIndex(stanzas, choice.order)
  const cold = await publish(choice, store, places, index, null, [])
  let present = cold
  const take = async (chosen: (stanza: Stanza) => boolean) => {
    present = await publish(choice, store, places, index, present.sha256, index.change(chosen))
    return present
  }
  const random = seeded(1)
  const draw = () => stanzas[random(stanzas.length)]!
  const spread: Published[] = []
  const bySource: Published[] = []
  for (let change = 0; change < changes; change++) {
    const chosen = Array.from({ length: packagesAtATime }, draw)
    spread.push(await take(({ name }) => chosen.some((one) => one.name === name)))
    bySource.push(await take(({ source }) => chosen.some((one) => one.source === source)))
  }
  return [
    String(cold.blocks),
    megabytes(cold.fileBytes),
    cold.cpuSeconds.toFixed(2),
    medianOf(spread.map((one) => one.cpuSeconds)).toFixed(3),
    (medianOf(spread.map((one) => one.addedBytes)) / 1000).toFixed(0),
    (medianOf(bySource.map((one) => one.addedBytes)) / 1000).toFixed(0),
  ]
}

/** As a commit does it, but for signing. */
async function publish(
  { form, encoder, sizes }: Choice,
  store: Store,
  [packs, texts]: readonly Blobs[],
  index: OrderedIndex,
  present: Sha256 | null,
  touched: readonly string[],
): Promise<Published> {
  const began = process.cpuUsage()
  const encoders = { ...packedEncoders, [form]: encoder }
  await using session = new PublishSession(store.texts, packs!, texts!, encoders)
  const blocks = present === null ? [] : store.texts.blocksOf(present)
  const known = usableForms(store.texts, blocks, [form], encoders)
  const entries = (from: string | null, to: string | null) => index.entries(from, to)
  const pieces = spliceBlocks(blocks, touched, entries, '\n', (block) => known(block) !== null, sizes)
  const packed = await session.pack(pieces, [form], (block) => known(block)!)
  const prepared = await session.finish()
  store.db.write((tx) => recordPacks(tx, store.texts, prepared))
  const { user, system } = process.cpuUsage(began)
  const added = prepared.texts[0]!.blocks.flatMap((block) => block.added).filter((one) => !one.isText)
  return {
    sha256: packed.files[0]!.sha256,
    fileBytes: packed.files[0]!.sizeBytes,
    blocks: prepared.texts[0]!.blocks.length,
    addedBytes: added.reduce((sum, one) => sum + one.packed.sizeBytes, 0),
    cpuSeconds: (user + system) / 1e6,
  }
}

/** What no splice can copy from, for comparison. */
function* wholeFiles(text: Buffer): Generator<[string, number]> {
  yield ['gz 6, no blocks', gzipSync(text, { level: 6 }).length]
  yield ['xz 6, no blocks', xz.compressSync(text).length]
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(2)
}
