// gzip as RFC 1952 has it: bounded decompression of what others made, and our own files assembled
// from independently compressed blocks (RFC 1951 §3.2.4: a full flush ends on a byte border).
import type { Transform } from 'node:stream'
import { constants, crc32, createGunzip, createZstdDecompress, deflateRaw } from 'node:zlib'
import { UusError } from './errors.ts'

/** How the bytes of a file are packed, by Debian's file name endings. */
export type Compression = 'none' | 'gz' | 'xz' | 'zst'

// Unpacking goes on in another thread only within one chunk: it is as large as what is parsed at a time.
const chunkBytes = 2 << 20
const readAheadBytes = 4 << 20

/**
 * Decompresses a stream of gz or zst chunks. Ends with INDEX_BOMB as soon as more than `limitBytes` come out.
 * Broken input ends with MALFORMED; `what` names the file in both.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  compression: 'none' | 'gz' | 'zst',
  limitBytes: number,
  what: string,
): AsyncGenerator<Buffer> {
  let outBytes = 0
  for await (const chunk of decompressed(source, compression, what)) {
    outBytes += chunk.length
    if (outBytes > limitBytes) {
      throw new UusError(
        'INDEX_BOMB',
        `${what} unpacks to more than the ${limitBytes} bytes that are signed`,
        {
          hint: 'Nothing was adopted; report it to the archive, or use another mirror',
        },
      )
    }
    yield chunk
  }
}

async function* decompressed(
  source: AsyncIterable<Uint8Array>,
  compression: 'none' | 'gz' | 'zst',
  what: string,
): AsyncGenerator<Buffer> {
  if (compression === 'none') {
    for await (const chunk of source) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    return
  }
  const options = { chunkSize: chunkBytes, readableHighWaterMark: readAheadBytes }
  const codec = compression === 'gz' ? createGunzip(options) : createZstdDecompress(options)
  yield* throughCodec(source, codec, () => {
    return {
      message: `${what} is not a valid .${compression} file`,
      hint: 'Nothing was adopted; try another mirror',
    }
  })
}

/** What a codec makes of the source, read only as far as it is asked for. Broken input ends with MALFORMED. */
export async function* throughCodec(
  source: AsyncIterable<Uint8Array>,
  codec: Transform,
  explain: () => { readonly message: string; readonly hint: string },
): AsyncGenerator<Buffer> {
  const { pipeline } = await import('node:stream/promises')
  const pumping = pipeline(source, codec).catch(() => {}) // the reader below meets the same error
  try {
    for await (const chunk of codec) yield chunk as Buffer
  } catch (error) {
    if (error instanceof UusError) throw error // the source's own
    const { message, hint } = explain()
    throw new UusError('MALFORMED', message, { cause: error, hint })
  } finally {
    codec.destroy()
    await pumping
  }
}

/** One block as a raw deflate segment that ends on a byte border, so that segments can be joined. */
export function deflateBlock(raw: Uint8Array, level: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { level, memLevel: 9, chunkSize: 128 << 10, finishFlush: constants.Z_FULL_FLUSH }
    deflateRaw(raw, options, (error, packed) => {
      if (error) reject(error)
      else resolve(packed)
    })
  })
}

export { crc32 }

// ID1 ID2, deflate, no flags, no time, no extra flags, "unknown" system: the same bytes on every machine.
export const gzipHeader = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])

/** What follows the last segment: an empty final block, then the text's CRC-32 and its length modulo 2^32. */
export function gzipTrailer(crc: number, rawBytes: number): Buffer {
  const trailer = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  trailer.writeUInt32LE(crc >>> 0, 2)
  trailer.writeUInt32LE(rawBytes % 2 ** 32, 6)
  return trailer
}

/**
 * The CRC-32 of A‖B from those of A and B. A CRC is linear over GF(2): appending one zero bit is a fixed
 * matrix, and its powers of two give any number of zero bytes in a few steps.
 */
export function combineCrc32(crcA: number, crcB: number, lengthB: number): number {
  let crc = crcA >>> 0
  let rest = lengthB
  for (let power = 0; rest > 0; power++, rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) crc = apply(zeroBytes(power), crc)
  }
  return (crc ^ crcB) >>> 0
}

const polynomial = 0xedb88320
const operators: Uint32Array[] = []

/** The matrix that appends 2^power zero bytes. */
function zeroBytes(power: number): Uint32Array {
  const known = operators[power]
  if (known !== undefined) return known
  let matrix: Uint32Array
  if (power === 0) {
    const oneBit = new Uint32Array(32)
    oneBit[0] = polynomial
    for (let bit = 1; bit < 32; bit++) oneBit[bit] = 1 << (bit - 1)
    matrix = square(square(square(oneBit)))
  } else {
    matrix = square(zeroBytes(power - 1))
  }
  operators[power] = matrix
  return matrix
}

function square(matrix: Uint32Array): Uint32Array {
  return matrix.map((column) => apply(matrix, column))
}

function apply(matrix: Uint32Array, vector: number): number {
  let sum = 0
  for (let bit = 0, rest = vector >>> 0; rest !== 0; bit++, rest >>>= 1) {
    if (rest & 1) sum ^= matrix[bit]!
  }
  return sum >>> 0
}
