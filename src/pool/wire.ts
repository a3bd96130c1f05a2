// GET over plain HTTP/1.1, for package files: bytes come in large pieces straight from the socket. Node's own client
// allocates and copies each piece of 64 KiB, which costs three times as much as the reading itself.
// Knows only what such files need: one request at a time on a connection, and a body of a stated length.
import { connect, type LookupFunction, type Socket } from 'node:net'
import type { Filling, Slabs } from './slabs.ts'

export interface WireRequest {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** Connections of one name are not used for another. */
  readonly group: string
  readonly lookup?: LookupFunction
  readonly connectTimeoutMs: number
  readonly responseTimeoutMs: number
  readonly signal?: AbortSignal
}

export interface WireHead {
  readonly statusCode: number
  readonly statusMessage: string
  /** Names in lower case; of several with one name the values in one, separated by commas. */
  readonly headers: Readonly<Record<string, string>>
}

export interface WireAnswer extends Disposable {
  readonly head: WireHead
  /** Null if the length is not stated: then it is for another client to read. */
  readonly body: AsyncGenerator<Buffer> | null
}

const maxHeadBytes = 64 << 10
/** What may wait to be taken. */
const queueBytes = 1 << 20
/** What is read in one turn of the loop. A fast upstream must not keep everything else waiting. */
const turnBytes = 512 << 10
const idleMs = 10_000
const maxIdle = 8

/** The code of a failure to answer in time. */
export const timeoutCode = 'UUS_TIMEOUT'

/** A failure of a connection, with the system's code. */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: string

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}

/** Owns connections, and keeps some open between requests. */
export class Wire implements Disposable {
  readonly #slabs: Slabs
  readonly #idle = new Map<string, Connection[]>()

  constructor(slabs: Slabs) {
    this.#slabs = slabs
  }

  /** Resolves with the head. The answer is to be disposed, or its body read to its end. */
  async get(request: WireRequest): Promise<WireAnswer> {
    const key = `${request.group} ${request.url.host}`
    const kept = this.#takeIdle(key)
    if (kept !== null) {
      try {
        return await this.#ask(key, kept, request)
      } catch (error) {
        // The server may have closed it just then; a new connection tells.
        if (kept.hasAnswered || !isCut(error)) throw error
      }
    }
    return this.#ask(key, await Connection.open(request, this.#slabs), request)
  }

  async #ask(key: string, connection: Connection, request: WireRequest): Promise<WireAnswer> {
    const head = await connection.ask(request)
    const length = lengthOf(head)
    return {
      head,
      body: length === null ? null : connection.body(length, () => this.#keep(key, connection)),
      [Symbol.dispose]: () => connection.dropUnlessDone(),
    }
  }

  #takeIdle(key: string): Connection | null {
    for (const list = this.#idle.get(key) ?? []; ; ) {
      const connection = list.pop()
      if (connection === undefined) return null
      if (connection.isUsable) return connection
    }
  }

  #keep(key: string, connection: Connection): void {
    const list = (this.#idle.get(key) ?? []).filter((one) => one.isUsable)
    this.#idle.set(key, list)
    if (list.length < maxIdle && connection.rest()) list.push(connection)
    else connection.drop()
  }

  [Symbol.dispose](): void {
    for (const list of this.#idle.values()) for (const connection of list) connection.drop()
    this.#idle.clear()
  }
}

class Connection {
  readonly #socket: Socket
  readonly #slabs: Slabs
  readonly #filling: Filling
  /** Bytes of the head so far; null while a body comes or nothing is expected. */
  #headParts: Buffer[] | null = null
  #canStay = false
  #queue: Buffer[] = []
  #queuedBytes = 0
  /** Bytes of the body that have not come yet. */
  #missingBytes = 0
  #isTaken = true
  #isPaused = false
  #readInTurn = 0
  #failure: Error | null = null
  #onHead: ((head: WireHead) => void) | null = null
  #onChange: (() => void) | null = null
  /** Something came in answer to the present request. */
  hasAnswered = false

