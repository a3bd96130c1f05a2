// Sending a file that is not in memory: the next piece is read while the last ones are on their way, and never more is
// held than the client takes.
import type { ServerResponse } from 'node:http'
import type { Piece } from '../pool/copy.ts'
import type { FileReader } from '../pool/flight-reader.ts'

const quickBytes = 256 << 10
const carefulBytes = 64 << 10
/** How many pieces a client that takes them quickly may have under way, the one that is being read included. */
const quickPieces = 3
/** So much must have gone off without a halt, more than the kernel buffers, before a client counts as quick. */
const provenBytes = 8 << 20
/** A piece that takes longer to leave means that the client reads more slowly than we send. */
const slowMs = 100

/** Knows whether memory is short; see BufferPool. */
export interface Pressure {
  readonly isTight: boolean
}

export interface Section {
  readonly start: number
  readonly end: number
}

/**
 * Sends the bytes from `start` to before `end` and ends the response. Resolves when all are handed over, or when the
 * client is gone; `onSent` hears of bytes as they leave. Throws what keeps the bytes away, and leaves the response as it
 * is. The reader is the caller's to close; it is closed early if the client leaves.
 */
export async function sendBytes(
  response: ServerResponse,
  reader: FileReader,
  section: Section,
  pressure: Pressure,
  onSent: (bytes: number) => void,
): Promise<void> {
  const sender = new Sender(response, reader, pressure, onSent)
  response.once('close', () => sender.abandon())
  await sender.turn()
  await sender.send(section)
  if (!response.destroyed) response.end()
}

class Sender {
  readonly #response: ServerResponse
  readonly #reader: FileReader
  readonly #pressure: Pressure
  readonly #onSent: (bytes: number) => void
  /** Handed to the socket, and not taken by the kernel yet. */
  readonly #underWay = new Set<Piece>()
  #provenBytes = 0
  #isGone = false
  #onChange: (() => void) | null = null

  constructor(
    response: ServerResponse,
    reader: FileReader,
    pressure: Pressure,
    onSent: (bytes: number) => void,
  ) {
    this.#response = response
    this.#reader = reader
    this.#pressure = pressure
    this.#onSent = onSent
  }

  /** Behind another answer on the same connection nothing can leave yet, and no buffer is taken for it. */
  async turn(): Promise<void> {
    // Who left before this began is announced no more.
    if (this.#response.destroyed) this.abandon()
    if (this.#response.socket !== null) return
    this.#response.once('socket', () => this.#wake())
    while (this.#response.socket === null && !this.#isGone) await this.#change()
  }

  async send({ start, end }: Section): Promise<void> {
    let at = start
    let next: Promise<Piece> | null = null
    while (at < end && !this.#isGone) {
      while (next === null && !this.#isGone) {
        if (this.#underWay.size < this.#limit()) next = this.#read(at, end)
        else await this.#change()
      }
      const piece = await this.#arrived(next)
      if (piece === null) return
      at += piece.sizeBytes
      next = at < end && this.#underWay.size + 1 < this.#limit() ? this.#read(at, end) : null
      this.#put(piece)
    }
  }

  #isQuick(): boolean {
    return this.#provenBytes >= provenBytes && !this.#pressure.isTight
  }

  #limit(): number {
    if (this.#isQuick()) return quickPieces
    return this.#pressure.isTight ? 1 : 2
  }

  #read(at: number, end: number): Promise<Piece> {
    const reading = this.#reader.read(at, end, this.#isQuick() ? quickBytes : carefulBytes)
    reading.catch(() => {}) // met by `arrived`
    return reading
  }

  /** Null if the client left while we waited. */
  async #arrived(next: Promise<Piece> | null): Promise<Piece | null> {
    try {
      const piece = await next
      if (!this.#isGone) return piece
      piece?.release()
      return null
    } catch (error) {
      if (this.#isGone) return null
      throw error
    }
  }

  #put(piece: Piece): void {
    this.#underWay.add(piece)
    const startedAt = performance.now()
    const [first, ...rest] = piece.buffers
    if (rest.length > 0) this.#response.cork()
    this.#response.write(first, rest.length > 0 ? undefined : () => this.#left(piece, startedAt))
    for (const [index, buffer] of rest.entries()) {
      const isLast = index === rest.length - 1
      this.#response.write(buffer, isLast ? () => this.#left(piece, startedAt) : undefined)
    }
    if (rest.length > 0) this.#response.uncork()
  }

  #left(piece: Piece, startedAt: number): void {
    if (!this.#underWay.delete(piece)) return
    piece.release()
    this.#onSent(piece.sizeBytes)
    this.#provenBytes = performance.now() - startedAt > slowMs ? 0 : this.#provenBytes + piece.sizeBytes
    this.#wake()
  }

  /** The client is gone, or everything was sent. */
  abandon(): void {
    this.#isGone = true
    for (const piece of this.#underWay) piece.release()
    this.#underWay.clear()
    this.#reader.close()
    this.#wake()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve
    })
  }

  #wake(): void {
    this.#onChange?.()
    this.#onChange = null
  }
}
