// Requests to upstream servers: the only importer of got. Every read has a limit in bytes and in time, every host
// one in connections and rate.
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import { finished } from 'node:stream/promises'
import got, { type Request, type Response } from 'got'
import { type Clock, systemClock } from '../lib/clock.ts'
import { UpstreamError } from '../lib/errors.ts'
import { bareHost, isInner, leadsInside } from './addresses.ts'
import { Connections, readTls, type Transport } from './connections.ts'
import { defaultLimits, type Host, Hosts, type Limits } from './hosts.ts'
import { Pace } from './pace.ts'
import {
  badRedirect,
  cutShort,
  oddStatus,
  tooLarge,
  tooSlow,
  translate,
  wrongBytes,
} from './upstream-errors.ts'

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

/** The rest of a file whose size and digest are known. */
export interface Part {
  readonly sizeBytes: number
  /** Bytes that are here already. */
  readonly start: number
  /** The validator of the answer that they came from, where it was this very address. */
  readonly ifRange: string | null
}

export interface Body {
  /** What a later request for the rest may show as If-Range. */
  readonly validator: string | null
  /** False if the server says that it sends files only as a whole. */
  readonly canResume: boolean
  /** The bytes from `start`. To be read to its end or returned from early, which ends the request. */
  readonly chunks: AsyncGenerator<Buffer>
}

const connectTimeoutMs = 10_000
const smallTimeoutMs = 30_000
const smallDeadlineMs = 120_000
const maxRedirects = 5

interface Exchange extends Disposable {
  readonly url: string
  readonly host: Host
  readonly request: Request
  readonly response: Response
}

interface Question extends FetchOptions {
  readonly headers: Record<string, string>
  readonly responseTimeoutMs: number
  readonly deadlineMs?: number
}

/** Owns the connections; one for the whole server process. */
export class Fetcher implements Disposable {
  readonly hosts: Hosts
  readonly #connections = new Connections()
  readonly #userAgent: string
  readonly #limits: Limits
  readonly #clock: Clock

