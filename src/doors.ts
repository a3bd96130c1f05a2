// Which addresses the server listens on, and whom each lets in: clients, administrators, or both.
import type { IncomingMessage, RequestListener } from 'node:http'
import type { Config } from './config/config.ts'
import { Certificate } from './lib/certificate.ts'
import type { UusError } from './lib/errors.ts'
import { type Door, listenHttp } from './listen.ts'
import type { Front } from './proxy/front.ts'

export interface Doors extends AsyncDisposable {
  /** Of `listen`. */
  readonly port: number
  /** Further ones, in words. */
  readonly others: readonly string[]
  /** Whether a request came in where administrators may. */
  letsAdminsIn(request: IncomingMessage): boolean
  /** Reads the certificate anew. */
  reload(): void
}

export async function openDoors(
  config: Config,
  handle: RequestListener,
  front: Front,
  onError: (error: UusError) => void,
): Promise<Doors> {
  const { tls, adminListen } = config
  const stack = new AsyncDisposableStack()
  const ofAdmins = new WeakSet<IncomingMessage>()
  const open = async (
    at: Pick<Door, 'host' | 'port'>,
    certificate: Certificate | null,
    listener = handle,
  ) => {
    const door = { ...at, certificate, connectionsPerClient: config.clients.connections }
    return stack.use(await listenHttp(door, listener, listener === handle ? front : null)).port
  }
  try {
    const certificate = tls === null ? null : stack.use(new Certificate(tls, onError))
    const others: string[] = []
    const port = await open(config.listen, tls?.listen == null ? certificate : null)
    if (tls?.listen != null)
      others.push(`Serving TLS on ${tls.listen.host}:${await open(tls.listen, certificate)}`)
    if (adminListen !== null) {
      const adminPort = await open(adminListen, certificate, (request, response) => {
        ofAdmins.add(request)
        handle(request, response)
      })
      others.push(`Serving administrators on ${adminListen.host}:${adminPort}`)
    }
    const owned = stack.move()
    return {
      port,
      others,
      letsAdminsIn: (request) => adminListen === null || ofAdmins.has(request),
      reload: () => void certificate?.reload(),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}
