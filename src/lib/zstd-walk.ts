// The structure of .zst files (RFC 8878 §3), walked before a decoder sees the bytes: how much memory it will need, and
// that there is one frame and nothing else, because dpkg unpacks only the first.
import { ByteWalk, skip, take, takeOrEnd, type Walk } from './byte-walk.ts'
import { MalformedError } from './errors.ts'

const magic = 0xfd2fb528
// What libzstd, and so dpkg and apt, unpack without being told to take more.
export const maxWindowLog = 27
const maxBlockBytes = 128 << 10
/** Bytes of the fields that the frame header's first byte describes (§3.1.1.1.1). */
const contentSizeBytes = [0, 2, 4, 8]
const dictionaryIdBytes = [0, 1, 2, 4]

type Part<T> = Generator<ReturnType<typeof take>, T, Buffer>

/** `what` names the file in errors (MALFORMED). */
export class ZstdChecker {
  readonly #what: string
  readonly #hint: string
  readonly #walk: ByteWalk

  constructor(what: string, hint: string) {
    this.#what = what
    this.#hint = hint
    this.#walk = new ByteWalk(this.#read())
  }

  push(chunk: Buffer): void {
    this.#walk.push(chunk)
  }

  /** The file is over. */
  end(): void {
    if (!this.#walk.end()) this.#fail('is cut short')
  }

  *#read(): Walk {
    if ((yield take(4)).readUInt32LE() !== magic) this.#fail('does not begin as a .zst file')
    const hasChecksum = yield* this.#readFrameHeader()
    while (!(yield* this.#readBlock()));
    if (hasChecksum) yield skip(4)
    yield takeOrEnd(1)
    return this.#fail('has something after the end of its zstd frame')
  }

  /** Does a checksum follow the blocks? */
  *#readFrameHeader(): Part<boolean> {
    const flags = (yield take(1))[0]!
    if (flags & 0x08) this.#fail('has a zstd frame header of an unknown kind')
    const isSingleSegment = (flags & 0x20) !== 0
    const window = isSingleSegment ? 0 : windowBytes((yield take(1))[0]!)
    const dictionaryId = yield take(dictionaryIdBytes[flags & 3]!)
    if (dictionaryId.some((byte) => byte !== 0)) this.#fail('needs a zstd dictionary')
    const sizeBytes = contentSizeBytes[flags >> 6]! || (isSingleSegment ? 1 : 0)
    const size = contentSize(yield take(sizeBytes))
    // Without a window descriptor the whole content is the window.
    if ((isSingleSegment ? size : window) > 2 ** maxWindowLog)
      this.#fail('needs a zstd window of more than 128 MiB')
    return (flags & 0x04) !== 0
  }

  /** Was it the last block? */
  *#readBlock(): Part<boolean> {
    const header = (yield take(3)).readUIntLE(0, 3)
    const type = (header >> 1) & 3
    const size = header >> 3
    if (type === 3 || size > maxBlockBytes) this.#fail('has a broken zstd block')
    yield skip(type === 1 ? 1 : size)
    return (header & 1) !== 0
  }

  #fail(why: string): never {
    throw new MalformedError(this.#what, why, { hint: this.#hint })
  }
}

function windowBytes(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}

function contentSize(field: Buffer): number {
  switch (field.length) {
    case 0:
      return 0
    case 1:
      return field[0]!
    case 2:
      return field.readUInt16LE() + 256
    case 4:
      return field.readUInt32LE()
    default:
      return Number(field.readBigUInt64LE())
  }
}
