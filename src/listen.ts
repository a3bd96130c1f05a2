// The HTTP server's sockets: opening them, with a sentence where that cannot be, what a client may take of them, and
// closing them in good order.
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Certificate } from './lib/certificate.ts'
import { systemCode, UusError } from './lib/errors.ts'
import { type Front, FrontConnections } from './proxy/front.ts'

// Longer than the pauses of apt between files, shorter than what its users notice.
const keepAliveMs = 65_000
/** So long without a byte in either direction, and the client is taken for gone. */
const silenceMs = 120_000
/** A request's head is there in one packet or two. Who drips it wants to keep the connection. */
const headMs = 15_000
const handshakeMs = 10_000
const lookEveryMs = 5000
const maxHeadBytes = 16 << 10

/** So long a request may take to come, with its body: uploads are large, and some lines slow. */
const requestMs = 3_600_000

const limits = {
  keepAliveTimeout: keepAliveMs,
  requestTimeout: requestMs,
  headersTimeout: headMs,
  connectionsCheckingInterval: lookEveryMs,
  maxHeaderSize: maxHeadBytes,
}

export interface Door {
  readonly host: string
  readonly port: number
  /** Null: plain http. */
  readonly certificate: Certificate | null
  /** How many connections an address may have; more are closed at once. */
  readonly connectionsPerClient: number
}

/** A server that listens. Disposing it stops it; answers that are under way may finish, for a while. */
export class Listener implements AsyncDisposable {
  readonly server: Server
  readonly #sockets: ReadonlySet<Socket>
  readonly #front: FrontConnections | null

  constructor(server: Server, sockets: ReadonlySet<Socket>, front: FrontConnections | null) {
    this.server = server
    this.#sockets = sockets
    this.#front = front
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  [Symbol.asyncDispose](): Promise<void> {
    return closeHttp(this.server, this.#sockets, this.#front)
  }
}

/** With a `front`, what can be is answered before `handle` comes to it; not through TLS. */
export async function listenHttp(
  door: Door,
  handle: RequestListener,
  front: Front | null = null,
): Promise<Listener> {
  const { host, port, certificate } = door
  const server = certificate === null ? createServer(limits, handle) : secureServer(certificate, handle)
  server.setTimeout(silenceMs)
  const frontLimits = { headMs, keepAliveMs, silenceMs }
  const connections =
    front === null || certificate !== null ? null : new FrontConnections(server, front, frontLimits)
  const sockets = followSockets(server)
  limitClients(server, door.connectionsPerClient)
  if (connections !== null) server.on('connection', connections.take)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const why = systemCode(error) === 'EADDRINUSE' ? 'the port is in use' : error.message
      reject(
        new UusError('LISTEN_FAILED', `Cannot listen on ${host}:${port}: ${why}`, {
          cause: error,
          hint: `Stop what listens there ("ss -ltnp sport = :${port}" names it), or choose another port with --listen`,
        }),
      )
    })
    server.listen(port, host, () => resolve())
  })
  server.on('error', () => {}) // a connection that could not be accepted
  return new Listener(server, sockets, connections)
}

function secureServer(certificate: Certificate, handle: RequestListener): TlsServer {
  const server = createTlsServer({ ...limits, handshakeTimeout: handshakeMs }, handle)
  // Connections that are open go on with the old one.
  certificate.follow((pair) => server.setSecureContext({ ...pair, minVersion: 'TLSv1.2' }))
  return server
}

/** One address cannot take all descriptors; a site behind one address has room for its machines. */
function limitClients(server: Server, most: number): void {
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (open.get(address) ?? 0) + 1
    if (count > most) {
      socket.destroy()
      return
    }
    open.set(address, count)
    socket.once('close', () => {
      const left = open.get(address)! - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
  })
}

/** Those that are open, with their layer of TLS. */
function followSockets(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  const follow = (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }
  server.on('connection', follow)
  server.on('secureConnection', follow)
  return sockets
}

const graceMs = 5000
const idleCheckMs = 100

/** Stops listening; answers that are under way may finish, for a while, and those that are queued behind them. */
async function closeHttp(
  server: Server,
  sockets: ReadonlySet<Socket>,
  front: FrontConnections | null,
): Promise<void> {
  if (!server.listening) return
  // To node:http what it handed to a socket counts as sent: the end would be cut off for a slow client.
  const closeIdle = server.closeIdleConnections.bind(server)
  server.closeIdleConnections = () => {
    if (![...sockets].some((socket) => socket.writableLength > 0)) closeIdle()
  }
  server.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false
  })
  const closed = new Promise((resolve) => server.close(resolve))
  front?.close()
  const idle = setInterval(() => server.closeIdleConnections(), idleCheckMs)
  const timer = setTimeout(() => {
    server.closeAllConnections()
    front?.destroy()
  }, graceMs)
  await closed
  clearTimeout(timer)
  clearInterval(idle)
  // Only then does everybody know that their answers are over.
  for (const socket of sockets) if (!socket.closed) await once(socket, 'close')
}
