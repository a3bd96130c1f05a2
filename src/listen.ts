// The HTTP server's socket: opening it, with a sentence where that cannot be, and closing it in good order.
import { createServer, type RequestListener, type Server } from 'node:http'
import { systemCode, UusError } from './lib/errors.ts'

// Longer than the pauses of apt between files, shorter than what its users notice.
const keepAliveMs = 65_000
/** So long without a byte in either direction, and the client is taken for gone. */
const silenceMs = 120_000
/** So long a request may take to come, with its body: uploads are large, and some lines slow. */
const requestMs = 3_600_000

export async function listenHttp(
  { host, port }: { readonly host: string; readonly port: number },
  handle: RequestListener,
): Promise<Server> {
  const server = createServer({ keepAliveTimeout: keepAliveMs, requestTimeout: requestMs }, handle)
  server.setTimeout(silenceMs)
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
  return server
}

const graceMs = 5000
const idleCheckMs = 100

/** Stops listening; answers that are under way may finish, for a while, and those that are queued behind them. */
export async function closeHttp(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeIdleConnections()
  const idle = setInterval(() => server.closeIdleConnections(), idleCheckMs)
  const timer = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearTimeout(timer)
  clearInterval(idle)
}
