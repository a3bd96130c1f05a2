// HTTP for apt: URLs of channels, before anything else. What was asked for lately is answered from what was worked out
// then; nothing here waits for the disk in the way, and nothing is written.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { LRUCache } from 'lru-cache'
import type { AccessLog } from '../lib/access-log.ts'
import type { BufferPool } from '../lib/buffers.ts'
import type { Sha256 } from '../lib/digest.ts'
import { UpstreamError, UusError } from '../lib/errors.ts'
import type { Traffic } from '../lib/traffic.ts'
import { BlobReader } from '../pool/blob-reader.ts'
import type { FileReader } from '../pool/flight-reader.ts'
import type { Outcome, PoolReader } from '../pool/pool.ts'
import type { Published, SignedFile } from '../repo/published.ts'
import type { Blobs, OpenBlob } from '../store/blobs.ts'
import type { PoolFile } from '../store/pool-files.ts'
import type { Access } from './access.ts'
import { type Exchange, record } from './exchange.ts'
import type { Front, Ready } from './front.ts'
import { Memory } from './memory.ts'
import { memoryReader, Parts, severalRanges } from './parts.ts'
import { type Prepared, prepare } from './prepared.ts'
import { type Found, type Place, type Resolved, resolve } from './resolve.ts'
import { type Plan, planAnswer, respondText } from './respond.ts'
import { type Section, sendBytes } from './send.ts'
import type { Conditions, SimpleGet } from './simple-get.ts'

export interface ProxyContext {
  /** The present state; another value after each commit. */
  published(): Published
  /** The generated files. */
  readonly files: Pick<Blobs, 'open'>
  readonly buffers: BufferPool
  readonly traffic: Traffic
  /** For small files that are asked for often. */
  readonly memoryBytes: number
  /** Opens a package file, fetching it if need be. */
  openPackage(place: Place, file: PoolFile): Promise<PoolReader>
  /** Clients may hold wrong bytes of this file: it is sent as a whole only. */
  isSuspect(sha256: Sha256): boolean
  /** The signed file as it is now, renewed if need be. */
  signedFile(file: SignedFile): Promise<{ readonly bytes: Buffer; readonly lastModified: number }>
  /** Told of package files that are sent from here. */
  onUsed(place: Place, sha256: Sha256): void
  /** Who may have the files of which archive; without it everybody all. */
  readonly access?: Access | null
  /** Told of every answer, other pages included. */
  readonly accessLog?: Pick<AccessLog, 'write'> | null
  /** Told of failures that a client met. */
  onError(error: unknown, path: string): void
}

export type NextHandler = (request: IncomingMessage, response: ServerResponse) => void

export interface ClientHandler extends Front {
  readonly handle: NextHandler
}

/** Answers what is below a channel's URL; hands everything else to `next`. */
export function createHandler(context: ProxyContext, next: NextHandler): ClientHandler {
  const handler = new Handler(context)
  const { accessLog = null } = context
  return {
    accessLog,
    ready: (request) => handler.ready(request),
    handle(request, response) {
      const exchange: Exchange = { request, response, cache: null, sentBytes: 0 }
      if (accessLog !== null) record(exchange, accessLog)
      if (!handler.handle(exchange)) next(request, response)
    },
  }
}

const knownTargets = 8192

/** Answers with files, in all the forms of HTTP. */
export class Handler {
  readonly #context: ProxyContext
  readonly #memory: Memory
  /** What targets led to, as long as the same state is published. */
  readonly #known = new LRUCache<string, Prepared>({ max: knownTargets })
  #knownOf: Published | null = null

  constructor(context: ProxyContext) {
    this.#context = context
    this.#memory = new Memory(context.memoryBytes)
  }

  /** False if the request is not for a channel. */
  handle(exchange: Exchange): boolean {
    const { request } = exchange
    try {
      const found = this.#lookUp(request.url ?? '/')
      if (found.type === 'elsewhere') return false
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        say(exchange, 405, `${request.method} is not possible here`, ['Allow', 'GET, HEAD'])
      } else if ('place' in found && !this.#admits(exchange, found.place)) return true
      else if (found.type === 'prepared') this.#answer(exchange, found)
      else if (found.type === 'signed') void this.#answerSigned(exchange, found)
      else if (found.type === 'absent') say(exchange, 404, found.why)
      else notYet(exchange, found.channel)
    } catch (error) {
      this.#fail(exchange, error)
    }
    return true
  }