  private constructor({ url, lookup }: WireRequest, slabs: Slabs) {
    this.#slabs = slabs
    this.#filling = slabs.fill()
    this.#socket = connect({
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(url.port) || 80,
      noDelay: true,
      ...(lookup === undefined ? {} : { lookup }),
      onread: { buffer: () => this.#filling.space(), callback: (count) => this.#take(count) },
    })
    this.#socket.on('error', (error: NodeJS.ErrnoException) =>
      this.#fail(new WireError(error.code ?? 'ECONNRESET', error.message, error)),
    )
    this.#socket.on('end', () => this.#fail(cut()))
    this.#socket.on('close', () => this.#fail(cut()))
    this.#socket.on('timeout', () => this.drop())
  }

  static async open(request: WireRequest, slabs: Slabs): Promise<Connection> {
    const connection = new Connection(request, slabs)
    const opened = new Promise<void>((resolve) => connection.#socket.once('connect', resolve))
    await connection.#within(request.connectTimeoutMs, 'connect', request.signal, opened)
    return connection
  }

  /** Idle, and nothing came that nobody asked for. */
  get isUsable(): boolean {
    return this.#failure === null && !this.#socket.destroyed && this.#isTaken
  }

  async ask({ url, headers, responseTimeoutMs, signal }: WireRequest): Promise<WireHead> {
    this.#socket.setTimeout(0)
    this.#isTaken = false
    this.hasAnswered = false
    this.#headParts = []
    const lines = Object.entries({ host: url.host, accept: '*/*', connection: 'keep-alive', ...headers })
    const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    this.#socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\n${text}\r\n`)
    const head = new Promise<WireHead>((resolve) => {
      this.#onHead = resolve
    })
    return this.#within(responseTimeoutMs, 'response', signal, head)
  }

  /** Waits for something that this connection brings about. Whatever else happens first drops it. */
  async #within<T>(
    limitMs: number,
    what: string,
    signal: AbortSignal | undefined,
    wanted: Promise<T>,
  ): Promise<T> {
    const stop = Promise.withResolvers<never>()
    this.#onChange = () => this.#failure !== null && stop.reject(this.#failure)
    const onAbort = () => stop.reject(signal!.reason)
    const timer = setTimeout(() => stop.reject(new WireError(timeoutCode, `no ${what} in time`)), limitMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      signal?.throwIfAborted()
      if (this.#failure !== null) throw this.#failure
      return await Promise.race([wanted, stop.promise])
    } catch (error) {
      this.drop()
      throw error
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      this.#onChange = null
    }
  }

  /** Bytes came. False halts the socket until somebody took what waits. */
  #take(count: number): boolean {
    const bytes = this.#filling.filled(count)
    this.hasAnswered = true
    if (this.#headParts !== null) this.#takeHead(this.#headParts, bytes)
    else this.#takeBody(bytes)
    this.#countTurn(count)
    this.#isPaused = this.#queuedBytes > queueBytes || this.#readInTurn > turnBytes
    return !this.#isPaused
  }

  #countTurn(count: number): void {
    if (this.#readInTurn === 0) {
      setImmediate(() => {
        this.#readInTurn = 0
        this.#goOn()
      })
    }
    this.#readInTurn += count
  }

  #takeHead(parts: Buffer[], bytes: Buffer): void {
    const before = parts.reduce((sum, { length }) => sum + length, 0)
    parts.push(Buffer.from(bytes))
    const all = Buffer.concat(parts)
    const end = all.indexOf('\r\n\r\n')
    const headBytes = end < 0 ? bytes.length : end + 4 - before
    this.#slabs.giveBack(bytes.subarray(0, headBytes))
    if (end < 0) {
      if (all.length > maxHeadBytes) this.#fail(malformed('its head is too long'))
      return
    }
    const head = parseHead(all.toString('latin1', 0, end))
    const rest = bytes.subarray(headBytes)
    if (head === null) {
      this.#fail(malformed('its head cannot be read'))
      return
    }
    if (head.statusCode < 200) {
      this.#headParts = []
      if (rest.length > 0) this.#takeHead(this.#headParts, rest)
      return
    }
    this.#headParts = null
    this.#canStay = head.isLasting
    this.#missingBytes = lengthOf(head) ?? Number.POSITIVE_INFINITY
    if (rest.length > 0) this.#takeBody(rest)
    this.#onHead?.(head)
  }

  #takeBody(bytes: Buffer): void {
    if (bytes.length > this.#missingBytes) {
      this.#fail(malformed('more came than was announced'))
      return
    }
    this.#missingBytes -= bytes.length
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
    this.#onChange?.()
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#filling.end()
    this.#socket.destroy()
    this.#onChange?.()
  }

  /** The body; `onDone` when it was read to its end. */
  async *body(length: number, onDone: () => void): AsyncGenerator<Buffer> {
    let leftBytes = length
    try {
      while (leftBytes > 0) {
        const next = this.#queue.shift()
        if (next !== undefined) {
          leftBytes -= next.length
          this.#queuedBytes -= next.length
          this.#goOn()
          yield next
        } else if (this.#failure !== null) throw this.#failure
        else {
          await new Promise<void>((resolve) => {
            this.#onChange = resolve
          })
          this.#onChange = null
        }
      }
      this.#isTaken = true
      onDone()
    } finally {
      this.dropUnlessDone()
    }
  }

  #goOn(): void {
    if (!this.#isPaused || this.#queuedBytes > queueBytes / 2 || this.#readInTurn > turnBytes) return
    this.#isPaused = false
    this.#socket.resume()
  }

  /** Between two requests. False if the server does not want that. */
  rest(): boolean {
    if (!this.#canStay || !this.isUsable) return false
    this.#missingBytes = 0
    this.#socket.setTimeout(idleMs)
    return true
  }

  dropUnlessDone(): void {
    if (!this.#isTaken) this.drop()
  }

  drop(): void {
    this.#fail(cut())
  }
}

function cut(): WireError {
  return new WireError('ECONNRESET', 'the connection was cut')
}

function isCut(error: unknown): boolean {
  return error instanceof WireError && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}

function malformed(why: string): WireError {
  return new WireError('UUS_MALFORMED', `its answer is no HTTP: ${why}`)
}

function parseHead(text: string): (WireHead & { isLasting: boolean }) | null {
  const [first, ...lines] = text.split('\r\n')
  const status = /^HTTP\/1\.([01]) (\d{3})(?: (.*))?$/.exec(first!)
  if (status === null) return null
  const headers: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line)
    if (field === null) return null
    const name = field[1]!.toLowerCase()
    // Two lengths are two opinions of where the next answer begins.
    if (name === 'content-length' && name in headers && headers[name] !== field[2]) return null
    headers[name] = name in headers && name !== 'content-length' ? `${headers[name]}, ${field[2]}` : field[2]!
  }
  const wish = headers.connection?.toLowerCase() ?? ''
  const isLasting = status[1] === '1' ? !wish.includes('close') : wish.includes('keep-alive')
  return { statusCode: Number(status[2]), statusMessage: status[3] ?? '', headers, isLasting }
}

/** Null if it is not stated. */
function lengthOf({ statusCode, headers }: WireHead): number | null {
  if (statusCode === 204 || statusCode === 304) return 0
  if (headers['transfer-encoding'] !== undefined) return null
  const length = headers['content-length']
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : null
}
