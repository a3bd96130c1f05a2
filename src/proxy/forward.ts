// The forward proxy: upstream's own archives through our cache, for hosts whose sources name upstream. Only hosts and
// paths of configured archives; only files that the archive's own keys signed, and below dists/ small ones besides.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { posix } from 'node:path'
import type { AccessLog } from '../lib/access-log.ts'
import { Networks } from '../lib/networks.ts'
import type { PoolFile } from '../store/pool-files.ts'
import { type Exchange, record } from './exchange.ts'
import { type Addressed, parseForwardTarget } from './forward-target.ts'
import { Handler, type ProxyContext, say } from './handler.ts'

/** Upstream's archives, as the forward proxy needs them. `path` is below the archive. */
export interface ForwardArchives {
  readonly archives: readonly Addressed[]
  /** Why an archive is not served, or null. */
  closedBecause(archive: string): string | null
  /** A file that is, or carries, the signature of a suite; revalidated. Null if upstream has none. */
  release(
    archive: string,
    path: string,
    client: string,
  ): Promise<{ readonly bytes: Buffer; readonly lastModified: number } | null>
  /** A file that such a one names. */
  index(
    archive: string,
    path: string,
    client: string,
  ): Promise<(PoolFile & { readonly lastModified: number; readonly isImmutable: boolean }) | null>
  /** A package file that an index names. */
  package(archive: string, path: string): Promise<PoolFile | null>
  /** A file that nothing names; small. Null if upstream has none. */
  passOn(archive: string, path: string): Promise<Buffer | null>
}

export interface ForwardContext extends Omit<ProxyContext, 'published' | 'signedFile'> {
  readonly upstream: ForwardArchives
  /** Null: everybody may use it. */
  readonly networks: readonly string[] | null
}

/** The name under which its traffic is counted: no channel can be called so. */
export const forwardName = 'forward proxy'

const signedNames: ReadonlySet<string> = new Set(['InRelease', 'Release', 'Release.gpg'])

export function createForwardHandler(context: ForwardContext) {
  const forward = new Forward(context)
  const { accessLog = null } = context
  return (request: IncomingMessage, response: ServerResponse): void => {
    const exchange: Exchange = { request, response, cache: null, sentBytes: 0 }
    if (accessLog !== null) record(exchange, accessLog as Pick<AccessLog, 'write'>)
    forward.handle(exchange)
  }
}

class Forward {
  readonly #context: ForwardContext
  readonly #files: Handler
  readonly #networks: Networks | null

  constructor(context: ForwardContext) {
    this.#context = context
    const never = () => {
      throw new Error('Internal error: the forward proxy has no channels')
    }
    this.#files = new Handler({ ...context, published: never, signedFile: never })
    this.#networks = context.networks === null ? null : new Networks(context.networks)
  }

  handle(exchange: Exchange): void {
    const { request } = exchange
    const client = request.socket.remoteAddress ?? ''
    const target = parseForwardTarget(request.url ?? '/', this.#context.upstream.archives)
    if (!(this.#networks?.has(client) ?? true)) say(exchange, 403, 'This proxy is not for your network')
    else if (target.type === 'usage') say(exchange, 406, usage)
    else if (target.type === 'malformed') say(exchange, 400, 'The request names no address of an archive')
    else if (target.type === 'refused') say(exchange, 403, target.why)
    else if (request.method !== 'GET' && request.method !== 'HEAD') {
      say(exchange, 405, `${request.method} is not possible here`, ['Allow', 'GET, HEAD'])
    } else {
      this.#serve(exchange, target.archive, target.path, client).catch((error) =>
        this.#files.fail(exchange, error),
      )
    }
  }

  async #serve(exchange: Exchange, archive: string, path: string, client: string): Promise<void> {
    const { upstream } = this.#context
    const closed = upstream.closedBecause(archive)
    if (closed !== null) {
      say(exchange, 403, closed)
      return
    }
    const place = { channel: forwardName, archive, path }
    if (!(this.#context.access?.admits(exchange.request, place) ?? true)) {
      const isProxied = !(exchange.request.url ?? '').startsWith('/')
      const status = isProxied ? 407 : 401
      const name = isProxied ? 'Proxy-Authenticate' : 'WWW-Authenticate'
      const why = `Archive ${archive} is not for everybody: it takes a token, or another network`
      say(exchange, status, why, [name, 'Basic realm="UUS"'])
      return
    }
    if (signedNames.has(posix.basename(path))) {
      const file = await upstream.release(archive, path, client)
      if (file === null) say(exchange, 404, 'Upstream does not have this file')
      else this.#files.answer(exchange, { type: 'file', place, file: { type: 'bytes', ...file } })
      return
    }
    const index = await upstream.index(archive, path, client)
    if (index !== null) {
      this.#files.answer(exchange, { type: 'index', place, file: index })
      return
    }
    const file = await upstream.package(archive, path)
    if (file !== null) this.#files.answer(exchange, { type: 'package', place, file })
    else if (path.startsWith('dists/')) await this.#passOn(exchange, archive, path)
    else
      say(
        exchange,
        404,
        'No signed index that came through this proxy names this file; run "apt update" first',
      )
  }

  async #passOn(exchange: Exchange, archive: string, path: string): Promise<void> {
    const bytes = await this.#context.upstream.passOn(archive, path)
    if (bytes === null) {
      say(exchange, 404, 'Upstream does not have this file')
      return
    }
    const { request, response } = exchange
    exchange.sentBytes = request.method === 'HEAD' ? 0 : bytes.length
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': bytes.length,
      'Cache-Control': 'no-store',
    })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  }
}

// auto-apt-proxy knows a cache on port 3142 by a 406 with these two words.
const usage = `Usage Information

This is the forward proxy of a UUS server. For apt: Acquire::http::Proxy "http://THIS-HOST:PORT";
or put it before an address: http://THIS-HOST:PORT/archive.example.org/ubuntu`