  /** The answer that takes nothing but memory, and counts it; null where it takes more, an error included. */
  ready({ target, conditions }: SimpleGet): Ready | null {
    try {
      const file = this.#lookUp(target)
      if (file.type !== 'prepared' || this.#context.access?.isForAll(file.place) === false) return null
      const plan = this.#plan(conditions, file)
      if (plan.status === 416) return null
      if (plan.status === 304) {
        file.traffic.unmodified++
        return { ...plan, body: null, cache: null }
      }
      const bytes = this.#remembered(file)
      if (bytes === undefined || partsOf(conditions, file, plan) !== null) return null
      const { status, headers } = plan
      return { status, headers, cache: this.#count(file, 'hit'), body: this.#take(file, plan, bytes) }
    } catch {
      return null // whoever takes over meets it too, and says so
    }
  }

  /** False if the client was turned away. */
  #admits(exchange: Exchange, place: Place): boolean {
    const { access } = this.#context
    if (access == null || access.admits(exchange.request, place)) return true
    say(
      exchange,
      401,
      `Archive ${place.archive} is not for everybody: it takes a token, or another network`,
      ['WWW-Authenticate', 'Basic realm="UUS"'],
    )
    return false
  }

  /** Answers with a file that was found elsewhere. */
  answer(exchange: Exchange, found: Found): void {
    this.#answer(exchange, prepare(found, this.#context.traffic))
  }

  fail(exchange: Exchange, error: unknown): void {
    this.#fail(exchange, error)
  }

  #lookUp(target: string): Prepared | Exclude<Resolved, Found> {
    const published = this.#context.published()
    if (published !== this.#knownOf) {
      this.#known.clear()
      this.#knownOf = published
    }
    const known = this.#known.get(target)
    if (known !== undefined) return known
    const found = resolve(published, target)
    if (found.type !== 'file' && found.type !== 'package' && found.type !== 'index') return found
    const prepared = prepare(found, this.#context.traffic)
    this.#known.set(target, prepared)
    return prepared
  }

  async #answerSigned(
    exchange: Exchange,
    { place, file }: Extract<Resolved, { type: 'signed' }>,
  ): Promise<void> {
    try {
      const signed = await this.#context.signedFile(file)
      const found = { type: 'file', place, file: { type: 'bytes', ...signed } } as const
      this.#answer(exchange, prepare(found, this.#context.traffic))
    } catch (error) {
      this.#fail(exchange, error)
    }
  }

