// What is asked for most, InRelease files and small packages, is answered in front of node:http, which takes longer for
// such a request than everything else together: one look, one write to the socket. Whatever is not as simple as that is
// handed over to node:http, with the whole connection, from the first byte that has no answer yet.
import { type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { AccessLog } from '../lib/access-log.ts'
import type { Outcome } from '../pool/pool.ts'
import { clientOf, millisecondsSince } from './exchange.ts'
import { readSimpleGet, type SimpleGet } from './simple-get.ts'

/** An answer for which nothing has to be waited. */
export interface Ready {
  readonly status: 200 | 206 | 304
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly body: Buffer | null
  /** Null for what is no package file. */
  readonly cache: Outcome | null
}

export interface Front {
  /** Null: node:http is to answer. Whoever is given an answer is sent it: it is counted here. */
  ready(request: SimpleGet): Ready | null
  readonly accessLog: Pick<AccessLog, 'write'> | null
}

export interface FrontLimits {
  /** So long a client may take to ask at all. */
  readonly headMs: number
  /** Between an answer and the next request. */
  readonly keepAliveMs: number
  /** Without a byte while an answer is on its way. */
  readonly silenceMs: number
}

/** What is on its way when the time is up is not cut off: node:http waits as long. */
const keepAliveMoreMs = 1000
/** Answers that a connection may have waiting before the next request of a batch is looked at. */
const batchBytes = 256 << 10

/** The connections of one listener that node:http has not been given. */
export class FrontConnections {
  readonly #front: Front
  readonly #limits: FrontLimits
  readonly #handOver: (socket: Socket) => void
  readonly #open = new Set<FrontConnection>()
  readonly #keptAlive: string

  /** Takes the server's connections from node:http; they are to be given to `take`. */
  constructor(server: Server, front: Front, limits: FrontLimits) {
    this.#front = front
    this.#limits = limits
    this.#keptAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(limits.keepAliveMs / 1000)}\r\n\r\n`
    const own = server.listeners('connection') as ((socket: Socket) => void)[]
    this.#handOver = (socket) => {
      for (const listener of own) listener.call(server, socket)
    }
    server.removeAllListeners('connection')
  }

  readonly take = (socket: Socket): void => {
    if (!socket.destroyed) this.#open.add(new FrontConnection(this, socket))
  }

  /** How many connections are here. */
  get size(): number {
    return this.#open.size
  }

  get front(): Front {
    return this.#front
  }

  get limits(): FrontLimits {
    return this.#limits
  }

  get idleMs(): number {
    return this.#limits.keepAliveMs + keepAliveMoreMs
  }

  forget(connection: FrontConnection): void {
    this.#open.delete(connection)
  }

  /** The connection is node:http's from now on; `unread` it reads first. */
  handOver(connection: FrontConnection, socket: Socket, unread: Buffer): void {
    this.forget(connection)
    socket.setTimeout(0)
    socket.pause()
    if (unread.length > 0) socket.unshift(unread)
    this.#handOver(socket)
    socket.resume()
  }

  /** As node:http writes it. */
  head({ status, headers }: Ready): string {
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`
    for (let at = 0; at < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`
    return `${head}Date: ${httpDate()}\r\n${this.#keptAlive}`
  }

  /** No request is read any more; answers that are under way go out, and those that are owed come from node:http. */
  close(): void {
    for (const connection of [...this.#open]) connection.close()
  }

  destroy(): void {
    for (const connection of [...this.#open]) connection.destroy()
  }
}

/** Thousands of answers have the same second. */
const date = { second: 0, text: '' }

function httpDate(): string {
  const now = Date.now()
  const second = Math.floor(now / 1000)
  if (second !== date.second) {
    date.second = second
    date.text = new Date(now).toUTCString()
  }
  return date.text
}

const nothing = Buffer.alloc(0)

interface Answer {
  readonly target: string
  readonly ready: Ready
}

class FrontConnection {
  readonly #all: FrontConnections
  readonly #socket: Socket
  /** Once the connection is closed nobody knows any more. */
  readonly #client: string
  /** Half a head. */
  #unread: Buffer = nothing
  /** For answers to leave. */
  #isWaiting = false

  constructor(all: FrontConnections, socket: Socket) {
    this.#all = all
    this.#socket = socket
    this.#client = clientOf(socket)
    socket.setTimeout(all.limits.headMs)
    for (const [event, listener] of this.#listeners) socket.on(event, listener)
  }

  close(): void {
    if (this.#unread.length > 0 || this.#socket.readableLength > 0) {
      this.#handOver()
      return
    }
    this.#socket.off('data', this.#onData)
    this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#answer(this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]))
  }

  readonly #onDrain = (): void => {
    if (!this.#isWaiting) return
    this.#isWaiting = false
    this.#setTimeout(this.#patience())
    this.#socket.resume()
  }

  readonly #onTimeout = (): void => {
    if (this.#unread.length > 0) this.#handOver()
    else this.#socket.destroy()
  }

  /** All of them go when node:http takes over. */
  readonly #listeners = [
    ['data', this.#onData],
    ['drain', this.#onDrain],
    ['timeout', this.#onTimeout],
    ['end', () => void this.#socket.end()],
    ['error', () => void this.#socket.destroy()],
    ['close', () => this.#all.forget(this)],
  ] as const

  /** Everything that can be, in the order of the requests. */
  #answer(bytes: Buffer): void {
    const socket = this.#socket
    const { front } = this.#all
    const startedAt = performance.now()
    const answers: Answer[] = []
    let at = 0
    let rest: 'none' | 'partial' | 'odd' = 'none'
    socket.cork()
    while (at < bytes.length && socket.writableLength < batchBytes) {
      const request = readSimpleGet(bytes, at)
      const ready = request === 'partial' || request === null ? null : front.ready(request)
      if (request === 'partial' || request === null || ready === null) {
        rest = request === 'partial' ? 'partial' : 'odd'
        break
      }
      socket.write(this.#all.head(ready), 'latin1')
      if (ready.body !== null) socket.write(ready.body)
      answers.push({ target: request.target, ready })
      at = request.end
    }
    socket.uncork()
    if (front.accessLog !== null) this.#record(answers, startedAt)
    // A head may come in two pieces. Who sends it by drips gets the patience of node:http, which has an end.
    if (rest === 'partial' && at === 0 && this.#unread.length > 0) rest = 'odd'
    const left = at === bytes.length ? nothing : bytes.subarray(at)
    this.#unread = rest === 'none' ? nothing : left
    if (rest === 'odd') this.#handOver()
    else {
      if (socket.writableNeedDrain && (left.length > this.#unread.length || socket.writableLength > 0))
        this.#wait(left.subarray(this.#unread.length))
      this.#setTimeout(this.#patience())
    }
  }

  /** Until answers have left; nothing is read meanwhile. What was read already comes again, and the end behind it. */
  #wait(left: Buffer): void {
    this.#isWaiting = true
    this.#socket.pause()
    if (left.length > 0) this.#socket.unshift(left)
  }

  #patience(): number {
    if (this.#socket.writableLength > 0) return this.#all.limits.silenceMs
    return this.#unread.length > 0 ? this.#all.limits.headMs : this.#all.idleMs
  }

  #setTimeout(ms: number): void {
    if (this.#socket.timeout !== ms) this.#socket.setTimeout(ms)
  }

  /** Once they have left; most have, when this is called. */
  #record(answers: readonly Answer[], startedAt: number): void {
    if (answers.length === 0) return
    const { writableLength, errored } = this.#socket
    if (writableLength === 0 && errored === null) this.#log(answers, startedAt, false)
    else this.#socket.write(nothing, (error) => this.#log(answers, startedAt, error != null))
  }

  #log(answers: readonly Answer[], startedAt: number, isCut: boolean): void {
    const ms = millisecondsSince(startedAt)
    for (const { target, ready } of answers) {
      this.#all.front.accessLog?.write({
        client: this.#client,
        method: 'GET',
        path: target,
        status: ready.status,
        bytes: ready.body?.length ?? 0,
        ...(ready.cache === null ? {} : { cache: ready.cache }),
        ms,
        ...(isCut ? { isCut } : {}),
      })
    }
  }

  #handOver(): void {
    const socket = this.#socket
    for (const [event, listener] of this.#listeners) socket.off(event, listener)
    const unread = this.#unread
    this.#unread = nothing
    this.#all.handOver(this, socket, unread)
  }
}