  constructor(version: string, limits: Limits = defaultLimits, clock: Clock = systemClock) {
    this.#userAgent = `uus/${version}`
    this.#limits = limits
    this.#clock = clock
    this.hosts = new Hosts(limits, clock)
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
    const question = { ...options, headers, responseTimeoutMs: smallTimeoutMs, deadlineMs: smallDeadlineMs }
    using exchange = await this.#ask(url, question)
    const { response } = exchange
    if (response.statusCode === 304) return { outcome: 'unchanged' }
    if (response.statusCode === 404 || response.statusCode === 410) return { outcome: 'absent' }
    if (response.statusCode !== 200) throw oddStatus(url, response, this.#clock.now())
    refuseEncoding(url, response.headers, null)
    const chunks: Buffer[] = []
    for await (const chunk of this.#read(exchange, limitBytes, options.signal)) chunks.push(chunk)
    const { etag, 'last-modified': lastModified } = response.headers
    return {
      outcome: 'ok',
      bytes: Buffer.concat(chunks),
      validators: { etag: etag ?? null, lastModified: lastModified ?? null },
    }
  }

  /**
   * Fetches a file of a known size as a stream. It must be read to its end or returned from early (`break`), which
   * ends the request. Throws UpstreamError, for a 404 with `isAbsent`; a body of another length is
   * UPSTREAM_WRONG_BYTES.
   */
  async *fetchStream(url: string, sizeBytes: number, options: FetchOptions): AsyncGenerator<Buffer> {
    const { chunks } = await this.#fetchFrom(url, { sizeBytes, start: 0, ifRange: null }, options)
    yield* chunks
  }

  /**
   * Fetches a file, or what is missing of it, from a host that is not left alone at present. Throws UpstreamError as
   * `fetchStream` does; the host is told how it went.
   */
  async fetchPart(url: string, part: Part, options: FetchOptions): Promise<Body> {
    const host = this.hosts.of(url)
    host.check(url)
    try {
      const body = await this.#fetchFrom(url, part, options)
      host.worked()
      return body
    } catch (error) {
      if (error instanceof UpstreamError && isHostsFault(error)) host.failed(error.retryAfterSeconds)
      throw error
    }
  }

  async #fetchFrom(url: string, part: Part, options: FetchOptions): Promise<Body> {
    const { start, ifRange } = part
    const range = start === 0 ? {} : { range: `bytes=${start}-`, ...(ifRange && { 'if-range': ifRange }) }
    const question = { ...options, headers: range, responseTimeoutMs: this.#limits.silenceSeconds * 1000 }
    const exchange = await this.#ask(url, question)
    try {
      const firstByte = judgeHead(url, exchange.response, part, this.#clock.now())
      return {
        validator: validatorOf(exchange.response.headers),
        canResume: exchange.response.headers['accept-ranges'] !== 'none',
        chunks: this.#readPart(exchange, { ...part, firstByte }, options.signal),
      }
    } catch (error) {
      exchange[Symbol.dispose]()
      throw error
    }
  }

  async *#readPart(
    exchange: Exchange,
    { sizeBytes, start, firstByte }: Part & { firstByte: number },
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Buffer> {
    using held = exchange
    let at = firstByte
    for await (const chunk of this.#read(held, sizeBytes - firstByte, signal)) {
      const known = Math.min(Math.max(0, start - at), chunk.length)
      at += chunk.length
      if (known < chunk.length) yield known === 0 ? chunk : chunk.subarray(known)
    }
    if (at !== sizeBytes) throw cutShort(exchange.url, at, sizeBytes)
  }

  /** The bytes of a body, as fast as the host may be read. */
  async *#read({ request, url, host }: Exchange, limitBytes: number, signal: AbortSignal | undefined) {
    using pace = new Pace(this.#limits, (why) => request.destroy(tooSlow(url, why)))
    let doneBytes = 0
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        pace.came(chunk.length)
        doneBytes += chunk.length
        if (doneBytes > limitBytes) throw tooLarge(url, limitBytes)
        const waitMs = host.bandwidth.spend(chunk.length, this.#clock.now())
        if (waitMs > 0) await this.#clock.sleep(waitMs, signal)
        yield chunk
        pace.wait()
      }
      await finished(request, { writable: false })
    } catch (error) {
      throw translate(url, error)
    }
  }

  /** Asks, and follows where it is sent. */
  async #ask(url: string, question: Question): Promise<Exchange> {
    let at = url
    let isGuarded = false
    for (let hops = 0; ; hops++) {
      const exchange = await this.#askOne(at, url, question, isGuarded)
      const next = redirectOf(exchange.response)
      if (next === null) return exchange
      exchange[Symbol.dispose]()
      if (hops === maxRedirects) throw badRedirect(url, `sends us on more than ${maxRedirects} times`)
      isGuarded ||= !(await leadsInside(bareHost(new URL(url))))
      at = followed(url, at, next, isGuarded)
    }
  }

  async #askOne(at: string, url: string, question: Question, isGuarded: boolean): Promise<Exchange> {
    const { transport, signal } = question
    const host = this.hosts.of(at)
    // The short questions of updates do not wait behind long downloads.
    const slot = question.deadlineMs === undefined ? await host.slots.take(signal) : null
    try {
      const request = await this.#begin(at, question, transport, isGuarded)
      const response = await headOf(request, url)
      const dispose = () => {
        request.destroy()
        slot?.[Symbol.dispose]()
      }
      return { url, host, request, response, [Symbol.dispose]: dispose }
    } catch (error) {
      slot?.[Symbol.dispose]()
      throw error
    }
  }

