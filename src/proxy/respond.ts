// Which answer a request for a file gets: conditional requests and ranges (RFC 9110), in the form that apt understands.
// Pure, but for `respondText`.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Prepared } from './prepared.ts'
import type { Conditions } from './simple-get.ts'

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

export type Plan =
  /** The bytes from `start` to before `end`. */
  | {
      readonly status: 200 | 206
      readonly headers: readonly string[]
      readonly start: number
      readonly end: number
    }
  | { readonly status: 304; readonly headers: readonly string[] }
  | { readonly status: 416; readonly headers: readonly string[] }

/**
 * The file, or the part that was asked for, or "not modified". Validators compare by equality: apt sends back the very
 * date it was given, and after a rollback an older one is the right one. Without `mayResume` the whole is sent to who
 * asks for a part: what they have may not be of this file.
 */
export function planAnswer(conditions: Conditions, file: Prepared, mayResume: boolean): Plan {
  const { sizeBytes } = file
  if (isUnmodified(conditions, file)) return { status: 304, headers: file.common }
  const range =
    mayResume && isRangeMeant(conditions, file) ? parseRange(conditions.range, sizeBytes) : 'whole'
  if (range === 'whole') return { status: 200, headers: file.whole, start: 0, end: sizeBytes }
  if (range === 'unsatisfiable') {
    return { status: 416, headers: [...file.validators, 'Content-Range', `bytes */${sizeBytes}`] }
  }
  const { start, end } = range
  const part = [
    'Content-Length',
    String(end - start),
    'Content-Range',
    `bytes ${start}-${end - 1}/${sizeBytes}`,
  ]
  return { status: 206, headers: [...file.common, 'Content-Type', file.contentType, ...part], start, end }
}

function isRangeMeant({ 'if-range': validator }: Conditions, file: Prepared): boolean {
  return validator === undefined || validator === file.lastModified || validator === file.etag
}

function isUnmodified(conditions: Conditions, { etag, lastModified }: Prepared): boolean {
  const ifNoneMatch = conditions['if-none-match']
  if (ifNoneMatch === undefined) return conditions['if-modified-since'] === lastModified
  return etag !== null && ifNoneMatch.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)
}

/**
 * A plain answer; the bytes of its body. Errors always have one: apt takes a 5xx without as final and does not retry.
 */
export function respondText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  headers: readonly string[] = [],
): number {
  const body = Buffer.from(`${text}\n`)
  response.writeHead(status, [
    'Content-Type',
    'text/plain; charset=utf-8',
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
    ...headers,
  ])
  const isHead = request.method === 'HEAD'
  response.end(isHead ? undefined : body)
  return isHead ? 0 : body.length
}
