// Requests to upstream servers: the only importer of got. Every read has a limit in bytes and in time.
import { readFileSync } from 'node:fs'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import got, { type Request, RequestError, type Response, TimeoutError } from 'got'
import { systemCode, UpstreamError, UusError } from '../lib/errors.ts'

/** How a server is reached: through which proxy, trusting whom, showing what. Paths of PEM files. */
export interface Transport {
  readonly proxy: string | null
  readonly ca: string | null
  readonly clientCertificate: string | null
  readonly clientKey: string | null
}

/** What makes a request conditional: the validators of the answer that we hold. */
export interface Validators {
  readonly etag: string | null
  readonly lastModified: string | null
}

export type SmallAnswer =
  | { readonly outcome: 'ok'; readonly bytes: Buffer; readonly validators: Validators }
  | { readonly outcome: 'unchanged' }
  /** 404 or 410. */
  | { readonly outcome: 'absent' }

export interface FetchOptions {
  readonly transport: Transport
  readonly signal?: AbortSignal
}

const connectTimeoutMs = 10_000
const silenceTimeoutMs = 30_000
const smallDeadlineMs = 120_000
const maxRedirects = 5
const connectionsPerHost = 8

/** Owns the connections; one for the whole server process. */
export class Fetcher implements Disposable {
  readonly #agents = new Map<string, { http: HttpAgent; https: HttpsAgent }>()
  readonly #userAgent: string

  constructor(version: string) {
    this.#userAgent = `uus/${version}`
  }

  /**
   * Fetches a small file into memory. Throws UpstreamError: unreachable, too slow, an odd status, or more than
   * `limitBytes`.
   */
  async fetchSmall(
    url: string,
    limitBytes: number,
    options: FetchOptions & { readonly validators?: Validators | undefined },
  ): Promise<SmallAnswer> {
    const headers: Record<string, string> = { 'cache-control': 'max-age=0' }
    if (options.validators?.etag) headers['if-none-match'] = options.validators.etag
    if (options.validators?.lastModified) headers['if-modified-since'] = options.validators.lastModified
    const { request, response } = await this.#begin(url, headers, options, smallDeadlineMs)
    try {
      if (response.statusCode === 304) return { outcome: 'unchanged' }
      if (response.statusCode === 404 || response.statusCode === 410) return { outcome: 'absent' }
      if (response.statusCode !== 200) throw oddStatus(url, response)
      const chunks: Buffer[] = []
      for await (const chunk of bounded(request, limitBytes, url)) chunks.push(chunk)
      const { etag, 'last-modified': lastModified } = response.headers
      return {
        outcome: 'ok',
        bytes: Buffer.concat(chunks),
        validators: { etag: etag ?? null, lastModified: lastModified ?? null },
      }
    } finally {
      request.destroy()
    }
  }

  /**
   * Fetches a file of a known size as a stream. It must be read to its end or returned from early (`break`), which
   * ends the request. Throws UpstreamError, for a 404 with `isAbsent`; a body of another length is
   * UPSTREAM_WRONG_BYTES.
   */
  async *fetchStream(url: string, sizeBytes: number, options: FetchOptions): AsyncGenerator<Buffer> {
    const { request, response } = await this.#begin(url, {}, options, null)
    try {
      if (response.statusCode !== 200) throw oddStatus(url, response)
      const announced = response.headers['content-length']
      if (announced !== undefined && Number(announced) !== sizeBytes) {
        throw wrongBytes(url, `is ${announced} bytes long, not ${sizeBytes} as signed`)
      }
      let doneBytes = 0
      for await (const chunk of bounded(request, sizeBytes, url)) {
        doneBytes += chunk.length
        yield chunk
      }
      if (doneBytes !== sizeBytes) throw wrongBytes(url, `ended after ${doneBytes} of ${sizeBytes} bytes`)
    } finally {
      request.destroy()
    }
  }