  #answer(exchange: Exchange, file: Prepared): void {
    const { request, response } = exchange
    const { source } = file
    const plan = this.#plan(request.headers, file)
    if (plan.status === 416) {
      say(exchange, 416, `The file has only ${file.sizeBytes} bytes`, plan.headers)
      return
    }
    if (plan.status === 304 || request.method === 'HEAD') {
      if (plan.status === 304) file.traffic.unmodified++
      response.writeHead(plan.status, plan.headers as string[]).end()
      return
    }
    const parts = partsOf(request.headers, file, plan)
    if (source.type === 'generated' && parts !== null) {
      this.#sendParts(exchange, file, source.sha256, parts).catch((error) =>
        this.#fail(exchange, error, file),
      )
      return
    }
    const bytes = this.#remembered(file)
    if (bytes !== undefined) this.#sendMemory(exchange, file, plan, bytes)
    else this.#sendFile(exchange, file, plan).catch((error) => this.#fail(exchange, error, file))
  }

  #plan(conditions: Conditions, file: Prepared): Plan {
    const { source } = file
    return planAnswer(conditions, file, source.type !== 'package' || !this.#context.isSuspect(source.sha256))
  }

  #remembered({ source }: Prepared): Buffer | undefined {
    return source.type === 'bytes' ? source.bytes : this.#memory.get(source.sha256)
  }

  #sendMemory(exchange: Exchange, file: Prepared, plan: BodyPlan, bytes: Buffer): void {
    exchange.cache = this.#count(file, 'hit')
    const body = this.#take(file, plan, bytes)
    exchange.sentBytes += body.length
    exchange.response.writeHead(plan.status, plan.headers as string[])
    exchange.response.end(body)
  }

  /** What is sent of the whole, counted as sent. */
  #take(file: Prepared, { start, end }: BodyPlan, bytes: Buffer): Buffer {
    countSent(file, end - start)
    return end - start === bytes.length ? bytes : bytes.subarray(start, end)
  }

  async #sendFile(exchange: Exchange, file: Prepared, plan: BodyPlan): Promise<void> {
    if (file.source.type === 'package') await this.#sendPackage(exchange, file, file.source, plan)
    else if (file.source.type === 'generated') await this.#sendGenerated(exchange, file, file.source, plan)
  }

  async #sendGenerated(
    exchange: Exchange,
    file: Prepared,
    { sha256 }: { readonly sha256: Sha256 },
    plan: BodyPlan,
  ): Promise<void> {
    if (this.#memory.takes('generated', file.sizeBytes)) {
      this.#sendMemory(exchange, file, plan, await this.#loadGenerated(file, sha256))
      return
    }
    const reader = new BlobReader(await this.#openGenerated(file, sha256), this.#context.buffers)
    this.#count(file, 'hit')
    await this.#stream(exchange, file, plan, reader)
  }

  #loadGenerated(file: Prepared, sha256: Sha256): Promise<Buffer> {
    return this.#memory.load(sha256, async () => {
      await using blob = await this.#openGenerated(file, sha256)
      return await blob.read(0, file.sizeBytes)
    })
  }

  async #sendParts(exchange: Exchange, file: Prepared, sha256: Sha256, parts: Parts): Promise<void> {
    const reader = this.#memory.takes('generated', file.sizeBytes)
      ? memoryReader(await this.#loadGenerated(file, sha256))
      : new BlobReader(await this.#openGenerated(file, sha256), this.#context.buffers)
    this.#count(file, 'hit')
    const headers = [
      ...file.common,
      'Content-Type',
      parts.contentType,
      'Content-Length',
      String(parts.sizeBytes),
    ]
    const plan = { status: 206, headers, start: 0, end: parts.sizeBytes } as const
    await this.#stream(exchange, file, plan, parts.reader(reader))
  }

  async #openGenerated({ place }: Prepared, sha256: Sha256): Promise<OpenBlob> {
    const blob = await this.#context.files.open(sha256)
    if (blob !== null) return blob
    throw new UusError('DATA_UNUSABLE', `A published file is missing: ${place.path} (${sha256})`, {
      hint: 'Make it again: uus fsck --repair',
    })
  }

  async #sendPackage(
    exchange: Exchange,
    file: Prepared,
    { sha256 }: { readonly sha256: Sha256 },
    plan: BodyPlan,
  ): Promise<void> {
    const { sizeBytes } = file
    const reader = await this.#context.openPackage(file.place, { sha256, sizeBytes })
    exchange.response.once('close', () => reader.close())
    try {
      await reader.ready()
      if (reader.outcome === 'hit' && this.#memory.takes('package', sizeBytes)) {
        const bytes = await readWhole(reader, sizeBytes)
        this.#memory.put(sha256, bytes)
        this.#sendMemory(exchange, file, plan, bytes)
        return
      }
      exchange.cache = this.#count(file, reader.outcome)
      await this.#stream(exchange, file, plan, reader)
    } finally {
      reader.close()
    }
  }

  async #stream(exchange: Exchange, file: Prepared, plan: BodyPlan, reader: FileReader): Promise<void> {
    const { response } = exchange
    try {
      response.writeHead(plan.status, plan.headers as string[])
      const onSent = (bytes: number) => {
        exchange.sentBytes += bytes
        countSent(file, bytes)
      }
      await sendBytes(response, reader, plan, this.#context.buffers, onSent)
    } finally {
      reader.close()
    }
  }

  /** What the access log says of where it came from: nothing, of what is no package file. */
  #count({ place, traffic, source }: Prepared, outcome: Outcome): Outcome | null {
    if (source.type !== 'package') {
      traffic.indexes++
      return null
    }
    this.#context.onUsed(place, source.sha256)
    if (outcome === 'hit') traffic.hits++
    else if (outcome === 'miss') traffic.misses++
    else traffic.joined++
    return outcome
  }

  /** What a client is told when it cannot have a file. Once the head is out, only cutting the connection is left. */
  #fail(exchange: Exchange, error: unknown, file?: Prepared): void {
    const { request, response } = exchange
    if (response.destroyed) return // it left; nothing failed
    const known = UusError.from(error)
    this.#context.onError(known, request.url ?? '')
    if (file !== undefined) file.traffic.failures++
    if (response.headersSent) {
      response.destroy()
      return
    }
    if (known instanceof UpstreamError && known.isAbsent) {
      say(exchange, 404, 'Upstream does not have this file any more')
      return
    }
    const { httpStatus } = known.descriptor
    const text = known.code === 'INTERNAL' ? 'Internal error' : known.message
    const pause = known instanceof UpstreamError ? known.retryAfterSeconds : undefined
    say(exchange, Math.max(httpStatus, 500), text, ['Retry-After', String(pause ?? 10)])
  }
}

type BodyPlan = Extract<Plan, Section>

/** What is found by its hash may be had in several parts at once: by slaves, which lack only some of it. */
function partsOf({ range }: Conditions, file: Prepared, { status }: BodyPlan): Parts | null {
  const { place, sizeBytes, contentType, source } = file
  if (range === undefined || status !== 200 || source.type !== 'generated') return null
  if (!place.path.includes('/by-hash/')) return null
  const ranges = severalRanges(range, sizeBytes)
  return ranges === null ? null : new Parts(ranges, contentType, sizeBytes)
}

function countSent({ source, traffic }: Prepared, bytes: number): void {
  if (source.type === 'package') traffic.packageBytes += bytes
  else traffic.indexBytes += bytes
}

export function say(exchange: Exchange, status: number, text: string, headers?: readonly string[]): void {
  exchange.sentBytes = respondText(exchange.request, exchange.response, status, text, headers)
}

function notYet(exchange: Exchange, channel: string): void {
  say(exchange, 503, `Channel ${channel} is not published yet`, ['Retry-After', '30'])
}

async function readWhole(reader: FileReader, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes)
  for (let at = 0; at < sizeBytes; ) {
    const piece = await reader.read(at, sizeBytes, sizeBytes - at)
    for (const buffer of piece.buffers) at += buffer.copy(bytes, at)
    piece.release()
  }
  return bytes
}
