// Packs: the blobs that blocks lie in. What a commit makes new goes into one pack of its own.
import type { Sha256 } from '../../lib/digest.ts'
import { crc32 } from '../../lib/gzip.ts'
import type { Blobs, BlobWriter, OpenBlob } from '../../store/blobs.ts'
import type { PackedBlock } from '../../store/texts.ts'

/** A packed block of the commit in the making: its pack has no name yet. */
export type NewPackedBlock = Omit<PackedBlock, 'pack'>

export class PackWriter implements AsyncDisposable {
  readonly #blobs: Blobs
  #writer: BlobWriter | null = null
  #at = 0

  constructor(blobs: Blobs) {
    this.#blobs = blobs
  }

  /** Where the bytes begin in the pack. */
  async append(bytes: Uint8Array): Promise<number> {
    this.#writer ??= await this.#blobs.create()
    const start = this.#at
    this.#at += bytes.length
    await this.#writer.write(bytes)
    return start
  }

  /** The pack's name, durable as its store is; null if nothing was appended. */
  async finish(): Promise<Sha256 | null> {
    return this.#writer === null ? null : (await this.#writer.commit()).sha256
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer?.discard()
  }
}

/** Bytes in a pack are not those that were written: the disk lost or changed them. */
export class PackDamaged extends Error {
  override readonly name = 'PackDamaged'
}

const longestRun = 1 << 20

/** Reads packed blocks, those that lie side by side at once, and checks each. */
export class PackReader implements AsyncDisposable {
  readonly #blobs: Blobs
  /** Packs that are open, or are being opened: several forms read at the same time. */
  readonly #open = new Map<Sha256, Promise<OpenBlob | null>>()

  constructor(blobs: Blobs) {
    this.#blobs = blobs
  }

  /** The bytes of consecutive blocks of one pack, in order; PackDamaged. */
  async read(run: readonly PackedBlock[]): Promise<Buffer> {
    const first = run[0]!
    const last = run.at(-1)!
    const bytes = await this.#bytes(first.pack, first.start, last.start + last.sizeBytes - first.start)
    for (const block of run) {
      const at = block.start - first.start
      if (crc32(bytes.subarray(at, at + block.sizeBytes)) !== block.crc32)
        throw new PackDamaged(`${block.pack} at ${block.start}`)
    }
    return bytes
  }

  /** The CRC-32 of a whole pack. */
  async crc32(pack: Sha256, sizeBytes: number): Promise<number> {
    let crc = 0
    for (let at = 0; at < sizeBytes; at += longestRun)
      crc = crc32(await this.#bytes(pack, at, Math.min(longestRun, sizeBytes - at)), crc)
    return crc
  }

  async #bytes(pack: Sha256, start: number, count: number): Promise<Buffer> {
    const opening = this.#open.get(pack) ?? this.#blobs.open(pack)
    this.#open.set(pack, opening)
    const blob = await opening
    if (blob === null || start + count > blob.sizeBytes) throw new PackDamaged(`${pack} is not there`)
    return blob.read(start, count)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opening of this.#open.values()) await (await opening)?.[Symbol.asyncDispose]()
    this.#open.clear()
  }
}

/** Can a block be read together with the ones before it? */
export function continuesRun(run: readonly PackedBlock[], next: PackedBlock): boolean {
  const first = run[0]!
  const last = run.at(-1)!
  const isBeside = last.pack === next.pack && last.start + last.sizeBytes === next.start
  return isBeside && next.start + next.sizeBytes - first.start <= longestRun
}