  async #begin(
    url: string,
    headers: Record<string, string>,
    { transport, signal }: FetchOptions,
    deadlineMs: number | null,
  ): Promise<{ request: Request; response: Response }> {
    const request = got.stream(url, {
      headers: { 'user-agent': this.#userAgent, 'accept-encoding': 'identity', ...headers },
      decompress: false,
      throwHttpErrors: false,
      retry: { limit: 0 },
      maxRedirects,
      agent: this.#agent(transport),
      https: readTls(transport),
      timeout: {
        connect: connectTimeoutMs,
        secureConnect: connectTimeoutMs,
        socket: silenceTimeoutMs,
        response: silenceTimeoutMs,
        ...(deadlineMs === null ? {} : { request: deadlineMs }),
      },
      ...(signal === undefined ? {} : { signal }),
    })
    request.on('error', () => {}) // met by whoever reads
    try {
      const response = await new Promise<Response>((resolve, reject) => {
        request.once('response', resolve)
        request.once('error', reject)
      })
      return { request, response }
    } catch (error) {
      throw translate(url, error)
    }
  }

  /** Node's own agents speak to a proxy: absolute-form requests for http, CONNECT for https. */
  #agent({ proxy }: Transport): { http: HttpAgent; https: HttpsAgent } {
    const key = proxy ?? ''
    const known = this.#agents.get(key)
    if (known !== undefined) return known
    const options = {
      keepAlive: true,
      maxSockets: connectionsPerHost,
      ...(proxy === null ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
    }
    const made = { http: new HttpAgent(options), https: new HttpsAgent(options) }
    this.#agents.set(key, made)
    return made
  }

  [Symbol.dispose](): void {
    for (const { http, https } of this.#agents.values()) {
      http.destroy()
      https.destroy()
    }
  }
}

function readTls({ ca, clientCertificate, clientKey }: Transport) {
  return {
    ...(ca === null ? {} : { certificateAuthority: readPem(ca) }),
    ...(clientCertificate === null ? {} : { certificate: readPem(clientCertificate) }),
    ...(clientKey === null ? {} : { key: readPem(clientKey) }),
  }
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new UusError('CONFIG_INVALID', `Cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
      hint: 'Mend "ca", "client-certificate" or "client-key" in the configuration',
    })
  }
}

async function* bounded(body: Readable, limitBytes: number, url: string): AsyncGenerator<Buffer> {
  let doneBytes = 0
  try {
    for await (const chunk of body) {
      doneBytes += (chunk as Buffer).length
      if (doneBytes > limitBytes) {
        throw new UpstreamError(
          'UPSTREAM_TOO_LARGE',
          url,
          `${redact(url)} is longer than ${limitBytes} bytes`,
          {
            hint: 'Nothing of it was kept; try another mirror',
          },
        )
      }
      yield chunk as Buffer
    }
    await finished(body, { writable: false })
  } catch (error) {
    throw translate(url, error)
  }
}

function oddStatus(url: string, response: Response): UpstreamError {
  const { statusCode, statusMessage } = response
  return new UpstreamError(
    'UPSTREAM_STATUS',
    url,
    `${redact(url)} answered ${statusCode} ${statusMessage ?? ''}`.trim(),
    {
      status: statusCode,
      hint:
        statusCode === 404
          ? 'Check "uris", "suites" and "components"'
          : 'Try again later, or name another mirror',
    },
  )
}

/** The bytes are not what was signed; nothing of them is kept. */
export function wrongBytes(url: string, why: string): UpstreamError {
  return new UpstreamError('UPSTREAM_WRONG_BYTES', url, `${redact(url)} ${why}`, {
    hint: 'The mirror is being updated or is broken; try again in a few minutes, or name another one',
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

function translate(url: string, error: unknown): unknown {
  if (error instanceof UusError) return error
  const name = redact(url)
  if (error instanceof TimeoutError) {
    return new UpstreamError('UPSTREAM_TOO_SLOW', url, `${name} was too slow (no ${error.event} in time)`, {
      cause: error,
      hint: 'Try again later, or name another mirror',
    })
  }
  const code = systemCode(error) ?? ''
  const isOurs = error instanceof RequestError || code in reasons || code.startsWith('ERR_')
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
