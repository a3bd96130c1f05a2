// The socket by which commands reach a running server: one call a connection, JSON lines.

import { chmodSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { z } from 'zod'
import { type ErrorValue, systemCode, UusError } from '../lib/errors.ts'
import type { Event } from '../lib/events.ts'
import type { Actor } from '../store/audit.ts'
import type { Call, Outcome } from './action.ts'
import type { StagedFile, UploadArea } from './upload-area.ts'

const request = z.union([
  z.object({ verb: z.string(), input: z.unknown(), actor: z.string() }),
  /** The files' bytes follow, one after the other. They are held until the caller closes the connection. */
  z.object({ upload: z.array(z.object({ sizeBytes: z.int().min(0) })) }),
])

type Answer =
  | { event: Event }
  | { result: Outcome }
  | { staged: readonly StagedFile[] }
  | { error: ErrorValue }

/** Calls an action by its name. */
export type CallVerb = (verb: string, input: unknown, call: Call) => Promise<Outcome>

/** Listens at `path` (mode 0660: who may connect is an administrator). The caller owns the data directory. */
export async function serveSocket(
  path: string,
  callVerb: CallVerb,
  uploads: Pick<UploadArea, 'stage' | 'release'>,
): Promise<Server> {
  rmSync(path, { force: true })
  const server = createServer((socket) => void answer(socket, callVerb, uploads))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new UusError('DATA_UNUSABLE', `Cannot listen on ${path}: ${error.message}`, {
          cause: error,
          hint: 'Keep the path of the data directory under 100 characters, on a file system that knows sockets',
        }),
      ),
    )
    // Nobody else may connect in the moment before chmod.
    const mask = process.umask(0o117)
    server.listen(path, () => resolve())
    process.umask(mask)
  })
  chmodSync(path, 0o660)
  return server
}

