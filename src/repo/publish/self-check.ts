// The last look before clients see a new generation: is it whole, is it what is signed, would a client believe it?
import { CommandsReader, ComponentsReader, TranslationReader } from '../../debian/entries.ts'
import { PackagesReader } from '../../debian/packages.ts'
import { parseRelease } from '../../debian/release.ts'
import { SourcesReader } from '../../debian/sources.ts'
import type { IndexReader } from '../../debian/stanza-reader.ts'
import { Hasher, type Sha256 } from '../../lib/digest.ts'
import { UusError } from '../../lib/errors.ts'
import type { Blobs, OpenBlob } from '../../store/blobs.ts'
import type { SigningKey } from '../../store/keys.ts'
import type { Envelope, PublicationFile } from '../../store/publications.ts'
import type { RecordKind } from '../../store/records.ts'
import type { FileBlock, FileRecipe, PackedBlock, Texts } from '../../store/texts.ts'
import type { Gpgv } from '../../trust/gpgv.ts'
import { type Keyring, readKeyring } from '../../trust/keyring.ts'
import { joinPublicKeys } from '../../trust/signing.ts'
import { verifyDetachedRelease, verifyInRelease } from '../../trust/verify.ts'
import { GeneratedFiles } from './assemble.ts'
import type { RawBlock } from './blocks.ts'
import type { PreparedPacks, PreparedText } from './pack.ts'

function failed(what: string, why: string, cause?: unknown): UusError {
  return new UusError('SELF_CHECK_FAILED', `${what} was made, but not published: ${why}`, {
    cause,
    hint: 'What was served is served on. Run "uus fsck", check memory and disk of this host, and report it',
  })
}

/** A signed file as it was made, and what it should say. */
export interface EnvelopeToCheck {
  /** `channel archive/suite`. */
  readonly what: string
  readonly envelope: Envelope
  readonly files: readonly PublicationFile[]
  /** The Date that clients know; null if there is none. */
  readonly lastDate: number | null
  /** The channel's public keys. */
  readonly keys: readonly SigningKey[]
  readonly now: number
}

interface TrustedKeys {
  readonly keyring: Keyring
  readonly binary: Buffer
}

export class SelfCheck {
  readonly #texts: Texts
  readonly #packs: Pick<Blobs, 'open'>
  readonly #gpgv: Gpgv | null
  readonly #trusted = new Map<string, Promise<TrustedKeys>>()

  constructor(texts: Texts, packs: Pick<Blobs, 'open'>, gpgv: Gpgv | null) {
    this.#texts = texts
    this.#packs = packs
    this.#gpgv = gpgv
  }

  /** SELF_CHECK_FAILED unless a client would believe the signed file, and find in it what will be served. */
  async envelope(check: EnvelopeToCheck): Promise<void> {
    const { what, envelope, files, lastDate, now } = check
    const { keyring, binary } = await this.#trust(check.keys)
    try {
      await verifyInRelease(envelope.inRelease, keyring, now, 'its InRelease')
      await verifyDetachedRelease(envelope.release, envelope.releaseGpg, keyring, now, 'its Release')
    } catch (error) {
      throw failed(what, (error as Error).message, error)
    }
    const second = await this.#gpgv?.verify(envelope.inRelease, binary)
    if (second?.outcome === 'bad') throw failed(what, `gpgv refuses its InRelease: ${second.why}`)
    const listed = parseRelease(envelope.release.toString(), what)
    if (lastDate !== null && listed.date <= lastDate) throw failed(what, 'its Date is not newer')
    for (const file of files) {
      const one = listed.files.get(file.path)
      if (one?.digest !== file.sha256 || one.sizeBytes !== file.sizeBytes)
        throw failed(what, `its Release does not list ${file.path} as it is`)
    }
    if (listed.files.size !== files.length) throw failed(what, 'its Release lists files that are not served')
  }

