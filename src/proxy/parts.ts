// Several ranges of a file in one answer: `multipart/byteranges` (RFC 9110 14.6). Slaves fetch the changed blocks of an
// index so; it is read like any other file, with the frames of the parts in between.
import type { Piece } from '../pool/copy.ts'
import type { FileReader } from '../pool/flight-reader.ts'
import type { Section } from './send.ts'

// The head of a request holds some more than that.
const maxRanges = 1000

/** The ranges of a header that asks for several: ascending, apart from one another and inside the file; else null. */
export function severalRanges(header: string | undefined, sizeBytes: number): Section[] | null {
  const [, list] = /^bytes=([\d\-, ]+)$/.exec(header ?? '') ?? []
  const texts = list?.split(',') ?? []
  if (texts.length < 2 || texts.length > maxRanges) return null
  const ranges: Section[] = []
  for (const text of texts) {
    const [, first, last] = /^ *(\d{1,15})-(\d{1,15}) *$/.exec(text) ?? []
    if (first === undefined) return null
    const range = { start: Number(first), end: Number(last) + 1 }
    const isGood = range.start < range.end && range.end <= sizeBytes
    if (!isGood || range.start < (ranges.at(-1)?.end ?? 0)) return null
    ranges.push(range)
  }
  return ranges
}

const boundary = 'uus-3f7a9c51d2e84b60'

type Stretch = { readonly at: number; readonly sizeBytes: number } & (
  | { readonly type: 'frame'; readonly bytes: Buffer }
  | { readonly type: 'range'; readonly start: number }
)

/** The body of such an answer, as if it were a file. */
export class Parts {
  readonly contentType = `multipart/byteranges; boundary=${boundary}`
  readonly sizeBytes: number
  readonly #stretches: readonly Stretch[]

  constructor(ranges: readonly Section[], contentType: string, fileBytes: number) {
    const stretches: Stretch[] = []
    let at = 0
    const addFrame = (text: string) => {
      const bytes = Buffer.from(text)
      stretches.push({ type: 'frame', bytes, at, sizeBytes: bytes.length })
      at += bytes.length
    }
    for (const { start, end } of ranges) {
      const place = `Content-Range: bytes ${start}-${end - 1}/${fileBytes}`
      addFrame(`\r\n--${boundary}\r\nContent-Type: ${contentType}\r\n${place}\r\n\r\n`)
      stretches.push({ type: 'range', start, at, sizeBytes: end - start })
      at += end - start
    }
    addFrame(`\r\n--${boundary}--\r\n`)
    this.#stretches = stretches
    this.sizeBytes = at
  }

  /** Reads the body; `file` reads the file that the ranges are of, and is the caller's to close. */
  reader(file: FileReader): FileReader {
    return {
      read: (at, end, wantedBytes) => this.#read(file, at, end, wantedBytes),
      close: () => file.close(),
    }
  }

  async #read(file: FileReader, at: number, end: number, wantedBytes: number): Promise<Piece> {
    const stretch = this.#stretchAt(at)
    const offset = at - stretch.at
    const count = Math.min(stretch.sizeBytes - offset, end - at)
    if (stretch.type === 'range') {
      const start = stretch.start + offset
      return file.read(start, start + count, wantedBytes)
    }
    const bytes = stretch.bytes.subarray(offset, offset + count)
    return { buffers: [bytes], sizeBytes: bytes.length, release: () => {} }
  }

  #stretchAt(at: number): Stretch {
    let low = 0
    let high = this.#stretches.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.#stretches[middle]!.at <= at) low = middle
      else high = middle
    }
    return this.#stretches[low]!
  }
}

/** Reads what is in memory. */
export function memoryReader(bytes: Buffer): FileReader {
  return {
    async read(at, end) {
      const piece = bytes.subarray(at, end)
      return { buffers: [piece], sizeBytes: piece.length, release: () => {} }
    },
    close: () => {},
  }
}
