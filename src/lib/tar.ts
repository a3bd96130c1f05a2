// Tar archives of our own making: written and read as streams, entry by entry.
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract, pack } from 'tar-stream'
import { MalformedError } from './errors.ts'

export interface TarEntry {
  readonly name: string
  readonly sizeBytes: number
  /** To be read to its end, or left alone, before the next entry. */
  readonly chunks: AsyncIterable<Buffer>
}

/** Writes entries to a stream, no faster than that takes them. */
export class TarWriter {
  readonly #pack = pack()
  readonly #done: Promise<void>
  readonly #mtime: Date

  constructor(sink: Writable, now: number) {
    this.#mtime = new Date(now)
    this.#done = pipeline(this.#pack, sink)
    this.#done.catch(() => {}) // met by `add` or `end`
  }

  async addBytes(name: string, bytes: Buffer): Promise<void> {
    await this.add({ name, sizeBytes: bytes.length, chunks: only(bytes) })
  }

  /** The chunks must come to exactly the size. */
  async add({ name, sizeBytes, chunks }: TarEntry): Promise<void> {
    const { promise: ended, resolve, reject } = Promise.withResolvers<null>()
    ended.catch(() => {})
    const header = { name, size: sizeBytes, mode: 0o600, mtime: this.#mtime }
    const entry = this.#pack.entry(header, (error) => {
      if (error == null) resolve(null)
      else reject(error)
    })
    for await (const chunk of chunks) {
      if (!entry.write(chunk)) await Promise.race([drained(entry), this.#done])
    }
    entry.end(null)
    await Promise.race([ended, this.#done])
  }

  async end(): Promise<void> {
    this.#pack.finalize()
    await this.#done
  }
}

function drained(stream: NodeJS.EventEmitter): Promise<void> {
  return new Promise((resolve) => stream.once('drain', resolve))
}

async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

/** The entries of an archive, in order; MALFORMED for what is none. `what` names it. */
export async function* readTar(source: Readable, what: string): AsyncGenerator<TarEntry> {
  const entries = extract()
  const feeding = pipeline(source, entries)
  feeding.catch(() => {}) // met by the loop
  try {
    for await (const entry of entries) {
      const { name, size = 0 } = entry.header
      yield { name, sizeBytes: size, chunks: entry as AsyncIterable<Buffer> }
      entry.resume()
    }
    await feeding
  } catch (error) {
    throw new MalformedError(what, `it is no whole tar archive (${(error as Error).message})`)
  }
}
