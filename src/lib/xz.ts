// The .xz container ("The .xz File Format" 1.2.1): bounded decompression, and one stream made of
// independently compressed blocks. The LZMA2 codec is a native addon: only the jobs process loads it.
import { crc32 } from 'node:zlib'
import { MalformedError, UusError } from './errors.ts'
import { lzma2FilterId, XzMeter, xzFooterMagic, xzMagic } from './xz-walk.ts'

/**
 * Decompresses an .xz file. Before the decoder sees it, the LZMA2 chunk headers are added up: they state the
 * exact unpacked length, so a bomb is refused (INDEX_BOMB) without unpacking it.
 */
export async function* unxz(file: Buffer, limitBytes: number, what: string): AsyncGenerator<Buffer> {
  if (measureXz(file, what) > limitBytes) {
    throw new UusError('INDEX_BOMB', `${what} unpacks to more than the ${limitBytes} bytes that are signed`, {
      hint: 'Nothing was adopted; report it to the archive, or use another mirror',
    })
  }
  yield* unxzStream(slices(file), new XzMeter(what), what, 'Try another mirror')
}

/** The exact number of bytes an .xz file unpacks to, from its headers alone. */
export function measureXz(file: Buffer, what: string): number {
  const meter = new XzMeter(what)
  meter.push(file)
  meter.end()
  return meter.plainBytes
}

async function* slices(file: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < file.length; at += 64 << 10) yield file.subarray(at, at + (64 << 10))
}

/**
 * Decompresses a stream of .xz bytes, in some 2 MiB of buffers besides the dictionary, and only as far as it is read.
 * `meter` sees every chunk before the decoder does, and may refuse it.
 */
export async function* unxzStream(
  source: AsyncIterable<Buffer>,
  meter: Pick<XzMeter, 'push' | 'end'>,
  what: string,
  hint: string,
): AsyncGenerator<Buffer> {
  const { xz } = await import('@napi-rs/lzma')
  let refusal: unknown
  const input = metered(source, meter)
  const packed = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await input.next()
          if (done) controller.close()
          else controller.enqueue(value)
        } catch (error) {
          refusal = error
          controller.error(error)
        }
      },
    },
    { highWaterMark: 0 },
  )
  try {
    // Plain arrays, whatever the codec's types say.
    for await (const { buffer, byteOffset, byteLength } of xz.decompressStream(packed))
      yield Buffer.from(buffer, byteOffset, byteLength)
  } catch (error) {
    throw refusal ?? new MalformedError(what, 'is not a valid .xz file', { cause: error, hint })
  } finally {
    await input.return(undefined)
  }
}

async function* metered(
  source: AsyncIterable<Buffer>,
  meter: Pick<XzMeter, 'push' | 'end'>,
): AsyncGenerator<Buffer, void> {
  for await (const chunk of source) {
    meter.push(chunk)
    yield chunk
  }
  meter.end()
}

const dictionaryBytes = 256 << 10
const dictionaryBits = 12 // 2^(12/2 + 12) = 256 KiB, the size of the largest block
// CRC32 after each block; apt's decoder takes any check, but the same one in every block of a stream.
const checkType = 1

/** The 12 bytes before the first block. */
export const xzHeader = Buffer.concat([xzMagic, withCrc(Buffer.from([0, checkType]))])

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
  return Buffer.concat([index, footerCrc, footer, xzFooterMagic])
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
