// The handler for channel URLs on a server of its own, over a published value made by hand.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Traffic } from '../../src/lib/traffic.ts'
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
}

export class ProxyRig implements AsyncDisposable {
  readonly pool: PoolRig
  readonly server: Server
  readonly traffic = new Traffic()
  readonly errors: unknown[] = []
  readonly used: string[] = []
  published: Published

  private constructor(pool: PoolRig, options: ProxyRigOptions) {
    this.pool = pool
    this.published = options.published
    const handle = createHandler(
      {
        published: () => this.published,
        files: options.files ?? pool.blobs,
        buffers: pool.buffers,
        traffic: this.traffic,
        memoryBytes: options.memoryBytes ?? 8 << 20,
        openPackage: ({ path }, file) => pool.open(file, path),
        signedFile: () => Promise.reject(new Error('There are none here')),
        isSuspect: (sha256) => pool.pool.isSuspect(sha256),
        onUsed: (_place, sha256) => void this.used.push(sha256),
        onError: (error) => void this.errors.push(error),
      },
      (_request, response) => void response.writeHead(404).end('elsewhere\n'),
    )
    this.server = createServer(handle)
  }

  static async start(options: ProxyRigOptions): Promise<ProxyRig> {
    const rig = new ProxyRig(await PoolRig.open(), options)
    await new Promise<void>((resolve) => rig.server.listen(0, '127.0.0.1', resolve))
    return rig
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}${path}`, { headers, method })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
    await this.pool[Symbol.asyncDispose]()
  }
}
