// The structure of .xz files ("The .xz File Format" 1.2.1), walked before a decoder sees the bytes: what it will need,
// what will come out of it, and whether the index tells the truth, which our decoder does not check.
import { crc32 } from 'node:zlib'
import { ByteWalk, skip, take, takeOrEnd, type Walk } from './byte-walk.ts'
import { MalformedError } from './errors.ts'

export const xzMagic = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])
export const xzFooterMagic = Buffer.from('YZ')
export const lzma2FilterId = 0x21
/** Bytes of the check after each block, by its type (§2.1.1.2). */
const checkBytes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]
// apt takes dictionaries of up to 64 MiB in practice; the decoder allocates what the header asks for.
const maxDictionaryBytes = 64 << 20

type Part<T> = Generator<ReturnType<typeof take>, T, Buffer>

/** What the blocks were, or what the index says they were: as much as is needed to compare the two. */
class BlockList {
  #count = 0
  #crc = 0

  add(unpaddedBytes: number, plainBytes: number): void {
    this.#count++
    this.#crc = crc32(`${unpaddedBytes},${plainBytes};`, this.#crc)
  }

  equals(other: BlockList): boolean {
    return this.#count === other.#count && this.#crc === other.#crc
  }
}

export interface XzRules {
  /** dpkg unpacks the first stream of several and takes it for the whole. */
  readonly isSingleStream?: boolean
  readonly hint?: string
}

/** Counts what an .xz file will unpack to, while its bytes come along; `what` names it in errors (MALFORMED). */
export class XzMeter {
  readonly #what: string
  readonly #rules: XzRules
  readonly #walk: ByteWalk
  #plainBytes = 0

  constructor(what: string, rules: XzRules = {}) {
    this.#what = what
    this.#rules = rules
    this.#walk = new ByteWalk(this.#readStreams())
  }

  /** What the bytes seen so far unpack to, at most: a chunk counts as soon as its header was seen. */
  get plainBytes(): number {
    return this.#plainBytes
  }

  push(chunk: Buffer): void {
    this.#walk.push(chunk)
  }

  /** The file is over. */
  end(): void {
    if (!this.#walk.end()) this.#fail('is cut short')
  }

  *#readStreams(): Walk {
    let magic = yield take(6)
    for (;;) {
      if (!magic.equals(xzMagic)) this.#fail('does not begin as an .xz file')
      yield* this.#readStream()
      let padding = yield takeOrEnd(4)
      while (padding.every((byte) => byte === 0)) padding = yield takeOrEnd(4)
      if (this.#rules.isSingleStream) this.#fail('has something after the end of its .xz stream')
      magic = Buffer.concat([padding, yield take(2)])
    }
  }

  *#readStream(): Part<void> {
    const flags = yield take(2)
    yield skip(4)
    const blocks = new BlockList()
    for (let [size] = yield take(1); size !== 0; [size] = yield take(1)) {
      yield* this.#readBlock((size! + 1) * 4, checkBytes[flags[1]! & 0x0f]!, blocks)
    }
    const indexBytes = yield* this.#readIndex(blocks)
    const footer = yield take(12)
    if (footer.readUInt32LE(4) !== indexBytes / 4 - 1 || !footer.subarray(8, 10).equals(flags))
      this.#fail('has a footer that does not fit')
    if (!footer.subarray(10).equals(xzFooterMagic)) this.#fail('does not end as an .xz file')
  }

  *#readBlock(headerBytes: number, check: number, blocks: BlockList): Part<void> {
    this.#checkBlockHeader(yield take(headerBytes - 1))
    const before = this.#plainBytes
    const packedBytes = yield* this.#readChunks()
    yield skip(((4 - (packedBytes % 4)) % 4) + check)
    blocks.add(headerBytes + packedBytes + check, this.#plainBytes - before)
  }

  /** `header` comes without its first byte, the size. */
  #checkBlockHeader(header: Buffer): void {
    const numbers = new Numbers(header.subarray(1), () => this.#fail('has a broken block header'))
    const flags = header[0]!
    if (flags & 0x40) numbers.next()
    if (flags & 0x80) numbers.next()
    if ((flags & 0x3f) !== 0 || numbers.next() !== lzma2FilterId || numbers.next() !== 1)
      this.#fail('uses a filter other than LZMA2')
    const bits = numbers.byte()
    const dictionary = bits > 40 ? Number.POSITIVE_INFINITY : (2 | (bits & 1)) * 2 ** ((bits >> 1) + 11)
    if (dictionary > maxDictionaryBytes) this.#fail('needs a dictionary of more than 64 MiB')
  }

  /**
   * LZMA2 chunks: 0 ends; 1 and 2 are stored; from 0x80 on the size's high bits are in the control byte.
   * The result is the length of all of them.
   */
  *#readChunks(): Part<number> {
    let packedBytes = 1
    for (;;) {
      const control = (yield take(1))[0]!
      if (control === 0) return packedBytes
      if (control > 2 && control < 0x80) this.#fail('has a broken LZMA2 chunk')
      const isStored = control <= 2
      const sizes = yield take(isStored ? 2 : 4)
      const plainBytes = (isStored ? 0 : (control & 0x1f) << 16) + sizes.readUInt16BE() + 1
      const dataBytes = isStored ? plainBytes : sizes.readUInt16BE(2) + 1 + (control >= 0xc0 ? 1 : 0)
      this.#plainBytes += plainBytes
      yield skip(dataBytes)
      packedBytes += 1 + sizes.length + dataBytes
    }
  }

  /** The length of the index, whose first byte was read. */
  *#readIndex(blocks: BlockList): Part<number> {
    const listed = new BlockList()
    const count = yield* this.#number()
    let indexBytes = 1 + count.bytes
    for (let record = 0; record < count.value; record++) {
      const unpadded = yield* this.#number()
      const plain = yield* this.#number()
      listed.add(unpadded.value, plain.value)
      indexBytes += unpadded.bytes + plain.bytes
    }
    if (!listed.equals(blocks)) this.#fail('has an index that does not fit its blocks')
    const rest = ((4 - (indexBytes % 4)) % 4) + 4
    yield skip(rest)
    return indexBytes + rest
  }

  *#number(): Part<{ value: number; bytes: number }> {
    let value = 0
    for (let shift = 0; shift < 9; shift++) {
      const byte = (yield take(1))[0]!
      value += (byte & 0x7f) * 2 ** (7 * shift)
      if (byte < 0x80) return { value, bytes: shift + 1 }
    }
    return this.#fail('has a number that is too long')
  }

  #fail(why: string): never {
    const hint = this.#rules.hint ?? 'Try another mirror, or the .gz form of the index'
    throw new MalformedError(this.#what, why, { hint })
  }
}

/** Numbers of variable length (§1.2) in a header that is there as a whole. */
class Numbers {
  readonly #bytes: Buffer
  readonly #fail: () => never
  #at = 0

  constructor(bytes: Buffer, fail: () => never) {
    this.#bytes = bytes
    this.#fail = fail
  }

  next(): number {
    let value = 0
    for (let shift = 0; shift < 9; shift++) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** (7 * shift)
      if (byte < 0x80) return value
    }
    return this.#fail()
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? this.#fail()
  }
}
