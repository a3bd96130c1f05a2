// The one base of all errors that a person may meet, and what each code means at the edges (HTTP, CLI).
// Expected outcomes (refused by a gate, nothing to do) are values, not errors.

/** What the edges need to know of a code: HTTP status, exit code of DESIGN's table, worth a retry by the caller. */
export interface ErrorDescriptor {
  readonly httpStatus: number
  readonly exitCode: 1 | 2 | 3
  readonly isRetryable: boolean
}

const failed = { httpStatus: 500, exitCode: 1, isRetryable: false } as const
const unknownName = { httpStatus: 404, exitCode: 1, isRetryable: false } as const
const usage = { httpStatus: 400, exitCode: 2, isRetryable: false } as const
const asks = { httpStatus: 409, exitCode: 3, isRetryable: false } as const
const elsewhere = { httpStatus: 502, exitCode: 1, isRetryable: true } as const
const busy = { httpStatus: 503, exitCode: 1, isRetryable: true } as const

const descriptors = {
  // Input and configuration.
  CONFIG_INVALID: usage,
  USAGE: usage,
  RELEASE_AMBIGUOUS: usage,
  NO_ADVISORY_DATA: usage,
  UNKNOWN_NAME: unknownName,
  MALFORMED: failed,
  // People, and what they may.
  UNAUTHENTICATED: { httpStatus: 401, exitCode: 1, isRetryable: false },
  FORBIDDEN: { httpStatus: 403, exitCode: 1, isRetryable: false },
  TOO_MANY_REQUESTS: { httpStatus: 429, exitCode: 1, isRetryable: true },
  REQUEST_TOO_LARGE: { httpStatus: 413, exitCode: 2, isRetryable: false },
  // Upstream and the trust in it.
  UPSTREAM_UNREACHABLE: elsewhere,
  UPSTREAM_STATUS: elsewhere,
  UPSTREAM_WRONG_BYTES: elsewhere,
  UPSTREAM_TOO_LARGE: elsewhere,
  UPSTREAM_TOO_SLOW: elsewhere,
  UPSTREAM_RESTING: busy,
  UPSTREAM_REDIRECT: elsewhere,
  SIGNATURE_MISSING: failed,
  SIGNATURE_INVALID: failed,
  SIGNATURE_KEY_UNKNOWN: failed,
  SIGNATURE_WEAK: failed,
  KEYRING_UNREADABLE: failed,
  RELEASE_NOT_YET_VALID: failed,
  RELEASE_EXPIRED: failed,
  RELEASE_OLDER: failed,
  RELEASE_OTHER_SUITE: asks,
  RELEASE_INFO_CHANGED: asks,
  RELEASE_INCOMPLETE: asks,
  INDEX_BOMB: failed,
  // What people upload.
  PACKAGE_REFUSED: { httpStatus: 400, exitCode: 1, isRetryable: false },
  VERSION_TAKEN: { httpStatus: 409, exitCode: 1, isRetryable: false },
  CHANGES_REFUSED: { httpStatus: 400, exitCode: 1, isRetryable: false },
  CHANGES_REPLAYED: { httpStatus: 409, exitCode: 1, isRetryable: false },
  UPLOADER_UNKNOWN: { httpStatus: 403, exitCode: 1, isRetryable: false },
  UPLOAD_TOO_LARGE: { httpStatus: 413, exitCode: 1, isRetryable: false },
  UPLOADS_FULL: { httpStatus: 507, exitCode: 1, isRetryable: true },
  // Channels.
  GATE_REFUSED: asks,
  GUARD_REFUSED: asks,
  // Tiers.
  /** What only a master does. */
  ON_SLAVE: asks,
  /** A slave does not believe what came on the way from its master. */
  SYNC_REFUSED: failed,
  /** Slaves follow one another in a circle. */
  SYNC_LOOP: { httpStatus: 508, exitCode: 1, isRetryable: false },
  TOKEN_REFUSED: { httpStatus: 401, exitCode: 1, isRetryable: false },
  TLS_REQUIRED: { httpStatus: 403, exitCode: 1, isRetryable: false },
  // This host.
  DATA_UNUSABLE: failed,
  DATA_TOO_NEW: failed,
  DATA_IN_USE: busy,
  CACHE_FULL: busy,
  LISTEN_FAILED: failed,
  SIGNING_KEY_MISSING: failed,
  SELF_CHECK_FAILED: failed,
  CLOCK_BEHIND: failed,
  JOBS_DIED: busy,
  CANCELLED: busy,
  INTERNAL: failed,
} as const satisfies Record<string, ErrorDescriptor>

export type ErrorCode = keyof typeof descriptors

export interface ErrorOptions {
  /** The next action, as one imperative sentence. */
  readonly hint?: string
  readonly cause?: unknown
  /** Further problems of the same kind, one sentence each (a configuration's mistakes). */
  readonly details?: readonly string[]
}

/** The plain form of an error, as it crosses a process border or goes out as JSON. */
export interface ErrorValue {
  readonly code: ErrorCode
  readonly message: string
  readonly hint?: string
  readonly details?: readonly string[]
}

/** An error with a sentence for a person: what, why and (in `hint`) the next step. */
export class UusError extends Error {
  override readonly name: string = 'UusError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: readonly string[]

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.details = options.details ?? []
  }

  get descriptor(): ErrorDescriptor {
    return descriptors[this.code]
  }

  toValue(): ErrorValue {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.details.length === 0 ? {} : { details: this.details }),
    }
  }

  static fromValue(value: ErrorValue): UusError {
    return new UusError(value.code, value.message, value)
  }

  /** Any thrown thing as a UusError: what is not ours becomes INTERNAL and keeps its text. */
  static from(error: unknown): UusError {
    if (error instanceof UusError) return error
    const message = error instanceof Error ? error.message : String(error)
    return new UusError('INTERNAL', `Internal error: ${message}`, {
      cause: error,
      hint: 'Report this with the log lines around it; nothing was left half done',
    })
  }
}

export type TrustErrorCode = Extract<
  ErrorCode,
  `SIGNATURE_${string}` | `RELEASE_${string}` | `KEYRING_${string}`
>

/** A refusal to believe bytes from outside. */
export class TrustError extends UusError {
  override readonly name = 'TrustError'
  constructor(code: TrustErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options)
  }
}

export type UpstreamErrorCode = Extract<ErrorCode, `UPSTREAM_${string}`>

/** A fetch that failed: the network's or the other server's doing. */
export class UpstreamError extends UusError {
  override readonly name = 'UpstreamError'
  readonly url: string
  /** The HTTP status, for UPSTREAM_STATUS. */
  readonly status: number | undefined
  /** How long the server wants to be left alone. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: UpstreamErrorCode,
    url: string,
    message: string,
    options: ErrorOptions & { status?: number; retryAfterSeconds?: number | undefined } = {},
  ) {
    super(code, message, options)
    this.url = url
    this.status = options.status
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  /** The server says that the file does not exist: final, no use in asking again. */
  get isAbsent(): boolean {
    return this.status === 404 || this.status === 410
  }
}

/** Bytes that do not follow their format. `where` is what a person would look up. */
export class MalformedError extends UusError {
  override readonly name = 'MalformedError'
  constructor(where: string, why: string, options?: ErrorOptions) {
    super('MALFORMED', `${where}: ${why}`, options)
  }
}

/** The system's error code (`ENOENT`), or undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Marks a place that the types rule out. */
export function unreachable(value: never): never {
  throw new Error(`Internal error: unexpected ${JSON.stringify(value)}`)
}