  async #begin(url: string, question: Question, transport: Transport, isGuarded: boolean): Promise<Request> {
    const { headers, responseTimeoutMs, deadlineMs, signal } = question
    const request = got.stream(url, {
      headers: { 'user-agent': this.#userAgent, 'accept-encoding': 'identity', ...headers },
      decompress: false,
      throwHttpErrors: false,
      retry: { limit: 0 },
      followRedirect: false,
      agent: this.#connections.agents(transport, isGuarded),
      https: await readTls(transport),
      timeout: {
        connect: connectTimeoutMs,
        secureConnect: connectTimeoutMs,
        response: responseTimeoutMs,
        ...(deadlineMs === undefined ? {} : { request: deadlineMs }),
      },
      ...(signal === undefined ? {} : { signal }),
    })
    request.on('error', () => {}) // met by whoever reads
    return request
  }

  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]()
  }
}

async function headOf(request: Request, url: string): Promise<Response> {
  try {
    return await new Promise<Response>((resolve, reject) => {
      request.once('response', resolve)
      request.once('error', reject)
    })
  } catch (error) {
    throw translate(url, error)
  }
}

function redirectOf({ statusCode, headers }: Response): string | null {
  return [301, 302, 303, 307, 308].includes(statusCode) ? (headers.location ?? null) : null
}

/** Where a redirect leads; UPSTREAM_REDIRECT where we do not go. Credentials stay with the host they are for. */
function followed(url: string, from: string, location: string, isGuarded: boolean): string {
  const next = URL.parse(location, from)
  if (next === null || !/^https?:$/.test(next.protocol)) throw badRedirect(url, 'sends us to no http address')
  if (next.protocol === 'http:' && from.startsWith('https:')) {
    throw badRedirect(url, 'sends us from https to http')
  }
  const host = bareHost(next)
  const isInside = isIP(host) !== 0 ? isInner(host) : /(^|\.)localhost\.?$/.test(host)
  if (isGuarded && isInside) throw badRedirect(url, `sends us to an inner network (${host})`)
  return next.href
}

/** Checks that an answer holds the part; the position of its first byte. */
function judgeHead(url: string, response: Response, { sizeBytes, start }: Part, now: number): number {
  const { statusCode, headers } = response
  if (statusCode === 416) throw wrongBytes(url, `has no byte ${start}, but ${sizeBytes} are signed`)
  if (statusCode === 206 && start > 0) {
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? []
    if (Number(first) !== start) throw wrongBytes(url, 'sent another part than the one asked for')
    if (total !== '*' && Number(total) !== sizeBytes) {
      throw wrongBytes(url, `is ${total} bytes long, not ${sizeBytes} as signed`)
    }
    refuseEncoding(url, headers, null)
    return start
  }
  if (statusCode !== 200) throw oddStatus(url, response, now)
  refuseEncoding(url, headers, sizeBytes)
  const length = headers['content-length']
  if (length !== undefined && Number(length) !== sizeBytes) {
    throw wrongBytes(url, `is ${length} bytes long, not ${sizeBytes} as signed`)
  }
  return 0
}

/**
 * A body packed for the way is not the file. Some servers call a `.gz` packed for the way though it goes out as it is:
 * they are known by the right length.
 */
function refuseEncoding(url: string, headers: IncomingHttpHeaders, sizeBytes: number | null): void {
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding === 'identity' || (sizeBytes !== null && Number(headers['content-length']) === sizeBytes))
    return
  throw wrongBytes(url, `comes packed for the way (Content-Encoding: ${encoding.slice(0, 20)})`)
}

/** A strong one: only that promises the same bytes. */
function validatorOf({ etag, 'last-modified': lastModified }: IncomingHttpHeaders): string | null {
  return etag?.startsWith('"') ? etag : (lastModified ?? null)
}

function isHostsFault(error: UpstreamError): boolean {
  switch (error.code) {
    case 'UPSTREAM_UNREACHABLE':
    case 'UPSTREAM_TOO_SLOW':
      return true
    case 'UPSTREAM_STATUS':
      return (error.status ?? 0) >= 500 || error.status === 429
    default:
      return false
  }
}
