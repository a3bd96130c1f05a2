// The .xz container ("The .xz File Format" 1.2.1): bounded decompression, and one stream made of
// independently compressed blocks. The LZMA2 codec is a native addon: only the jobs process loads it.
import { setTimeout } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { MalformedError, UusError } from './errors.ts'

const magic = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])
const footerMagic = Buffer.from('YZ')
const lzma2FilterId = 0x21
const feedBytes = 64 << 10
// As long as it takes to unpack what is fed at a time; without any output by then it wants more input.
const maxWaits = 10
const nothing = Buffer.alloc(0)
/** Bytes of the check after each block, by its type (§2.1.1.2). */
const checkBytes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]
// apt takes dictionaries of up to 64 MiB in practice; the decoder allocates what the header asks for.
const maxDictionaryBytes = 64 << 20

/**
 * Decompresses an .xz file. Before the decoder sees it, the LZMA2 chunk headers are added up: they state the
 * exact unpacked length, so a bomb is refused (INDEX_BOMB) without unpacking it.
 */
export async function* unxz(file: Buffer, limitBytes: number, what: string): AsyncGenerator<Buffer> {
  const plainBytes = measureXz(file, what)
  if (plainBytes > limitBytes) {
    throw new UusError('INDEX_BOMB', `${what} unpacks to more than the ${limitBytes} bytes that are signed`, {
      hint: 'Nothing was adopted; report it to the archive, or use another mirror',
    })
  }
  const { XzDecompressor } = await import('@napi-rs/lzma')
  const decoder = new XzDecompressor()
  try {
    for (let at = 0; at < file.length; at += feedBytes) {
      let out = decoder.update(file.subarray(at, at + feedBytes))
      // The decoder has a thread of its own: fed faster than it works, it would hold the whole file, unpacked.
      for (let waits = 0; out.length === 0 && waits < maxWaits; waits++) {
        await setTimeout(1)
        out = decoder.update(nothing)
      }
      if (out.length > 0) yield out
    }
    const tail = await decoder.finish()
    if (tail.length > 0) yield tail
  } catch (error) {
    throw new MalformedError(what, 'is not a valid .xz file', { cause: error, hint: 'Try another mirror' })
  }
}

/** The exact number of bytes an .xz file unpacks to, from its headers alone. */
export function measureXz(file: Buffer, what: string): number {
  const reader = new XzReader(file, what)
  let plainBytes = 0
  do plainBytes += reader.readStream()
  while (reader.skipPadding())
  return plainBytes
}

class XzReader {
  readonly #file: Buffer
  readonly #what: string
  #at = 0

  constructor(file: Buffer, what: string) {
    this.#file = file
    this.#what = what
  }

  readStream(): number {
    if (!this.#take(6).equals(magic)) this.#fail('does not begin as an .xz file')
    const flags = this.#take(2)
    this.#take(4)
    const check = checkBytes[flags[1]! & 0x0f]!
    let plainBytes = 0
    for (let header = this.#byte(); header !== 0; header = this.#byte()) {
      plainBytes += this.#readBlock((header + 1) * 4, check)
    }
    this.#readIndex()
    this.#take(12)
    return plainBytes
  }

  /** Stream padding is zeros in multiples of four; true if another stream follows. */
  skipPadding(): boolean {
    while (this.#at < this.#file.length && this.#file[this.#at] === 0) this.#at++
    return this.#at < this.#file.length
  }

  #readBlock(headerBytes: number, check: number): number {
    const start = this.#at - 1
    const flags = this.#byte()
    if ((flags & 0x3f) !== 0) this.#fail('uses a filter other than LZMA2')
    if (flags & 0x40) this.#number()
    if (flags & 0x80) this.#number()
    if (this.#number() !== lzma2FilterId || this.#number() !== 1) this.#fail('uses a filter other than LZMA2')
    const bits = this.#byte()
    const dictionary = bits > 40 ? Number.POSITIVE_INFINITY : (2 | (bits & 1)) * 2 ** ((bits >> 1) + 11)
    if (dictionary > maxDictionaryBytes) this.#fail('needs a dictionary of more than 64 MiB')
    this.#at = start + headerBytes
    const dataStart = this.#at
    const plainBytes = this.#readChunks()
    const unpadded = this.#at - dataStart
    this.#take(((4 - (unpadded % 4)) % 4) + check)
    return plainBytes
  }

  /** LZMA2 chunks: 0 ends; 1 and 2 are stored; from 0x80 on the size's high bits are in the control byte. */
  #readChunks(): number {
    let plainBytes = 0
    for (let control = this.#byte(); control !== 0; control = this.#byte()) {
      if (control >= 0x80) {
        plainBytes += ((control & 0x1f) << 16) + this.#take(2).readUInt16BE() + 1
        const packed = this.#take(2).readUInt16BE() + 1
        this.#take((control >= 0xc0 ? 1 : 0) + packed)
      } else if (control <= 2) {
        const stored = this.#take(2).readUInt16BE() + 1
        plainBytes += stored
        this.#take(stored)
      } else {
        this.#fail('has a broken LZMA2 chunk')
      }
    }
    return plainBytes
  }

  #readIndex(): void {
    const start = this.#at - 1
    const records = this.#number()
    if (records > this.#file.length) this.#fail('has a broken index')
    for (let record = 0; record < records; record++) {
      this.#number()
      this.#number()
    }
    this.#take(((4 - ((this.#at - start) % 4)) % 4) + 4)
  }

  #number(): number {
    let value = 0
    for (let shift = 0; shift < 9; shift++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * 2 ** (7 * shift)
      if (byte < 0x80) return value
    }
    return this.#fail('has a number that is too long')
  }

