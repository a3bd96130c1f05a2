// Blocks that came from the master: checked one by one, and stored so that they stay whatever becomes of the rest.
import { constants, inflateRawSync } from 'node:zlib'
import { PackagesReader } from '../../debian/packages.ts'
import { SourcesReader } from '../../debian/sources.ts'
import { type Sha256, sha256 } from '../../lib/digest.ts'
import type { UusError } from '../../lib/errors.ts'
import { crc32 } from '../../lib/gzip.ts'
import { unxz } from '../../lib/xz.ts'
import { containerOf } from '../../repo/publish/encoders.ts'
import { type NewPackedBlock, PackWriter } from '../../repo/publish/packs.ts'
import type { Blobs, OpenBlob } from '../../store/blobs.ts'
import type { BlockFile } from '../../store/block-files.ts'
import type { Store } from '../../store/store.ts'
import type { Block } from '../../store/texts.ts'
import type { WantedBlock, WantedPart } from './lacking.ts'
import { refused } from './trust.ts'

export interface BlockStores {
  readonly store: Store
  readonly packs: Blobs
  /** Where fetched bytes lie: those of a part one block after the other. */
  readonly incoming: Blobs
}

interface CheckedBlock {
  readonly block: Block
  readonly packed: NewPackedBlock
  readonly files: readonly BlockFile[]
}

const copyBytes = 1 << 20

/** A part and the blob that was fetched of it. */
export interface FetchedPart {
  readonly part: WantedPart
  readonly fetched: Sha256
}

/** Stores the blocks that are right, durably; SYNC_REFUSED if any were not. */
export async function storeParts(stores: BlockStores, parts: readonly FetchedPart[]): Promise<void> {
  await using writer = new PackWriter(stores.packs)
  const checked: CheckedBlock[] = []
  const failures: UusError[] = []
  for (const { part, fetched } of parts) {
    const opened = await stores.incoming.open(fetched)
    if (opened === null) throw new Error(`Internal error: what was fetched of ${part.path} is gone`)
    await using blob = opened
    if (part.encoder !== 'plain') {
      const wrong = await checkPart(part, blob, writer, checked)
      if (wrong > 0) failures.push(wrongBlocks(part, wrong))
      // Nothing but its digest tells what it is, and that is the name under which it lies there.
    } else if (fetched !== part.blocks[0]!.sha256) failures.push(wrongBlocks(part, 1))
    else await storeWhole(stores, part, blob)
  }
  const pack = await writer.finish()
  if (pack !== null) record(stores.store, pack, checked)
  if (failures.length > 0) throw failures[0]!
}

/** Adds the blocks that are right to the pack; how many were not. */
async function checkPart(
  part: WantedPart,
  blob: OpenBlob,
  writer: PackWriter,
  checked: CheckedBlock[],
): Promise<number> {
  let at = 0
  let wrong = 0
  for (const wanted of part.blocks) {
    const sizeBytes = wanted.end - wanted.start
    const bytes = at + sizeBytes > blob.sizeBytes ? null : await blob.read(at, sizeBytes)
    at += sizeBytes
    const raw = bytes === null ? null : await unpack(bytes, wanted, part)
    if (bytes === null || raw === null) {
      wrong++
      continue
    }
    const start = await writer.append(bytes)
    const { encoder } = part
    const { sha256: digest, unpaddedBytes } = wanted
    checked.push({
      block: { sha256: digest, sizeBytes: raw.length, crc32: crc32(raw), firstName: '', lastName: '' },
      packed: { encoder, start, sizeBytes, unpaddedBytes, crc32: crc32(bytes) },
      files: namedFiles(raw, part),
    })
  }
  return wrong
}

function wrongBlocks({ path, blocks }: WantedPart, wrong: number): UusError {
  return refused(
    `${wrong} of ${blocks.length} blocks of ${path} did not come as the manifest names them`,
    'Something between master and slave changes what passes; they are asked for again',
  )
}

/** What is fetched is not needed for anything that is served until a manifest is taken over that names it. */
function record(store: Store, pack: Sha256, checked: readonly CheckedBlock[]): void {
  store.db.write(
    (tx) => {
      for (const { block, packed, files } of checked) {
        const id = store.texts.ensureBlock(tx, block)
        store.texts.putPacked(tx, id, { ...packed, pack })
        store.blockFiles.put(tx, id, files)
      }
    },
    { preliminary: true },
  )
}

/** The block's text; null if it is another. */
async function unpack(packed: Buffer, wanted: WantedBlock, part: WantedPart): Promise<Buffer | null> {
  try {
    const raw = part.encoder.startsWith('xz')
      ? await unpackXz(packed, wanted, part)
      : inflateRawSync(packed, {
          maxOutputLength: Math.max(1, wanted.sizeBytes),
          finishFlush: constants.Z_SYNC_FLUSH,
        })
    return raw.length === wanted.sizeBytes && sha256(raw) === wanted.sha256 ? raw : null
  } catch {
    return null // not even packed as it should be
  }
}

/** As a stream of its own. */
async function unpackXz(packed: Buffer, wanted: WantedBlock, part: WantedPart): Promise<Buffer> {
  const { head, tail } = containerOf(part.encoder)
  const { sizeBytes: rawBytes, unpaddedBytes } = wanted
  const stream = Buffer.concat([head, packed, tail([{ rawBytes, rawCrc32: 0, unpaddedBytes }])])
  const pieces: Buffer[] = []
  for await (const piece of unxz(stream, rawBytes, part.path)) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** A file that is passed on as it is, however large, is a pack of its own. */
async function storeWhole({ store, packs }: BlockStores, part: WantedPart, blob: OpenBlob): Promise<void> {
  const writer = await packs.create()
  let crc = 0
  try {
    for (let at = 0; at < blob.sizeBytes; at += copyBytes) {
      const bytes = await blob.read(at, Math.min(copyBytes, blob.sizeBytes - at))
      crc = crc32(bytes, crc)
      await writer.write(bytes)
    }
    const { sha256: pack, sizeBytes } = await writer.commit()
    const block = { sha256: pack, sizeBytes, crc32: crc, firstName: '', lastName: '' }
    const packed = { encoder: part.encoder, start: 0, sizeBytes, unpaddedBytes: sizeBytes, crc32: crc }
    record(store, pack, [{ block, packed, files: [] }])
  } finally {
    await writer.discard()
  }
}

function namedFiles(raw: Buffer, { naming, path }: WantedPart): BlockFile[] {
  switch (naming) {
    case 'packages': {
      const reader = new PackagesReader(path)
      return [...reader.push(raw), ...reader.end()].map((stanza) => ({
        path: stanza.path,
        name: `${stanza.name}:${stanza.architecture}`,
        sha256: stanza.sha256,
        sizeBytes: stanza.sizeBytes,
      }))
    }
    case 'sources': {
      const reader = new SourcesReader(path)
      return [...reader.push(raw), ...reader.end()].flatMap(({ name, files }) =>
        files.map((file) => ({ ...file, name: `${name}:source` })),
      )
    }
    case null:
      return []
  }
}