  #trust(keys: readonly SigningKey[]): Promise<TrustedKeys> {
    const name = keys.map((key) => key.fingerprint).join(' ')
    const known = this.#trusted.get(name)
    if (known !== undefined) return known
    const read = async () => ({
      keyring: await readKeyring(
        keys.map((key) => ({ path: key.fingerprint, bytes: Buffer.from(key.publicKey) })),
      ),
      binary: (await joinPublicKeys(keys.map((key) => key.publicKey))).binary,
    })
    const reading = read()
    this.#trusted.set(name, reading)
    return reading
  }

  /** SELF_CHECK_FAILED unless each file, put together from the packs as it will be, is the one that is signed. */
  async files(
    what: string,
    files: readonly PublicationFile[],
    made: readonly PreparedPacks[],
  ): Promise<void> {
    const generated = new GeneratedFiles({ file: (sha256) => this.#recipe(sha256, made) }, this.#packs)
    for (const { path, sha256, sizeBytes } of files) {
      const opened = await generated.open(sha256)
      if (opened === null) throw failed(what, `a part of ${path} is missing`)
      await using blob = opened
      if (blob.sizeBytes !== sizeBytes || (await digestOf(blob)) !== sha256)
        throw failed(what, `${path} is not what was signed`)
    }
  }

  /** As the catalogue will have it. */
  #recipe(sha256: Sha256, made: readonly PreparedPacks[]): FileRecipe | null {
    for (const packs of made) {
      const whole = packs.whole.find((one) => one.pack === sha256)
      if (whole !== undefined) return wholeRecipe(whole)
      for (const text of packs.texts) {
        const file = text.files.find((one) => one.sha256 === sha256)
        if (file !== undefined) return { ...file, ...this.#blocksOf(text, file.encoder, packs) }
      }
    }
    return this.#texts.file(sha256)
  }

  #blocksOf(text: PreparedText, encoder: string, { pack }: PreparedPacks) {
    const addedTo = (block: PreparedText['blocks'][number]) =>
      block.added.find(({ packed }) => packed.encoder === encoder)
    const others = text.blocks.filter((block) => addedTo(block) === undefined)
    const ids = others.map(({ id }) => id).filter((id) => id !== null)
    const known = this.#texts.packedBlocks(ids, encoder)
    const blocks = text.blocks.flatMap((block): FileBlock[] => {
      const added = addedTo(block)
      const packed =
        added === undefined
          ? block.id === null
            ? null
            : (known.get(block.id) ?? null)
          : { ...added.packed, pack: pack! }
      const { sizeBytes: rawBytes, crc32: rawCrc32 } = block
      return packed === null ? [] : [{ ...packed, blockId: block.id ?? 0, rawBytes, rawCrc32 }]
    })
    return { blocks, blockCount: text.blocks.length }
  }
}

/** A file that lies among the packs as it is. */
function wholeRecipe(block: PackedBlock): FileRecipe {
  const { pack: sha256, sizeBytes, encoder, crc32: rawCrc32 } = block
  const blocks = [{ ...block, blockId: 0, rawBytes: sizeBytes, rawCrc32 }]
  return { sha256, sizeBytes, encoder, blocks, blockCount: 1 }
}

const chunkBytes = 256 << 10

async function digestOf(blob: OpenBlob): Promise<Sha256> {
  const hasher = new Hasher()
  const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, blob.sizeBytes))
  for (let at = 0; at < blob.sizeBytes; at += chunkBytes) {
    const chunk = buffer.subarray(0, Math.min(chunkBytes, blob.sizeBytes - at))
    await blob.readInto(chunk, at)
    hasher.update(chunk)
  }
  return hasher.digest()
}

/** SELF_CHECK_FAILED unless a new block reads as strictly as upstream's index did, in its order. */
export function checkBlock(kind: RecordKind, block: RawBlock): void {
  const what = `A block of ${kind} from ${block.firstName || 'its head'} to ${block.lastName || 'its head'}`
  const reader = readerOf(kind, what)
  let last = block.firstName
  try {
    for (const { name } of [...reader.push(block.bytes), ...reader.end()]) {
      if (name < last) throw failed(what, `${name} stands after ${last}`)
      last = name
    }
  } catch (error) {
    throw error instanceof UusError && error.code === 'SELF_CHECK_FAILED'
      ? error
      : failed(what, (error as Error).message, error)
  }
  if (last !== block.lastName) throw failed(what, `it ends with ${last}`)
}

function readerOf(kind: RecordKind, what: string): IndexReader<{ readonly name: string }> {
  switch (kind) {
    case 'packages':
      return new PackagesReader(what)
    case 'sources':
      return new SourcesReader(what)
    case 'translations':
      return new TranslationReader(what)
    case 'commands':
      return new CommandsReader(what)
    case 'components':
      return new ComponentsReader(what)
  }
}
