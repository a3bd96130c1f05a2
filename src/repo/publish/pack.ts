// Packing the blocks of an index into its compressed files: one gzip member, one xz stream. Blocks that were
// packed before are copied from where they lie.
import { availableParallelism } from 'node:os'
import { Hasher, type Sha256, sha256 } from '../../lib/digest.ts'
import { combineCrc32, crc32, deflateBlock, gzipHeader, gzipTrailer } from '../../lib/gzip.ts'
import { xzBlock, xzHeader, xzTrailer } from '../../lib/xz.ts'
import type { Blobs, BlobWriter } from '../../store/blobs.ts'
import type { Block, Publications } from '../../store/publications.ts'
import type { RawBlock } from './blocks.ts'

export type PackedForm = 'gz' | 'xz'

/** A packed index in the blob store, with the recipe of its blocks. */
export interface PackedFile {
  readonly form: PackedForm
  readonly sha256: Sha256
  readonly sizeBytes: number
  readonly blocks: readonly Block[]
}

export interface PackedIndex {
  /** The unpacked text. */
  readonly plainSha256: Sha256
  readonly plainBytes: number
  readonly files: readonly PackedFile[]
}

interface Measured extends RawBlock {
  readonly rawSha256: Sha256
  readonly crc: number
}

// Blocks in the making at a time: one for each core, and one that waits. More only get in each other's way
// (xz of a full suite on two cores: 4.7 s with three, 5.2 s with six).
const parallel = availableParallelism() + 1

/** Writes each form of the index durably, and tells their digests. */
export async function packIndex(
  blocks: Iterable<RawBlock>,
  forms: readonly PackedForm[],
  files: Blobs,
  known: Pick<Publications, 'findBlock'>,
): Promise<PackedIndex> {
  const plain = new Hasher()
  const packers: Packer[] = []
  try {
    for (const form of forms) packers.push(new Packer(encoders[form], await files.create(), files, known))
    for (const packer of packers) await packer.begin()
    for (const block of blocks) {
      plain.update(block.bytes)
      const measured = { ...block, rawSha256: sha256(block.bytes), crc: crc32(block.bytes) }
      for (const packer of packers) await packer.add(measured)
    }
    const packed: PackedFile[] = []
    for (const packer of packers) packed.push(await packer.end())
    return { plainBytes: plain.sizeBytes, plainSha256: plain.digest(), files: packed }
  } finally {
    for (const packer of packers) await packer.discard()
  }
}

interface Encoded {
  readonly bytes: Buffer
  /** For xz: the block without its padding, as the stream's index wants it. */
  readonly unpaddedBytes: number
}

interface Encoder {
  readonly form: PackedForm
  /** Codec, settings and version: blocks of another one are not mixed in. */
  readonly name: string
  readonly header: Buffer
  encode(raw: Buffer): Promise<Encoded>
  trailer(blocks: readonly Block[]): Buffer
}

const encoders: Record<PackedForm, Encoder> = {
  gz: {
    form: 'gz',
    name: 'gz6-1',
    header: gzipHeader,
    async encode(raw) {
      const bytes = await deflateBlock(raw, 6)
      return { bytes, unpaddedBytes: bytes.length }
    },
    trailer(blocks) {
      const crc = blocks.reduce((sum, block) => combineCrc32(sum, block.crc32, block.rawBytes), 0)
      return gzipTrailer(
        crc,
        blocks.reduce((sum, block) => sum + block.rawBytes, 0),
      )
    },
  },
  xz: {
    form: 'xz',
    name: 'xz5-1',
    header: xzHeader,
    encode: (raw) => xzBlock(raw, 5),
    trailer: xzTrailer,
  },
}

/** Writes one packed file, block after block, compressing a few ahead. */
class Packer {
  readonly #encoder: Encoder
  readonly #writer: BlobWriter
  readonly #files: Blobs
  readonly #known: Pick<Publications, 'findBlock'>
  readonly #waiting: { block: Measured; packed: Promise<Encoded> }[] = []
  readonly #blocks: Block[] = []
  #at = 0

  constructor(encoder: Encoder, writer: BlobWriter, files: Blobs, known: Pick<Publications, 'findBlock'>) {
    this.#encoder = encoder
    this.#writer = writer
    this.#files = files
    this.#known = known
  }

  begin(): Promise<void> {
    return this.#write(this.#encoder.header)
  }

  async add(block: Measured): Promise<void> {
    const packed = this.#pack(block)
    packed.catch(() => {}) // met by whoever awaits it, in order
    this.#waiting.push({ block, packed })
    if (this.#waiting.length >= parallel) await this.#writeNext()
  }

  async end(): Promise<PackedFile> {
    while (this.#waiting.length > 0) await this.#writeNext()
    await this.#write(this.#encoder.trailer(this.#blocks))
    return { form: this.#encoder.form, ...(await this.#writer.commit()), blocks: this.#blocks }
  }

  discard(): Promise<void> {
    return this.#writer.discard()
  }

  async #pack(block: Measured): Promise<Encoded> {
    const known = this.#known.findBlock(block.rawSha256, this.#encoder.name)
    if (known !== null) {
      await using file = await this.#files.open(known.fileSha256)
      if (file !== null) return { ...known, bytes: await file.read(known.start, known.bytes) }
    }
    return this.#encoder.encode(block.bytes)
  }

  async #writeNext(): Promise<void> {
    const { block, packed } = this.#waiting.shift()!
    const { bytes, unpaddedBytes } = await packed
    this.#blocks.push({
      encoder: this.#encoder.name,
      rawSha256: block.rawSha256,
      rawBytes: block.bytes.length,
      crc32: block.crc,
      start: this.#at,
      bytes: bytes.length,
      unpaddedBytes,
      firstName: block.firstName,
    })
    await this.#write(bytes)
  }

  async #write(bytes: Buffer): Promise<void> {
    this.#at += bytes.length
    await this.#writer.write(bytes)
  }
}