async function answer(
  socket: Socket,
  callVerb: CallVerb,
  uploads: Pick<UploadArea, 'stage' | 'release'>,
): Promise<void> {
  socket.on('error', () => {}) // the caller left; what it asked for goes on
  const send = (message: Answer) => {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`)
  }
  try {
    const line = await firstLine(socket)
    if (line === null) return
    const asked = request.parse(JSON.parse(line))
    if ('upload' in asked) {
      await takeUploads(socket, asked.upload, uploads, (staged) => send({ staged }))
      return
    }
    socket.resume() // so that it is noticed when the caller leaves
    const { verb, input, actor } = asked
    const call: Call = { actor: { name: actor, via: 'cli' }, emit: (event) => send({ event }) }
    send({ result: await callVerb(verb, input, call) })
  } catch (error) {
    send({ error: UusError.from(error).toValue() })
  } finally {
    socket.end()
  }
}

/** Until the caller leaves, the files are here. */
async function takeUploads(
  socket: Socket,
  files: readonly { readonly sizeBytes: number }[],
  uploads: Pick<UploadArea, 'stage' | 'release'>,
  tell: (staged: readonly StagedFile[]) => void,
): Promise<void> {
  const bytes = new ByteSource(socket)
  const staged: StagedFile[] = []
  try {
    for (const { sizeBytes } of files) staged.push(await uploads.stage(bytes.take(sizeBytes), sizeBytes))
    tell(staged)
    await bytes.end()
  } finally {
    for (const one of staged) await uploads.release(one)
  }
}

/** A connection's bytes, file by file. */
class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.#chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  async *take(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0; ) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next()
        if (next.done === true) return
        this.#rest = next.value
      }
      const chunk = this.#rest.subarray(0, left)
      this.#rest = this.#rest.subarray(chunk.length)
      left -= chunk.length
      yield chunk
    }
  }

  /** Resolves when the other side has closed. */
  async end(): Promise<void> {
    try {
      while ((await this.#chunks.next()).done !== true);
    } catch {
      // It was cut off, which is an end too.
    }
  }
}

const maxLineBytes = 16 << 20

/** The first line that comes; null if the other side leaves before it is complete. What follows it stays unread. */
function firstLine(socket: Socket): Promise<string | null> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let sizeBytes = 0
    const onReadable = () => {
      for (
        let chunk = socket.read() as Buffer | null;
        chunk !== null;
        chunk = socket.read() as Buffer | null
      ) {
        const at = chunk.indexOf(10)
        chunks.push(at < 0 ? chunk : chunk.subarray(0, at))
        sizeBytes += chunk.length
        if (at < 0 && sizeBytes <= maxLineBytes) continue
        socket.off('readable', onReadable)
        if (at >= 0 && at + 1 < chunk.length) socket.unshift(chunk.subarray(at + 1))
        resolve(at < 0 ? null : Buffer.concat(chunks).toString())
        return
      }
    }
    socket.on('readable', onReadable)
    socket.once('close', () => resolve(null))
  })
}

/** Lines end with a newline and nothing else: readline also splits at U+2028, which may stand inside JSON. */
function onLines(socket: Socket, take: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk) => {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop()!
    for (const line of lines) take(line)
  })
}

/** Calls a running server. Null where none answers. */
export async function callServer(
  path: string,
  verb: string,
  input: unknown,
  actor: Actor,
  emit: (event: Event) => void,
): Promise<Outcome | null> {
  const socket = await connect(path)
  if (socket === null) return null
  socket.write(`${JSON.stringify({ verb, input, actor: actor.name })}\n`)
  try {
    return await new Promise<Outcome>((resolve, reject) => {
      onLines(socket, (line) => {
        const message = JSON.parse(line) as Answer
        if ('event' in message) emit(message.event)
        else if ('error' in message) reject(UusError.fromValue(message.error))
        else if ('result' in message) resolve(message.result)
      })
      socket.once('error', reject)
      socket.once('close', () => reject(wentAway()))
    })
  } finally {
    socket.destroy()
  }
}

/** A file that is sent. */
export interface SentFile {
  readonly sizeBytes: number
  chunks(): AsyncIterable<Buffer>
}

/** What a running server holds for the caller until it is disposed. */
export interface HeldFiles extends Disposable {
  readonly staged: readonly StagedFile[]
}

/** Sends files to a running server: it need not be allowed to read them itself. Null where none answers. */
export async function sendFiles(path: string, files: readonly SentFile[]): Promise<HeldFiles | null> {
  const socket = await connect(path)
  if (socket === null) return null
  const held = (staged: readonly StagedFile[]) => ({ staged, [Symbol.dispose]: () => void socket.destroy() })
  const answered = new Promise<HeldFiles>((resolve, reject) => {
    onLines(socket, (line) => {
      const message = JSON.parse(line) as Answer
      if ('error' in message) reject(UusError.fromValue(message.error))
      else if ('staged' in message) resolve(held(message.staged))
    })
    socket.once('error', reject)
    socket.once('close', () => reject(wentAway()))
  })
  try {
    const sizes = files.map(({ sizeBytes }) => ({ sizeBytes }))
    socket.write(`${JSON.stringify({ upload: sizes })}\n`)
    // What is refused half-way is not sent to its end.
    await Promise.race([answered, sendAll(socket, files)])
    return await answered
  } catch (error) {
    answered.catch(() => {})
    socket.destroy()
    throw error
  }
}

async function sendAll(socket: Socket, files: readonly SentFile[]): Promise<void> {
  for (const file of files) {
    for await (const chunk of file.chunks()) {
      if (socket.destroyed) return
      // Called as well when the connection is gone, which the answer's reader tells.
      await new Promise<void>((resolve) => socket.write(chunk, () => resolve()))
    }
  }
}

function wentAway(): UusError {
  return new UusError('JOBS_DIED', 'The server went away before it answered', {
    hint: 'Nothing is lost or half done: repeat the command',
  })
}

function connect(path: string): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    socket.once('connect', () => resolve(socket))
    socket.once('error', (error) => {
      const code = systemCode(error)
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ECONNREFUSED') resolve(null)
      else if (code === 'EACCES') {
        reject(
          new UusError('DATA_UNUSABLE', `You may not talk to the server: ${path} belongs to others`, {
            cause: error,
            hint: 'Use sudo, or join the group that owns the socket',
          }),
        )
      } else if (code === 'EINVAL' || code === 'ENAMETOOLONG') {
        reject(
          new UusError('DATA_UNUSABLE', `The path of the server's socket is too long: ${path}`, {
            cause: error,
            hint: 'Keep the path of the data directory under 100 characters',
          }),
        )
      } else reject(error)
    })
  })
}
