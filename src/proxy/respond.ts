// Answering with a file: conditional requests, ranges, HEAD (RFC 9110), in the form that apt understands.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { formatHttpDate } from '../debian/date.ts'

/** A file to answer with. */
export interface Content {
  readonly sizeBytes: number
  readonly lastModified: number
  /** With its quotes; null for what has none. */
  readonly etag: string | null
  readonly cacheControl: string
  readonly contentType: string
  /** The bytes from `start` to before `end`. Called once at most. */
  stream(start: number, end: number): Readable | Buffer
}

export type Range = { readonly start: number; readonly end: number } | 'whole' | 'unsatisfiable'

/** What a Range header asks for, of a file of `sizeBytes`. Several ranges, and what is no range, get the whole. */
export function parseRange(header: string | undefined, sizeBytes: number): Range {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '')
  if (match === null) return 'whole'
  const [, first, last] = match as unknown as [string, string, string]
  if (first === '' && last === '') return 'whole'
  if (first === '') {
    const count = Number(last)
    return count === 0 || sizeBytes === 0
      ? 'unsatisfiable'
      : { start: Math.max(0, sizeBytes - count), end: sizeBytes }
  }
  const start = Number(first)
  const end = last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes)
  if (last !== '' && Number(last) < start) return 'whole'
  return start >= sizeBytes ? 'unsatisfiable' : { start, end }
}

/**
 * Sends the file, or the part that was asked for, or "not modified". Validators compare by equality: apt sends back
 * the very date it was given, and after a rollback an older one is the right one.
 */
export async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  content: Content,
): Promise<void> {
  const { headers } = request
  const lastModified = formatHttpDate(content.lastModified)
  response.setHeader('Last-Modified', lastModified)
  response.setHeader('Accept-Ranges', 'bytes')
  response.setHeader('Cache-Control', content.cacheControl)
  if (content.etag !== null) response.setHeader('ETag', content.etag)
  if (isUnmodified(headers['if-none-match'], headers['if-modified-since'], content.etag, lastModified)) {
    response.writeHead(304).end()
    return
  }
  const validator = headers['if-range']
  const isRangeGood = validator === undefined || validator === lastModified || validator === content.etag
  const range = isRangeGood ? parseRange(headers.range, content.sizeBytes) : 'whole'
  if (range === 'unsatisfiable') {
    response.setHeader('Content-Range', `bytes */${content.sizeBytes}`)
    respondText(request, response, 416, `The file has only ${content.sizeBytes} bytes`)
    return
  }
  const { start, end } = range === 'whole' ? { start: 0, end: content.sizeBytes } : range
  response.setHeader('Content-Type', content.contentType)
  response.setHeader('Content-Length', end - start)
  if (range !== 'whole') response.setHeader('Content-Range', `bytes ${start}-${end - 1}/${content.sizeBytes}`)
  response.writeHead(range === 'whole' ? 200 : 206)
  if (request.method === 'HEAD') response.end()
  else await send(response, content.stream(start, end))
}

function isUnmodified(
  ifNoneMatch: string | undefined,
  ifModifiedSince: string | undefined,
  etag: string | null,
  lastModified: string,
): boolean {
  if (ifNoneMatch !== undefined) {
    return etag !== null && ifNoneMatch.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)
  }
  return ifModifiedSince === lastModified
}

async function send(response: ServerResponse, body: Readable | Buffer): Promise<void> {
  if (Buffer.isBuffer(body)) {
    response.end(body)
    return
  }
  try {
    await pipeline(body, response)
  } catch (error) {
    // The head is out: only a cut connection tells the client that the body is not whole.
    response.destroy()
    if (!isClientGone(error)) throw error
  }
}

function isClientGone(error: unknown): boolean {
  return (
    (error as { code?: string }).code === 'ERR_STREAM_PREMATURE_CLOSE' ||
    (error as { code?: string }).code === 'ECONNRESET'
  )
}

/** A plain answer. Errors always have a body: apt takes a 5xx without one as final and does not retry. */
export function respondText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  const body = Buffer.from(`${text}\n`)
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    ...headers,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
