// Generated files, put together from where their blocks lie while they are read.

import { Readable } from 'node:stream'
import type { Sha256 } from '../../lib/digest.ts'
import { UusError } from '../../lib/errors.ts'
import type { Blobs, OpenBlob } from '../../store/blobs.ts'
import type { Texts } from '../../store/texts.ts'
import { containerOf } from './encoders.ts'

/** A stretch of a file: bytes at hand, or a range of a pack. */
type Part = { readonly at: number; readonly sizeBytes: number } & (
  | { readonly type: 'bytes'; readonly bytes: Buffer }
  | { readonly type: 'range'; readonly pack: Sha256; readonly start: number }
)

/** Opens generated files as if each lay in one piece. */
export class GeneratedFiles {
  readonly #texts: Pick<Texts, 'file'>
  readonly #packs: Pick<Blobs, 'open'>

  constructor(texts: Pick<Texts, 'file'>, packs: Pick<Blobs, 'open'>) {
    this.#texts = texts
    this.#packs = packs
  }

  /** Null if the catalogue knows no such file. */
  async open(sha256: Sha256): Promise<OpenBlob | null> {
    const parts = this.#parts(sha256)
    return parts === null ? null : new AssembledFile(parts, this.#packs)
  }

  #parts(sha256: Sha256): Part[] | null {
    const file = this.#texts.file(sha256)
    if (file === null) return null
    const parts: Part[] = []
    let at = 0
    const addBytes = (bytes: Buffer) => {
      if (bytes.length > 0) parts.push({ type: 'bytes', bytes, at, sizeBytes: bytes.length })
      at += bytes.length
    }
    const container = containerOf(file.encoder)
    addBytes(container.head)
    for (const { pack, start, sizeBytes } of file.blocks) {
      const last = parts.at(-1)
      if (last?.type === 'range' && last.pack === pack && last.start + last.sizeBytes === start) {
        parts[parts.length - 1] = { ...last, sizeBytes: last.sizeBytes + sizeBytes }
      } else parts.push({ type: 'range', pack, start, at, sizeBytes })
      at += sizeBytes
    }
    addBytes(container.tail(file.blocks))
    // Blocks that lie nowhere any more leave a file too short.
    return at === file.sizeBytes ? parts : null
  }
}

class AssembledFile implements OpenBlob {
  readonly sizeBytes: number
  readonly #parts: readonly Part[]
  readonly #packs: Pick<Blobs, 'open'>
  /** Reads may overlap: each pack is opened once. */
  readonly #open = new Map<Sha256, Promise<OpenBlob | null>>()
  #isStreaming = false

  constructor(parts: readonly Part[], packs: Pick<Blobs, 'open'>) {
    this.#parts = parts
    this.#packs = packs
    const last = parts.at(-1)
    this.sizeBytes = last === undefined ? 0 : last.at + last.sizeBytes
  }

  async read(start: number, count: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(count)
    await this.readInto(buffer, start)
    return buffer
  }

  async readInto(buffer: Buffer, start: number): Promise<void> {
    const end = start + buffer.length
    for (const part of this.#parts) {
      const from = Math.max(start, part.at)
      const to = Math.min(end, part.at + part.sizeBytes)
      if (from >= to) continue
      const into = buffer.subarray(from - start, to - start)
      if (part.type === 'bytes') part.bytes.copy(into, 0, from - part.at, to - part.at)
      else await (await this.#pack(part.pack)).readInto(into, part.start + from - part.at)
    }
  }

  stream(start: number, end: number, chunkBytes = 256 << 10): Readable {
    this.#isStreaming = true
    return Readable.from(this.#streamed(start, end, chunkBytes), { objectMode: false })
  }

  async *#streamed(start: number, end: number, chunkBytes: number): AsyncGenerator<Buffer> {
    try {
      for (let at = start; at < end; at += chunkBytes)
        yield await this.read(at, Math.min(chunkBytes, end - at))
    } finally {
      await this.#close()
    }
  }

  async #pack(pack: Sha256): Promise<OpenBlob> {
    const opening = this.#open.get(pack) ?? this.#packs.open(pack)
    this.#open.set(pack, opening)
    const blob = await opening
    if (blob !== null) return blob
    throw new UusError('DATA_UNUSABLE', `A part of a published file is missing: ${pack}`, {
      hint: 'Make it again: uus fsck --repair',
    })
  }

  async #close(): Promise<void> {
    for (const opening of this.#open.values()) await (await opening)?.[Symbol.asyncDispose]()
    this.#open.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isStreaming) await this.#close()
  }
}
