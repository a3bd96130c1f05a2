// The HTTP server's sockets: opening them, with a sentence where that cannot be, what a client may take of them, and
// closing them in good order.
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
  readonly #front: FrontConnections | null

  constructor(server: Server, front: FrontConnections | null) {
    this.server = server
    this.#front = front
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  [Symbol.asyncDispose](): Promise<void> {
    return closeHttp(this.server, this.#front)
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
  return new Listener(server, connections)
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

const graceMs = 5000
const idleCheckMs = 100

/** Stops listening; answers that are under way may finish, for a while, and those that are queued behind them. */
export async function closeHttp(server: Server, front: FrontConnections | null = null): Promise<void> {
  if (!server.listening) return
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeIdleConnections()
  front?.close()
  const idle = setInterval(() => server.closeIdleConnections(), idleCheckMs)
  const timer = setTimeout(() => {
    server.closeAllConnections()
    front?.destroy()
  }, graceMs)
  await closed
  clearTimeout(timer)
  clearInterval(idle)
}
