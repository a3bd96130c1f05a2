// What upstream servers do to us, as sentences. The only place that knows got's and the system's words for it.
import { RequestError, TimeoutError } from 'got'
import { systemCode, UpstreamError, UusError } from '../lib/errors.ts'
import { innerAddressCode } from './addresses.ts'
import { timeoutCode, WireError } from './wire.ts'

type HeaderName =
  | 'accept-ranges'
  | 'content-encoding'
  | 'content-length'
  | 'content-range'
  | 'etag'
  | 'last-modified'
  | 'location'
  | 'retry-after'

/** The parts of an answer that say how it is. */
export interface AnswerHead {
  readonly statusCode: number
  readonly statusMessage?: string | undefined
  readonly headers: { readonly [name in HeaderName]?: string | undefined }
}

export function oddStatus(url: string, head: AnswerHead, now: number): UpstreamError {
  const { statusCode, statusMessage } = head
  return new UpstreamError(
    'UPSTREAM_STATUS',
    url,
    `${redact(url)} answered ${statusCode} ${statusMessage ?? ''}`.trim(),
    {
      status: statusCode,
      retryAfterSeconds: parseRetryAfter(head.headers['retry-after'], now),
      hint:
        statusCode === 404
          ? 'Check "uris", "suites" and "components"'
          : 'Try again later, or name another mirror',
    },
  )
}

const maxRetryAfterSeconds = 3600

/** Seconds, or a date (RFC 9110 10.2.3). */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  const seconds = /^\d{1,9}$/.test(header) ? Number(header) : (Date.parse(header) - now) / 1000
  if (Number.isNaN(seconds)) return undefined
  return Math.min(Math.max(Math.ceil(seconds), 1), maxRetryAfterSeconds)
}

/** The bytes are not what was signed; nothing of them is kept. */
export function wrongBytes(url: string, why: string): UpstreamError {
  return new UpstreamError('UPSTREAM_WRONG_BYTES', url, `${redact(url)} ${why}`, {
    hint: 'The mirror is being updated or is broken; try again in a few minutes, or name another one',
  })
}

export function tooLarge(url: string, limitBytes: number): UpstreamError {
  return new UpstreamError('UPSTREAM_TOO_LARGE', url, `${redact(url)} is longer than ${limitBytes} bytes`, {
    hint: 'Nothing of it was kept; try another mirror',
  })
}

export function tooSlow(url: string, why: string, cause?: unknown): UpstreamError {
  return new UpstreamError('UPSTREAM_TOO_SLOW', url, `${redact(url)} was too slow (${why})`, {
    cause,
    hint: 'Try again later, or name another mirror',
  })
}

export function cutShort(url: string, doneBytes: number, sizeBytes: number): UpstreamError {
  return new UpstreamError(
    'UPSTREAM_UNREACHABLE',
    url,
    `${redact(url)} ended after ${doneBytes} of ${sizeBytes} bytes`,
    { hint: 'Try again later, or name another mirror' },
  )
}

export function badRedirect(url: string, why: string): UpstreamError {
  return new UpstreamError('UPSTREAM_REDIRECT', url, `${redact(url)} ${why}`, {
    hint: 'Name the address that has the files itself under "uris"',
  })
}

const reasons: Record<string, string> = {
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name cannot be looked up now',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'there is no route to the network',
  EPIPE: 'the connection was cut',
  ERR_HTTP_CONTENT_LENGTH_MISMATCH: 'the connection was cut',
}

/** A failure of a request as an UpstreamError; what is none comes back as it is. */
export function translate(url: string, error: unknown): unknown {
  if (error instanceof UusError) return error
  if (error instanceof RequestError && error.cause instanceof UusError) return error.cause
  const name = redact(url)
  if (error instanceof TimeoutError) return tooSlow(url, `no ${error.event} in time`, error)
  const code = systemCode(error) ?? ''
  if (code === timeoutCode) return tooSlow(url, (error as Error).message, error)
  if (code === innerAddressCode) return badRedirect(url, 'sends us to an inner network')
  const isOurs = isOfConnection(error) || code in reasons || code.startsWith('ERR_')
  if (!isOurs) return error
  const isTls = /CERT|ISSUER|LEAF|SSL|TLS/.test(code)
  const why = reasons[code] ?? (isTls ? tlsReason(error as Error) : (error as Error).message)
  return new UpstreamError('UPSTREAM_UNREACHABLE', url, `${name} cannot be reached: ${why}`, {
    cause: error,
    hint: isTls
      ? 'Check "ca" (whom to trust), "client-certificate" and "client-key", and this host\'s clock'
      : 'Check the address and this host\'s network, or set "upstream-proxy"',
  })
}

function isOfConnection(error: unknown): boolean {
  return error instanceof RequestError || error instanceof WireError
}

/** OpenSSL's `40…:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:…` as its reason. */
function tlsReason({ message }: Error): string {
  return /:error:[^:]*:[^:]*:[^:]*:([^:]+):/.exec(message)?.[1] ?? message
}

/** A URL without its user and password, for messages and logs. */
export function redact(url: string): string {
  const parsed = URL.parse(url)
  if (parsed === null || (parsed.username === '' && parsed.password === '')) return url
  parsed.username = ''
  parsed.password = ''
  return parsed.href
}
