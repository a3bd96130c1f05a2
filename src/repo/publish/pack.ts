// Packing an index: its blocks, kept or new, in each form that is wanted. What was packed before is only read, to
// be hashed; what is new is added to the packs of this publication.
import { availableParallelism } from 'node:os'
import { Hasher, type Sha256, sha256 } from '../../lib/digest.ts'
import { crc32 } from '../../lib/gzip.ts'
import type { Blobs } from '../../store/blobs.ts'
import type { Tx } from '../../store/database.ts'
import type { Block, GeneratedFile, PackedBlock, StoredBlock, Texts } from '../../store/texts.ts'
import type { RawBlock } from './blocks.ts'
import {
  type CountedBlock,
  containerOf,
  type EncodedBlock,
  type Encoder,
  type Encoders,
  type PackedForm,
  packedEncoders,
  plainEncoder,
  textEncoder,
} from './encoders.ts'
import { continuesRun, type NewPackedBlock, PackReader, PackWriter } from './packs.ts'
import type { Piece } from './splice.ts'

export interface PackedFile extends GeneratedFile {
  /** What the file's name ends in. */
  readonly ending: string
}

export interface PackedIndex {
  readonly textSha256: Sha256
  readonly textBytes: number
  readonly files: readonly PackedFile[]
}

/** A block of a text with what this publication adds to the catalogue about it. */
export interface PreparedBlock extends Block {
  /** Null if the catalogue does not have it. */
  readonly id: number | null
  /** Set by the encoders that had to pack it. */
  readonly added: { packed: NewPackedBlock; isText: boolean }[]
}

export interface PreparedText extends PackedIndex {
  readonly blocks: readonly PreparedBlock[]
}

// Blocks in the making at a time: one for each core, and one that waits. More only get in each other's way
// (xz of a full suite on two cores: 4.7 s with three, 5.2 s with six).
const parallel = availableParallelism() + 1

/** One publication's packs, and what is to be recorded of them. */
export class PublishSession implements AsyncDisposable {
  readonly #catalogue: Texts
  readonly #stack = new AsyncDisposableStack()
  /** Packed forms: durable before anything names them. */
  readonly #packs: Packs
  /** Texts as they are: if they are lost, they are rendered again. */
  readonly #texts: Packs
  readonly #prepared: PreparedText[] = []
  /** Whole files, which are packs of one block. */
  readonly #whole: PackedBlock[] = []
  readonly #encoders: Encoders

  constructor(catalogue: Texts, packs: Blobs, texts: Blobs, encoders: Encoders = packedEncoders) {
    this.#catalogue = catalogue
    this.#encoders = encoders
    this.#packs = this.#open(packs)
    this.#texts = this.#open(texts)
  }

