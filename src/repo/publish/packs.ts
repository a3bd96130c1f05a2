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

const longestRun = 512 << 10

/** Reads packed blocks, those that lie side by side at once, and checks each. One read at a time. */
export class PackReader implements AsyncDisposable {
  readonly #blobs: Blobs
  readonly #open = new Map<Sha256, OpenBlob>()
  /** Read into again and again: memory that nobody touched yet costs more than the bytes that it takes. */
  #buffer = Buffer.alloc(0)

  constructor(blobs: Blobs) {
    this.#blobs = blobs
  }

  /** The bytes of consecutive blocks of one pack, in order, good until the next read; PackDamaged. */
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
    const blob = this.#open.get(pack) ?? (await this.#blobs.open(pack))
    if (blob !== null) this.#open.set(pack, blob)
    if (blob === null || start + count > blob.sizeBytes) throw new PackDamaged(`${pack} is not there`)
    if (count > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(Math.max(count, longestRun))
    const bytes = this.#buffer.subarray(0, count)
    await blob.readInto(bytes, start)
    return bytes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const blob of this.#open.values()) await blob[Symbol.asyncDispose]()
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
