// The handler for channel URLs on a server of its own, over a published value made by hand.
import { setImmediate } from 'node:timers/promises'
import type { AccessLine } from '../../src/lib/access-log.ts'
import { Traffic } from '../../src/lib/traffic.ts'
import { type Listener, listenHttp } from '../../src/listen.ts'
import type { PoolReader } from '../../src/pool/pool.ts'
import type { Access } from '../../src/proxy/access.ts'
import { createHandler } from '../../src/proxy/handler.ts'
import type { Published, PublishedFile } from '../../src/repo/published.ts'
import type { Blobs } from '../../src/store/blobs.ts'
import type { PoolFile } from '../../src/store/pool-files.ts'
import { PoolRig } from './pool.ts'

/** Channel `c` with archive `a`. */
export function publish(
  files: Readonly<Record<string, PublishedFile>>,
  packages: Readonly<Record<string, PoolFile>> = {},
): Published {
  const archive = { id: 1, name: 'a', suites: [], files: new Map(Object.entries(files)) }
  const channel = { id: 1, name: 'c', head: null, retainedSince: 0, validForSeconds: null, keys: [] }
  const empty = { ...channel, id: 2, name: 'empty', archives: new Map() }
  return {
    channels: new Map([
      ['c', { ...channel, archives: new Map([['a', archive]]) }],
      ['empty', empty],
    ]),
    findSnapshot: () => ({ type: 'absent', why: 'There are none here' }),
    auditKeys: [],
    findPackage: (_channel, _archive, path) => (Object.hasOwn(packages, path) ? packages[path]! : null),
  }
}

export interface ProxyRigOptions {
  readonly published: Published
  readonly memoryBytes?: number
  /** Where generated files are; by default with the package files. */
  readonly files?: Pick<Blobs, 'open'>
  /** Everything is answered by node:http. */
  readonly isPlain?: boolean
  readonly access?: Access
}

export class ProxyRig implements AsyncDisposable {
  readonly pool: PoolRig
  readonly traffic = new Traffic()
  readonly errors: unknown[] = []
  readonly used: string[] = []
  readonly lines: AccessLine[] = []
  /** Files that are being sent. */
  readonly readers = new Set<PoolReader>()
  /** No package file is opened before. */
  held: Promise<unknown> = Promise.resolve()
  /** Requests that node:http has read. */
  plainRequests = 0
  published: Published
  #opening = 0
  #listener!: Listener

  private constructor(pool: PoolRig, published: Published) {
    this.pool = pool
    this.published = published
  }

  static async start(options: ProxyRigOptions): Promise<ProxyRig> {
    const pool = await PoolRig.open()
    const rig = new ProxyRig(pool, options.published)
    const clients = createHandler(
      {
        published: () => rig.published,
        files: options.files ?? pool.blobs,
        buffers: pool.buffers,
        traffic: rig.traffic,
        memoryBytes: options.memoryBytes ?? 8 << 20,
        openPackage: ({ path }, file) => rig.#open(file, path),
        signedFile: () => Promise.reject(new Error('There are none here')),
        isSuspect: (sha256) => pool.pool.isSuspect(sha256),
        onUsed: (_place, sha256) => void rig.used.push(sha256),
        access: options.access ?? null,
        accessLog: { write: (line) => void rig.lines.push(line) },
        onError: (error) => void rig.errors.push(error),
      },
      (_request, response) => void response.writeHead(404, { 'Content-Length': 10 }).end('elsewhere\n'),
    )
    rig.#listener = await listenHttp(
      { host: '127.0.0.1', port: 0, certificate: null, connectionsPerClient: 2000 },
      (request, response) => {
        rig.plainRequests++
        clients.handle(request, response)
      },
      options.isPlain === true ? null : clients,
    )
    return rig
  }

  async #open(file: PoolFile, path: string): Promise<PoolReader> {
    this.#opening++
    await this.held
    const reader = await this.pool.open(file, path).finally(() => this.#opening--)
    this.readers.add(reader)
    const close = () => {
      this.readers.delete(reader)
      reader.close()
    }
    return new Proxy(reader, {
      get(target, name) {
        const value = name === 'close' ? close : Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  get port(): number {
    return this.#listener.port
  }

  /** Resolves when no client is connected any more, and nothing is done for one. */
  async left(): Promise<void> {
    const { server } = this.#listener
    const count = () =>
      new Promise<number>((resolve, reject) =>
        server.getConnections((error, connections) => (error ? reject(error) : resolve(connections))),
      )
    while ((await count()) + this.#opening + this.readers.size > 0) await setImmediate()
  }

  /** Stops the server in good order; the pool goes on. */
  stop(): Promise<void> {
    return this.#listener[Symbol.asyncDispose]()
  }

  get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}${path}`, { headers, method })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.server.closeAllConnections()
    await this.stop()
    await this.pool[Symbol.asyncDispose]()
  }
}
