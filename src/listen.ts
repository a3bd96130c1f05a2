// The HTTP server's socket: opening it, with a sentence where that cannot be, and closing it in good order.
import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { systemCode, UusError } from './lib/errors.ts'

// Longer than the pauses of apt between files, shorter than what its users notice.
const keepAliveMs = 65_000
/** So long without a byte in either direction, and the client is taken for gone. */
const silenceMs = 120_000
/** So long a request may take to come, with its body: uploads are large, and some lines slow. */
const requestMs = 3_600_000

export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

export async function listenHttp(
  { host, port }: { readonly host: string; readonly port: number },
  handle: RequestListener,
  /** A certificate of ours and its key (PEM files): TLS. Read anew when they change. */
  tls: CertificateFiles | null = null,
): Promise<Server> {
  const options = { keepAliveTimeout: keepAliveMs, requestTimeout: requestMs }
  const server = tls === null ? createServer(options, handle) : listenTls(tls, options, handle)
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

function listenTls(files: CertificateFiles, options: object, handle: RequestListener): TlsServer {
  const server = createTlsServer({ ...options, ...readCertificate(files) }, handle)
  // They are renewed under a running server. One that cannot be used (half written) leaves the one before.
  const renew = () => {
    try {
      server.setSecureContext(readCertificate(files))
    } catch {
      return
    }
  }
  for (const path of [files.cert, files.key])
    watchFile(path, { persistent: false, interval: certificateCheckMs }, renew)
  server.once('close', () => {
    for (const path of [files.cert, files.key]) unwatchFile(path, renew)
  })
  return server
}

const certificateCheckMs = 60_000

function readCertificate({ cert, key }: CertificateFiles) {
  try {
    return { cert: readFileSync(cert), key: readFileSync(key) }
  } catch (error) {
    throw new UusError('CONFIG_INVALID', `Cannot read the certificate: ${(error as Error).message}`, {
      cause: error,
      hint: 'Mend "tls.cert" and "tls.key" in the configuration',
    })
  }
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