  #open(blobs: Blobs): Packs {
    return {
      blobs,
      writer: this.#stack.use(new PackWriter(blobs)),
      reader: this.#stack.use(new PackReader(blobs)),
    }
  }

  /**
   * PackDamaged where a kept block cannot be read any more.
   */
  async pack(
    pieces: Iterable<Piece<StoredBlock>> | AsyncIterable<Piece<StoredBlock>>,
    forms: readonly PackedForm[],
    formsOf: (kept: StoredBlock) => KnownForms,
    { keepsText = true, trustsPacks = true, check = () => {} }: PackOptions = {},
  ): Promise<PackedIndex> {
    const packers = encodersOf(forms, this.#encoders).map((encoder) =>
      encoder === textEncoder
        ? new FormPacker(encoder, this.#texts, keepsText)
        : new FormPacker(encoder, this.#packs),
    )
    const blocks: PreparedBlock[] = []
    for await (const piece of pieces) {
      const raw = piece.type === 'rendered' ? piece.block.bytes : null
      const block = piece.type === 'kept' ? { ...piece.block, added: [] } : this.#measure(piece.block)
      if (piece.type === 'rendered' && block.id === null) check(piece.block)
      blocks.push(block)
      const known =
        piece.type === 'kept'
          ? formsOf(piece.block)
          : trustsPacks
            ? this.#knownForms(block, packers)
            : nothingKnown
      for (const packer of packers) await packer.add(block, raw, known.get(packer.encoder.name) ?? null)
    }
    // One after the other: they write to the same packs.
    const ended: PackedFile[] = []
    for (const packer of packers) ended.push(await packer.end())
    const [text, ...files] = ended
    const prepared = { textSha256: text!.sha256, textBytes: text!.sizeBytes, files, blocks }
    this.#prepared.push(prepared)
    return prepared
  }

  /** Packs a whole text, and trusts nothing that was packed before. */
  packAnew(
    blocks: Iterable<RawBlock>,
    forms: readonly PackedForm[],
    options: Pick<PackOptions, 'check'> = {},
  ): Promise<PackedIndex> {
    return this.pack(asPieces(blocks), forms, () => nothingKnown, { ...options, trustsPacks: false })
  }

  /** A rendered block may have been packed before, by another channel or in an earlier state. */
  #knownForms({ id }: PreparedBlock, packers: readonly FormPacker[]): KnownForms {
    if (id === null) return new Map()
    const known = packers.map(
      ({ encoder: { name } }) => [name, this.#catalogue.packedBlock(id, name)] as const,
    )
    return new Map(known.filter((one): one is [string, PackedBlock] => one[1] !== null))
  }

  async hasPack(sha256: Sha256): Promise<boolean> {
    return (await this.#packs.blobs.sizeOf(sha256)) !== null
  }

  /** A file that lies among the packs as it is. */
  async addWhole({
    sha256,
    sizeBytes,
  }: {
    readonly sha256: Sha256
    readonly sizeBytes: number
  }): Promise<void> {
    if (this.#catalogue.file(sha256) !== null) return
    const crc = await this.#packs.reader.crc32(sha256, sizeBytes)
    this.#whole.push({
      encoder: plainEncoder.name,
      pack: sha256,
      start: 0,
      sizeBytes,
      unpaddedBytes: sizeBytes,
      crc32: crc,
    })
  }

  #measure({ bytes, firstName, lastName }: RawBlock): PreparedBlock {
    const digest = sha256(bytes)
    const id = this.#catalogue.findBlock(digest)?.id ?? null
    return {
      id,
      sha256: digest,
      sizeBytes: bytes.length,
      crc32: crc32(bytes),
      firstName,
      lastName,
      added: [],
    }
  }

  /** Makes the packs durable. `recordPacks` takes what it returns, in the transaction that publishes. */
  async finish(): Promise<PreparedPacks> {
    return {
      pack: await this.#packs.writer.finish(),
      textPack: await this.#texts.writer.finish(),
      texts: this.#prepared,
      whole: this.#whole,
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

function* asPieces(blocks: Iterable<RawBlock>): Generator<Piece<StoredBlock>> {
  for (const block of blocks) yield { type: 'rendered', block }
}

/** What a session made, as the catalogue has to know it. Plain data. */
export interface PreparedPacks {
  readonly pack: Sha256 | null
  readonly textPack: Sha256 | null
  readonly texts: readonly PreparedText[]
  readonly whole: readonly PackedBlock[]
}

export function recordPacks(tx: Tx, catalogue: Texts, prepared: PreparedPacks): void {
  for (const text of prepared.texts) recordText(tx, catalogue, text, prepared)
  for (const whole of prepared.whole) recordWhole(tx, catalogue, whole)
}

function recordText(tx: Tx, catalogue: Texts, text: PreparedText, { pack, textPack }: PreparedPacks): void {
  const blockIds = text.blocks.map((block) => {
    const id = block.id ?? catalogue.ensureBlock(tx, block)
    for (const { packed, isText } of block.added)
      catalogue.putPacked(tx, id, { ...packed, pack: (isText ? textPack : pack)! })
    return id
  })
  catalogue.put(tx, { sha256: text.textSha256, sizeBytes: text.textBytes, blockIds }, text.files)
}

function recordWhole(tx: Tx, catalogue: Texts, whole: PackedBlock): void {
  const { pack: sha256, sizeBytes, crc32: crc, encoder } = whole
  const id = catalogue.ensureBlock(tx, { sha256, sizeBytes, crc32: crc, firstName: '', lastName: '' })
  catalogue.putPacked(tx, id, whole)
  catalogue.put(tx, { sha256, sizeBytes, blockIds: [id] }, [{ sha256, sizeBytes, encoder }])
}

/** Where the packed forms of a block lie, by encoder. */
export type KnownForms = ReadonlyMap<string, PackedBlock>

/** For each of these blocks: its forms, or null where one that is wanted lies nowhere. */
export function usableForms(
  catalogue: Texts,
  blocks: readonly StoredBlock[],
  forms: readonly PackedForm[],
  encoders: Encoders = packedEncoders,
): (block: StoredBlock) => KnownForms | null {
  const ids = blocks.map((block) => block.id)
  const byEncoder = encodersOf(forms, encoders).map(
    ({ name }) => [name, catalogue.packedBlocks(ids, name)] as const,
  )
  return (block) => {
    const known = new Map<string, PackedBlock>()
    for (const [name, lying] of byEncoder) {
      const packed = lying.get(block.id)
      if (packed === undefined) return null
      known.set(name, packed)
    }
    return known
  }
}

export interface PackOptions {
  /** False: the text is hashed, but not kept. */
  readonly keepsText?: boolean
  /** False: what is known to be packed is packed again all the same. */
  readonly trustsPacks?: boolean
  /** Throws for a new block that no client should see. */
  check?(block: RawBlock): void
}

const nothingKnown: KnownForms = new Map()

interface Packs {
  readonly blobs: Blobs
  readonly writer: PackWriter
  readonly reader: PackReader
}

/** The text itself first, then the forms. */
function encodersOf(forms: readonly PackedForm[], encoders: Encoders): Encoder[] {
  return [textEncoder, ...forms.map((form) => encoders[form])]
}

type Step =
  | {
      readonly type: 'encode'
      readonly block: PreparedBlock
      readonly encoded: Promise<EncodedBlock>
      /** Its packed form lies somewhere already. */
      readonly isKnown: boolean
    }
  | { readonly type: 'copy'; readonly blocks: PreparedBlock[]; readonly run: PackedBlock[] }

/** Hashes one form of an index, block after block, compressing a few ahead. */
class FormPacker {
  readonly encoder: Encoder
  readonly #packs: Packs
  readonly #hasher = new Hasher()
  readonly #waiting: Step[] = []
  readonly #counted: CountedBlock[] = []
  readonly #isKept: boolean

  constructor(encoder: Encoder, packs: Packs, isKept = true) {
    this.encoder = encoder
    this.#packs = packs
    this.#isKept = isKept
    this.#hasher.update(containerOf(encoder.name).head)
  }

  /** `raw` is the block's text where it is at hand, `known` where its packed form lies already. */
  async add(block: PreparedBlock, raw: Buffer | null, known: PackedBlock | null): Promise<void> {
    if (known === null || (raw !== null && this.encoder === textEncoder))
      this.#addRaw(block, raw!, known !== null)
    else this.#addKnown(block, known)
    if (this.#waiting.length >= parallel) await this.#next()
  }

  #addRaw(block: PreparedBlock, raw: Buffer, isKnown: boolean): void {
    const encoded = Promise.try(() => this.encoder.encode(raw))
    encoded.catch(() => {}) // met by whoever awaits it, in order
    this.#waiting.push({ type: 'encode', block, encoded, isKnown })
  }

  #addKnown(block: PreparedBlock, known: PackedBlock): void {
    const last = this.#waiting.at(-1)
    if (last?.type === 'copy' && continuesRun(last.run, known)) {
      last.run.push(known)
      last.blocks.push(block)
    } else this.#waiting.push({ type: 'copy', run: [known], blocks: [block] })
  }

  async end(): Promise<PackedFile> {
    while (this.#waiting.length > 0) await this.#next()
    const { name, ending } = this.encoder
    this.#hasher.update(containerOf(name).tail(this.#counted))
    const { sizeBytes } = this.#hasher
    return { sha256: this.#hasher.digest(), sizeBytes, encoder: name, ending }
  }

  async #next(): Promise<void> {
    const step = this.#waiting.shift()!
    if (step.type === 'copy') {
      this.#hasher.update(await this.#packs.reader.read(step.run))
      for (const [index, block] of step.blocks.entries()) this.#count(block, step.run[index]!.unpaddedBytes)
      return
    }
    const { bytes, unpaddedBytes } = await step.encoded
    this.#hasher.update(bytes)
    this.#count(step.block, unpaddedBytes)
    if (step.isKnown || !this.#isKept) return
    const start = await this.#packs.writer.append(bytes)
    const packed = {
      encoder: this.encoder.name,
      start,
      sizeBytes: bytes.length,
      unpaddedBytes,
      crc32: crc32(bytes),
    }
    step.block.added.push({ packed, isText: this.encoder === textEncoder })
  }

  #count(block: PreparedBlock, unpaddedBytes: number): void {
    this.#counted.push({ rawBytes: block.sizeBytes, rawCrc32: block.crc32, unpaddedBytes })
  }
}
