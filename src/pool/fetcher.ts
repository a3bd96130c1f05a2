// Requests to upstream servers: the only importer of got. Every read has a limit in bytes and in time, every host
// one in connections and rate.
import { finished } from 'node:stream/promises'
import got, { type Request, type Response } from 'got'
import { type Clock, systemClock } from '../lib/clock.ts'
import { UpstreamError } from '../lib/errors.ts'
import { bareHost, leadsInside, lookupOutside } from './addresses.ts'
import { followed, judgeHead, redirectOf, refuseEncoding, validatorOf } from './answers.ts'
import { answerLimit, type RangedFile, rangeHeader, readRanges } from './byte-ranges.ts'
import { Connections, readAuthorization, readTls, type Transport } from './connections.ts'
import { defaultLimits, type Host, Hosts, type Limits } from './hosts.ts'
import { Pace } from './pace.ts'
import { Slabs } from './slabs.ts'
import {
  type AnswerHead,
  badRedirect,
  cutShort,
  oddStatus,
  tooLarge,
  tooSlow,
  translate,
} from './upstream-errors.ts'
import { Wire, type WireAnswer } from './wire.ts'

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

/** A question to a server that knows us. */
export interface Message extends FetchOptions {
  readonly method?: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly limitBytes: number
  /** How long it may think about its answer. */
  readonly responseTimeoutMs: number
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly bytes: Buffer
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
/** Memory that is kept for the next bodies. */
const spareBytes = 16 << 20

/** The answer of one server. To be disposed; that ends the request. */
interface Exchange extends Disposable {
  readonly url: string
  readonly host: Host
  readonly head: AnswerHead
  readonly body: AsyncIterable<Buffer> | Iterable<Buffer>
}

type Answer = Omit<Exchange, 'url' | 'host'>

interface Question extends FetchOptions {
  readonly method?: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly responseTimeoutMs: number
  readonly deadlineMs?: number
}

/** Owns the connections; one for the whole server process. */
export class Fetcher implements Disposable {
  readonly hosts: Hosts
  readonly #connections = new Connections()
  readonly #slabs = new Slabs(spareBytes)
  readonly #wire = new Wire(this.#slabs)
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
    const { statusCode, headers: answered } = exchange.head
    if (statusCode === 304) return { outcome: 'unchanged' }
    if (statusCode === 404 || statusCode === 410) return { outcome: 'absent' }
    if (statusCode !== 200) throw oddStatus(url, exchange.head, this.#clock.now())
    refuseEncoding(url, answered, null)
    const chunks: Buffer[] = []
    for await (const chunk of this.#read(exchange, limitBytes, options.signal)) chunks.push(chunk)
    const { etag, 'last-modified': lastModified } = answered
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

  /**
   * Asks a server that knows us, and whatever it says comes back, whole. Redirects are not followed: what stands in the
   * question is meant for that server. Throws UpstreamError where there is no answer.
   */
  async converse(url: string, message: Message): Promise<Reply> {
    const deadlineMs = message.responseTimeoutMs + smallDeadlineMs
    using exchange = await this.#askOne(url, url, { ...message, deadlineMs }, false)
    const bytes = await this.#readAll(exchange, message.limitBytes, message.signal)
    return { status: exchange.head.statusCode, headers: headersOf(exchange.head), bytes }
  }

  /** Fetches some ranges of a file of a known size; UPSTREAM_WRONG_BYTES if the answer is of another. */
  async fetchRanges(url: string, file: RangedFile, options: FetchOptions): Promise<Buffer> {
    const headers = { range: rangeHeader(file.ranges) }
    const responseTimeoutMs = this.#limits.silenceSeconds * 1000
    using exchange = await this.#ask(url, { ...options, headers, responseTimeoutMs })
    const { head } = exchange
    if (head.statusCode !== 200 && head.statusCode !== 206) throw oddStatus(url, head, this.#clock.now())
    const body = await this.#readAll(exchange, answerLimit(head.statusCode, file), options.signal)
    return readRanges(url, { statusCode: head.statusCode, headers: headersOf(head) }, body, file)
  }

  async #readAll(exchange: Exchange, limitBytes: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const chunks: Buffer[] = []
    for await (const chunk of this.#read(exchange, limitBytes, signal)) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    for (const chunk of chunks) this.recycle(chunk)
    return bytes
  }

  /** Bytes of a body that nobody will read any more, for the next ones to come. Each byte once. */
  recycle(bytes: Buffer): void {
    this.#slabs.giveBack(bytes)
  }

  async #fetchFrom(url: string, part: Part, options: FetchOptions): Promise<Body> {
    const { start, ifRange } = part
    const range = start === 0 ? {} : { range: `bytes=${start}-`, ...(ifRange && { 'if-range': ifRange }) }
    const question = { ...options, headers: range, responseTimeoutMs: this.#limits.silenceSeconds * 1000 }
    const exchange = await this.#ask(url, question)
    try {
      const firstByte = judgeHead(url, exchange.head, part, this.#clock.now())
      return {
        validator: validatorOf(exchange.head.headers),
        canResume: exchange.head.headers['accept-ranges'] !== 'none',
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
      if (known > 0) this.recycle(chunk.subarray(0, known))
      if (known < chunk.length) yield known === 0 ? chunk : chunk.subarray(known)
    }
    if (at !== sizeBytes) throw cutShort(exchange.url, at, sizeBytes)
  }

  /** The bytes of a body, as fast as the host may be read. */
  async *#read(exchange: Exchange, limitBytes: number, signal: AbortSignal | undefined) {
    const { url, host, body } = exchange
    let failure: UpstreamError | null = null
    const stop = () => exchange[Symbol.dispose]()
    using pace = new Pace(this.#limits, (why) => {
      failure = tooSlow(url, why)
      stop()
    })
    signal?.addEventListener('abort', stop, { once: true })
    let doneBytes = 0
    try {
      for await (const chunk of body) {
        pace.came(chunk.length)
        doneBytes += chunk.length
        if (doneBytes > limitBytes) throw tooLarge(url, limitBytes)
        const waitMs = host.bandwidth.spend(chunk.length, this.#clock.now())
        if (waitMs > 0) await this.#clock.sleep(waitMs, signal)
        yield chunk
        pace.wait()
      }
      signal?.throwIfAborted()
    } catch (error) {
      throw failure ?? translate(url, error)
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  /** Asks, and follows where it is sent. */
  async #ask(url: string, question: Question): Promise<Exchange> {
    let at = url
    let isGuarded = false
    for (let hops = 0; ; hops++) {
      const exchange = await this.#askOne(at, url, question, isGuarded)
      const next = redirectOf(exchange.head)
      if (next === null) return exchange
      exchange[Symbol.dispose]()
      if (hops === maxRedirects) throw badRedirect(url, `sends us on more than ${maxRedirects} times`)
      isGuarded ||= !(await leadsInside(bareHost(new URL(url))))
      at = followed(url, at, next, isGuarded)
    }
  }

  async #askOne(at: string, url: string, question: Question, isGuarded: boolean): Promise<Exchange> {
    const host = this.hosts.of(at)
    // The short questions of updates do not wait behind long downloads.
    const slot = question.deadlineMs === undefined ? await host.slots.take(question.signal) : null
    try {
      const answer = await this.#answer(at, await withAuth(at, url, question), isGuarded)
      const dispose = () => {
        answer[Symbol.dispose]()
        slot?.[Symbol.dispose]()
      }
      return { ...answer, url, host, [Symbol.dispose]: dispose }
    } catch (error) {
      slot?.[Symbol.dispose]()
      throw translate(url, error)
    }
  }

  /** Package files over plain HTTP come by the wire; everything else knows more, and goes by got. */
  async #answer(at: string, question: Question, isGuarded: boolean): Promise<Answer> {
    const url = new URL(at)
    const isPlain = url.protocol === 'http:' && question.transport.proxy === null
    if (isPlain && question.deadlineMs === undefined) {
      const answer = await this.#askWire(url, question, isGuarded)
      if (answer.body !== null || answer.head.statusCode >= 300) return { ...answer, body: answer.body ?? [] }
      answer[Symbol.dispose]()
    }
    return this.#askGot(at, question, isGuarded)
  }

  #askWire(
    url: URL,
    { headers, responseTimeoutMs, signal }: Question,
    isGuarded: boolean,
  ): Promise<WireAnswer> {
    return this.#wire.get({
      url,
      headers: { ...this.#headers(headers), ...credentialsOf(url) },
      group: isGuarded ? 'guarded' : 'free',
      ...(isGuarded ? { lookup: lookupOutside } : {}),
      connectTimeoutMs,
      responseTimeoutMs,
      ...(signal === undefined ? {} : { signal }),
    })
  }

  async #askGot(url: string, question: Question, isGuarded: boolean): Promise<Answer> {
    const { method = 'GET', headers, body, responseTimeoutMs, deadlineMs, signal, transport } = question
    const request = got.stream(url, {
      method,
      headers: this.#headers(headers),
      ...(body === undefined ? {} : { body }),
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
    const head = await new Promise<Response>((resolve, reject) => {
      request.once('response', resolve)
      request.once('error', reject)
    })
    return { head, body: bodyOf(request), [Symbol.dispose]: () => request.destroy() }
  }

  #headers(more: Readonly<Record<string, string>>): Record<string, string> {
    return { 'user-agent': this.#userAgent, 'accept-encoding': 'identity', ...more }
  }

  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]()
    this.#wire[Symbol.dispose]()
  }
}

function headersOf({ headers }: AnswerHead): Record<string, string | undefined> {
  return headers as Record<string, string | undefined>
}

async function* bodyOf(request: Request): AsyncGenerator<Buffer> {
  yield* request as AsyncIterable<Buffer>
  await finished(request, { writable: false })
}

/** Credentials go to the address that was configured, never to where it sends us. */
async function withAuth(at: string, url: string, question: Question): Promise<Question> {
  const { auth } = question.transport
  if (auth == null || new URL(at).origin !== new URL(url).origin) return question
  const headers = { ...question.headers, authorization: await readAuthorization(auth) }
  return { ...question, headers }
}

/** got makes such a header by itself. */
function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(text).toString('base64')}` }
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