  #byte(): number {
    return this.#take(1)[0]!
  }

  #take(count: number): Buffer {
    if (this.#at + count > this.#file.length) this.#fail('is cut short')
    this.#at += count
    return this.#file.subarray(this.#at - count, this.#at)
  }

  #fail(why: string): never {
    throw new MalformedError(this.#what, why, { hint: 'Try another mirror, or the .gz form of the index' })
  }
}

const dictionaryBytes = 256 << 10
const dictionaryBits = 12 // 2^(12/2 + 12) = 256 KiB, the size of the largest block
// CRC32 after each block; apt's decoder takes any check, but the same one in every block of a stream.
const checkType = 1

/** The 12 bytes before the first block. */
export const xzHeader = Buffer.concat([magic, withCrc(Buffer.from([0, checkType]))])

const blockHeader = withCrc(Buffer.from([2, 0, lzma2FilterId, 1, dictionaryBits, 0, 0, 0]))

/** One block of an xz stream: its bytes in the file, and what the stream's index says of it. */
export interface XzBlock {
  readonly bytes: Buffer
  /** Header, data and check without the padding (§4.3.1). */
  readonly unpaddedBytes: number
  readonly rawBytes: number
}

/** Compresses one block of at most 256 KiB, on a thread of the codec's own. */
export async function xzBlock(raw: Uint8Array, preset: number): Promise<XzBlock> {
  const { lzma2 } = await import('@napi-rs/lzma')
  const input = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(raw)
      controller.close()
    },
  })
  const packed: Buffer[] = []
  for await (const chunk of lzma2.compressStream(input, { preset, dictSize: dictionaryBytes }))
    packed.push(chunk)
  const data = Buffer.concat(packed)
  const check = Buffer.alloc(4)
  check.writeUInt32LE(crc32(raw))
  const unpaddedBytes = blockHeader.length + data.length + check.length
  const padding = Buffer.alloc((4 - (data.length % 4)) % 4)
  return { bytes: Buffer.concat([blockHeader, data, padding, check]), unpaddedBytes, rawBytes: raw.length }
}

/** What follows the last block: the index of all of them, and the footer. */
export function xzTrailer(blocks: readonly Pick<XzBlock, 'unpaddedBytes' | 'rawBytes'>[]): Buffer {
  const parts: number[] = [0, ...encodeNumber(blocks.length)]
  for (const block of blocks)
    parts.push(...encodeNumber(block.unpaddedBytes), ...encodeNumber(block.rawBytes))
  while (parts.length % 4 !== 0) parts.push(0)
  const index = withCrc(Buffer.from(parts))
  const footer = Buffer.alloc(6)
  footer.writeUInt32LE(index.length / 4 - 1)
  footer[5] = checkType
  const footerCrc = Buffer.alloc(4)
  footerCrc.writeUInt32LE(crc32(footer))
  return Buffer.concat([index, footerCrc, footer, footerMagic])
}

function encodeNumber(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80)
  return [...bytes, rest]
}

function withCrc(bytes: Buffer): Buffer {
  const crc = Buffer.alloc(4)
  crc.writeUInt32LE(crc32(bytes))
  return Buffer.concat([bytes, crc])
}
