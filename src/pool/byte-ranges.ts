// Parts of a file in one answer: `multipart/byteranges` (RFC 9110 14.6), one part alone, or the whole file after all.
import type { AnswerHead } from './upstream-errors.ts'
import { wrongBytes } from './upstream-errors.ts'

export interface ByteRange {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

export interface RangedFile {
  readonly sizeBytes: number
  readonly ranges: readonly ByteRange[]
}

/** What is asked for. */
export function rangeHeader(ranges: readonly ByteRange[]): string {
  return `bytes=${ranges.map(({ start, end }) => `${start}-${end - 1}`).join(',')}`
}

// What stands around each part, and then some.
const frameBytes = 1024

/** How long an answer may be at the most. */
export function answerLimit(statusCode: number, { sizeBytes, ranges }: RangedFile): number {
  const wanted = ranges.reduce((sum, { start, end }) => sum + end - start, 0)
  return statusCode === 200 ? sizeBytes : Math.max(wanted + (ranges.length + 1) * frameBytes, frameBytes)
}

/** The wanted ranges, one after the other; UPSTREAM_WRONG_BYTES where the answer does not hold them. */
export function readRanges(
  url: string,
  { statusCode, headers }: Pick<AnswerHead, 'statusCode'> & { headers: Record<string, string | undefined> },
  body: Buffer,
  file: RangedFile,
): Buffer {
  const pieces = statusCode === 200 ? [wholeFile(url, body, file)] : partsOf(url, headers, body, file)
  return Buffer.concat(
    file.ranges.map(({ start, end }) => {
      const piece = pieces.find((one) => one.start <= start && one.start + one.bytes.length >= end)
      if (piece === undefined) throw wrongBytes(url, `sent other parts than bytes ${start} to ${end - 1}`)
      return piece.bytes.subarray(start - piece.start, end - piece.start)
    }),
  )
}

interface Piece {
  readonly start: number
  readonly bytes: Buffer
}

function wholeFile(url: string, bytes: Buffer, { sizeBytes }: RangedFile): Piece {
  if (bytes.length !== sizeBytes) throw wrongBytes(url, `is ${bytes.length} bytes long, not ${sizeBytes}`)
  return { start: 0, bytes }
}

function partsOf(
  url: string,
  headers: Record<string, string | undefined>,
  body: Buffer,
  file: RangedFile,
): Piece[] {
  const boundary = /^multipart\/byteranges;\s*boundary="?([^";\s]{1,70})"?\s*$/i.exec(
    headers['content-type'] ?? '',
  )?.[1]
  if (boundary === undefined) return [onePart(url, headers['content-range'], body, file)]
  const pieces: Piece[] = []
  const mark = Buffer.from(`--${boundary}`)
  let at = body.indexOf(mark)
  while (at >= 0) {
    const headStart = at + mark.length
    // The last mark is followed by two dashes.
    if (body.toString('latin1', headStart, headStart + 2) === '--') return pieces
    const headEnd = body.indexOf('\r\n\r\n', headStart)
    if (headEnd < 0) break
    const head = body.toString('latin1', headStart, headEnd)
    const range = parseContentRange(/^content-range:[ \t]*(.*)$/im.exec(head)?.[1])
    if (range === null || range.sizeBytes !== file.sizeBytes) break
    const start = headEnd + 4
    const end = start + range.end - range.start
    if (end > body.length) break
    pieces.push({ start: range.start, bytes: body.subarray(start, end) })
    at = body.indexOf(mark, end)
  }
  throw wrongBytes(url, 'sent parts that cannot be told apart')
}

function onePart(url: string, header: string | undefined, bytes: Buffer, { sizeBytes }: RangedFile): Piece {
  const range = parseContentRange(header)
  if (range === null || range.sizeBytes !== sizeBytes || range.end - range.start !== bytes.length)
    throw wrongBytes(url, 'sent another part than it says')
  return { start: range.start, bytes }
}

function parseContentRange(text: string | undefined): (ByteRange & { sizeBytes: number }) | null {
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})\s*$/.exec(text ?? '') ?? []
  if (first === undefined || Number(last) < Number(first)) return null
  return { start: Number(first), end: Number(last) + 1, sizeBytes: Number(total) }
}
