// The socket by which commands reach a running server: one call a connection, JSON lines.
import { chmodSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { z } from 'zod'
import { type ErrorValue, systemCode, UusError } from '../lib/errors.ts'
import type { Event } from '../lib/events.ts'
import type { Actor } from '../store/audit.ts'
import type { Call, Outcome } from './action.ts'

const request = z.object({ verb: z.string(), input: z.unknown(), actor: z.string() })

type Answer = { event: Event } | { result: Outcome } | { error: ErrorValue }

/** Calls an action by its name. */
export type CallVerb = (verb: string, input: unknown, call: Call) => Promise<Outcome>

/** Listens at `path` (mode 0660: who may connect is an administrator). The caller owns the data directory. */
export async function serveSocket(path: string, callVerb: CallVerb): Promise<Server> {
  rmSync(path, { force: true })
  const server = createServer((socket) => void answer(socket, callVerb))
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

async function answer(socket: Socket, callVerb: CallVerb): Promise<void> {
  socket.on('error', () => {}) // the caller left; what it asked for goes on
  const send = (message: Answer) => {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`)
  }
  try {
    const line = await firstLine(socket)
    if (line === null) return
    const { verb, input, actor } = request.parse(JSON.parse(line))
    const call: Call = { actor: { name: actor, via: 'cli' }, emit: (event) => send({ event }) }
    send({ result: await callVerb(verb, input, call) })
  } catch (error) {
    send({ error: UusError.from(error).toValue() })
  } finally {
    socket.end()
  }
}

/** The first line that comes; null if the other side leaves before it is complete. */
function firstLine(socket: Socket): Promise<string | null> {
  return new Promise((resolve) => {
    onLines(socket, resolve)
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
        else resolve(message.result)
      })
      socket.once('error', reject)
      socket.once('close', () => reject(wentAway()))
    })
  } finally {
    socket.destroy()
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
