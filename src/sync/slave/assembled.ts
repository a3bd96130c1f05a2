// Do the blocks that are here come to the very files that the signed Releases name?
import { Hasher, type Sha256 } from '../../lib/digest.ts'
import { UusError } from '../../lib/errors.ts'
import { containerOf } from '../../repo/publish/encoders.ts'
import { continuesRun, PackDamaged, PackReader } from '../../repo/publish/packs.ts'
import type { Blobs } from '../../store/blobs.ts'
import type { Store } from '../../store/store.ts'
import type { PackedBlock, StoredBlock } from '../../store/texts.ts'
import type { VerifiedContent } from './content.ts'
import { type ServedForm, servedForms } from './lacking.ts'
import { refused } from './trust.ts'

/** Throws where a file cannot be served as it is signed; what is to blame for that is forgotten, and fetched again. */
export async function checkAssembled(content: VerifiedContent, store: Store, packs: Blobs): Promise<void> {
  await using reader = new PackReader(packs)
  const checked = new Set<Sha256>()
  for (const suite of content.suites) {
    for (const [path, served] of servedForms(suite)) {
      if (checked.has(served.file) || isWhole(served.file, store)) continue
      checked.add(served.file)
      await checkFile(path, served, store, reader)
    }
  }
}

/** It was checked when it came. */
function isWhole(file: Sha256, store: Store): boolean {
  const known = store.texts.file(file)
  return known !== null && known.blocks.length === known.blockCount
}

async function checkFile(
  path: string,
  { file, recipe, form }: ServedForm,
  store: Store,
  reader: PackReader,
): Promise<void> {
  const blocks = recipe.blocks.map(({ sha256 }) => store.texts.findBlock(sha256))
  const packed = blocks.map((block) =>
    block === null ? null : store.texts.packedBlock(block.id, form.encoder),
  )
  if (packed.includes(null)) throw new Error(`Internal error: a block of ${path} is not here`)
  const all = packed.map((one) => one!)
  const digest = await hashFile(
    form.encoder,
    blocks.map((block) => block!),
    all,
    reader,
    store,
  )
  if (digest === file) return
  store.db.write((tx) => {
    for (const { sha256 } of recipe.blocks) store.texts.forgetUnused(tx, sha256, form.encoder)
  })
  throw refused(
    `The blocks of ${path} do not come to the file that its Release names`,
    'They are fetched again; if it lasts, run "uus fsck" on the master',
  )
}

async function hashFile(
  encoder: string,
  blocks: readonly StoredBlock[],
  packed: readonly PackedBlock[],
  reader: PackReader,
  store: Store,
): Promise<Sha256> {
  const { head, tail } = containerOf(encoder)
  const hasher = new Hasher().update(head)
  for (const run of runsOf(packed)) {
    try {
      hasher.update(await reader.read(run))
    } catch (error) {
      if (!(error instanceof PackDamaged)) throw error
      throw forgotten(run, blocks, packed, store, error)
    }
  }
  const counted = blocks.map((block, index) => ({
    rawBytes: block.sizeBytes,
    rawCrc32: block.crc32,
    unpaddedBytes: packed[index]!.unpaddedBytes,
  }))
  return hasher.update(tail(counted)).digest()
}

function runsOf(packed: readonly PackedBlock[]): PackedBlock[][] {
  const runs: PackedBlock[][] = []
  for (const block of packed) {
    const last = runs.at(-1)
    if (last !== undefined && continuesRun(last, block)) last.push(block)
    else runs.push([block])
  }
  return runs
}

/** The disk lost them: they are fetched anew. */
function forgotten(
  run: readonly PackedBlock[],
  blocks: readonly StoredBlock[],
  packed: readonly PackedBlock[],
  store: Store,
  cause: PackDamaged,
): UusError {
  store.db.write((tx) => {
    for (const [index, one] of packed.entries())
      if (run.includes(one)) store.texts.forgetPacked(tx, blocks[index]!.id, one.encoder)
  })
  return new UusError('DATA_UNUSABLE', 'A part of what was published before is damaged on this disk', {
    cause,
    hint: 'It is fetched again from the master; look at the disk if it happens often',
  })
}
