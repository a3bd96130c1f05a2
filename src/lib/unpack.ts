// Unpacking what somebody else packed, whom nothing vouches for: bounded in what comes out, in the memory that the
// decoder takes, and in time; and of one reading only, so that every tool sees the same bytes in it.
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'
import { MalformedError } from './errors.ts'
import { type Compression, throughCodec } from './gzip.ts'
import { formatSize } from './units.ts'
import { unxzStream } from './xz.ts'
import { XzMeter } from './xz-walk.ts'
import { maxWindowLog, ZstdChecker } from './zstd-walk.ts'

export interface UnpackLimits {
  /** What may come out. */
  readonly plainBytes: number
  /** How long it may take, reading included. */
  readonly seconds: number
}

/** How errors (MALFORMED) name the file, and what they tell a person to do. */
export interface Subject {
  readonly what: string
  readonly hint: string
}

const chunkBytes = 256 << 10

/**
 * The unpacked bytes of `source`. xz takes at most 64 MiB for its dictionary, zstd 128 MiB for its window. Whoever
 * stops reading stops the unpacking.
 */
export async function* unpack(
  source: AsyncIterable<Buffer>,
  compression: Compression,
  limits: UnpackLimits,
  subject: Subject,
): AsyncGenerator<Buffer> {
  const endsAt = performance.now() + limits.seconds * 1000
  const guarded = untilDeadline(source, endsAt, limits, subject)
  let plainBytes = 0
  for await (const chunk of unpacked(guarded, compression, limits, subject)) {
    plainBytes += chunk.length
    if (plainBytes > limits.plainBytes) throw tooLarge(limits, subject)
    checkTime(endsAt, limits, subject)
    yield chunk
  }
}

function unpacked(
  source: AsyncIterable<Buffer>,
  compression: Compression,
  limits: UnpackLimits,
  subject: Subject,
): AsyncIterable<Buffer> {
  switch (compression) {
    case 'none':
      return source
    case 'gz':
      return gunzip(source, subject)
    case 'zst':
      return unzstd(source, subject)
    case 'xz':
      return unxzStream(source, new BoundedMeter(limits, subject), subject.what, subject.hint)
  }
}

/** Several members are one text to every reader; what follows the last one is not. */
async function* gunzip(source: AsyncIterable<Buffer>, subject: Subject): AsyncGenerator<Buffer> {
  const codec = createGunzip({ chunkSize: chunkBytes })
  let packedBytes = 0
  yield* throughCodec(
    tap(source, (chunk) => {
      packedBytes += chunk.length
    }),
    codec,
    () => invalid('gz', subject),
  )
  if (codec.bytesWritten !== packedBytes)
    throw new MalformedError(subject.what, 'has something after the end of its gzip data', subject)
}

async function* unzstd(source: AsyncIterable<Buffer>, subject: Subject): AsyncGenerator<Buffer> {
  const codec = createZstdDecompress({
    chunkSize: chunkBytes,
    params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog },
  })
  const checker = new ZstdChecker(subject.what, subject.hint)
  yield* throughCodec(
    tap(
      source,
      (chunk) => checker.push(chunk),
      () => checker.end(),
    ),
    codec,
    () => invalid('zst', subject),
  )
}

function invalid(ending: string, { what, hint }: Subject): { message: string; hint: string } {
  return { message: `${what} is not a valid .${ending} file`, hint }
}

async function* tap(
  source: AsyncIterable<Buffer>,
  see: (chunk: Buffer) => void,
  end: () => void = () => {},
): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    see(chunk)
    yield chunk
  }
  end()
}

/** An .xz file says beforehand how much comes out of it: what is too much never reaches the decoder. */
class BoundedMeter {
  readonly #meter: XzMeter
  readonly #limits: UnpackLimits
  readonly #subject: Subject

  constructor(limits: UnpackLimits, subject: Subject) {
    this.#meter = new XzMeter(subject.what, { isSingleStream: true, hint: subject.hint })
    this.#limits = limits
    this.#subject = subject
  }

  push(chunk: Buffer): void {
    this.#meter.push(chunk)
    if (this.#meter.plainBytes > this.#limits.plainBytes) throw tooLarge(this.#limits, this.#subject)
  }

  end(): void {
    this.#meter.end()
  }
}

/** The clock is looked at on both sides: a decoder may swallow much and give little, and the other way round. */
function untilDeadline(
  source: AsyncIterable<Buffer>,
  endsAt: number,
  limits: UnpackLimits,
  subject: Subject,
): AsyncGenerator<Buffer> {
  return tap(source, () => checkTime(endsAt, limits, subject))
}

function checkTime(endsAt: number, { seconds }: UnpackLimits, subject: Subject): void {
  if (performance.now() < endsAt) return
  throw new MalformedError(subject.what, `takes more than ${seconds} seconds to unpack`, subject)
}

function tooLarge({ plainBytes }: UnpackLimits, subject: Subject): MalformedError {
  return new MalformedError(subject.what, `unpacks to more than ${formatSize(plainBytes)}`, subject)
}
