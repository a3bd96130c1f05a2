// One JSON line for each answer: who got what, how much of it, from where and how fast. Written in batches; turning
// the file over is the operator's.
import { pino } from 'pino'
import { UusError } from './errors.ts'

export interface AccessLine {
  readonly client: string
  readonly method: string
  /** As it was asked for, without credentials. */
  readonly path: string
  readonly status: number
  /** Of the body. */
  readonly bytes: number
  /** Of package files: `hit`, `miss`, `joined` (it was being fetched already). */
  readonly cache?: string
  readonly ms: number
  /** The client left before the end. */
  readonly isCut?: true
}

const batchBytes = 32 << 10
const writeBytes = 64 << 10
const flushMs = 1000
const stdout = 1

type Destination = ReturnType<typeof pino.destination>

export class AccessLog implements AsyncDisposable {
  readonly #path: string | null
  readonly #destination: Destination
  #time = { at: 0, iso: '' }
  readonly #timer: NodeJS.Timeout
  #isClosed = false

  private constructor(path: string | null, destination: Destination) {
    this.#path = path
    this.#destination = destination
    this.#timer = setInterval(() => destination.flush(), flushMs).unref()
  }

  /**
   * To a file, or to stdout (null). CONFIG_INVALID if the file cannot be written. Later failures are told to
   * `onError`, and the lines are lost: a full disk must not end the server.
   */
  static async open(path: string | null, onError: (error: Error) => void): Promise<AccessLog> {
    const dest = path ?? stdout
    const destination = pino.destination({ dest, sync: false, minLength: batchBytes, maxWrite: writeBytes })
    await new Promise<void>((resolve, reject) => {
      destination.once('ready', resolve)
      destination.once('error', (error: Error) => reject(unwritable(path, error)))
    })
    destination.removeAllListeners('error')
    destination.on('error', onError)
    return new AccessLog(path, destination)
  }

  /** Lost, once it is disposed. */
  write(line: AccessLine): void {
    if (this.#isClosed) return
    const { client, method, path, status, bytes, cache, ms, isCut } = line
    const known = path.startsWith('/') ? path : withoutCredentials(path)
    // As the other log's lines begin; put together here, for a logger's ways take longer than to send a small file.
    const text =
      `{"type":"access","time":"${this.#now()}","client":${quote(client)},"method":${quote(method)},"path":${quote(known)}` +
      `,"status":${status},"bytes":${bytes}${cache === undefined ? '' : `,"cache":${quote(cache)}`},"ms":${ms}`
    this.#destination.write(isCut ? `${text},"isCut":true}\n` : `${text}}\n`)
  }

  /** Thousands of lines have the same millisecond. */
  #now(): string {
    const at = Date.now()
    if (at !== this.#time.at) this.#time = { at, iso: new Date(at).toISOString() }
    return this.#time.iso
  }

  /** The file was moved away: goes on in a new one of the same name. */
  reopen(): void {
    if (this.#path !== null) this.#destination.reopen(this.#path)
  }

  /** Once every line is in the file, in the order of the writes: a batch may be under way when the last ones come. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    await new Promise<void>((resolve) => {
      this.#destination.once('close', resolve).once('error', () => resolve())
      this.#destination.end()
    })
  }
}

/** As JSON has it. Most of what comes here needs nothing but its quotes. */
function quote(text: string): string {
  return /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(text) ? `"${text}"` : JSON.stringify(text)
}

function unwritable(path: string | null, error: Error): UusError {
  return new UusError('CONFIG_INVALID', `Cannot write the access log ${path}: ${error.message}`, {
    cause: error,
    hint: 'Name another file with "access-log", or make its folder and let the server write there',
  })
}

/** A proxy's clients write user and password of a source into the request line. */
function withoutCredentials(target: string): string {
  return target.replace(/^([a-z][a-z+.-]*:\/\/)[^/?#]*@/i, '$1')
}
