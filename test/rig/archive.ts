// An upstream archive over HTTP that signs for real and lies on demand.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { formatReleaseDate } from '../../src/debian/date.ts'
import { makeSigningKey, Signer } from '../../src/trust/signing.ts'
import type { BuiltPackage } from './packages.ts'

/** How the server can misbehave on a path. */
export type Lie =
  /** Sends half of the body under the right length, then cuts the connection. */
  | { type: 'truncate' }
  /** Sends half of the body and then nothing more. */
  | { type: 'stall' }
  /** The right length, other bytes. */
  | { type: 'wrong-bytes' }
  /** A body that is shorter, with a length that says so. */
  | { type: 'short' }
  | { type: 'status'; status: number; body?: string; headers?: Record<string, string> }
  | { type: 'replace'; body: Buffer; headers?: Record<string, string> }
  /** Waits for the promise before it answers. */
  | { type: 'wait'; until: Promise<void> }
  /** Waits for the promise in the middle of the body. */
  | { type: 'pause'; until: Promise<void> }
  /** Sends half of the body, then resets the connection. */
  | { type: 'reset' }
  /** Sends the client elsewhere; by default to where it is already. */
  | { type: 'redirect'; to?: string }
  /** Some bytes at a time, for ever so long. */
  | { type: 'drip'; bytes: number; everyMs: number }
  /** Packs the body for the way. */
  | { type: 'gzip' }

export interface SuiteSpec {
  /** By component, by architecture. */
  readonly components: Record<string, Record<string, readonly BuiltPackage[] | Buffer>>
  readonly origin?: string
  readonly label?: string
  readonly suite?: string
  readonly codename?: string
  /** Further indexes by their path below the suite: listed, and served in the same forms. */
  readonly further?: Readonly<Record<string, string | Buffer>>
  /** Architectures that the Release names beside those of the indexes. */
  readonly alsoArchitectures?: readonly string[]
  /** Further fields, each with its newline. */
  readonly more?: string
  readonly date?: number
  readonly validUntil?: number
  readonly byHash?: boolean
  /** Which forms of an index to publish, beside listing the plain one. */
  readonly forms?: readonly ('gz' | 'xz' | 'zst' | 'plain')[]
  /** Sign with Release.gpg only. */
  readonly detached?: boolean
  /** Changes the Release text before it is signed. */
  readonly edit?: (release: string) => string
}

export interface LoggedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly status: number
}

interface Served {
  readonly body: Buffer
  readonly lastModified: string
}

export class FakeArchive implements AsyncDisposable {
  readonly #server: Server
  readonly #scheme: 'http' | 'https'
  readonly #folder: string
  readonly #files = new Map<string, Served>()
  readonly #lies: { pattern: RegExp; lie: Lie; times: number }[] = []
  readonly requests: LoggedRequest[] = []
  #signer: Signer
  /** The keyring file for `signed-by`. */
  readonly keyring: string
  readonly fingerprint: string
  /** Sends Last-Modified and honours If-Modified-Since. */
  isConditional = true
  /** Honours Range, and If-Range by equality. */
  isRanged = true
  #modified = Date.UTC(2026, 0, 1)

  private constructor(
    server: Server,
    scheme: 'http' | 'https',
    folder: string,
    signer: Signer,
    keyring: string,
    fingerprint: string,
  ) {
    this.#server = server
    this.#scheme = scheme
    this.#folder = folder
    this.#signer = signer
    this.keyring = keyring
    this.fingerprint = fingerprint
  }

  /** With `tls` over HTTPS. */
  static async start(tls?: ServerOptions): Promise<FakeArchive> {
    const folder = mkdtempSync(join(tmpdir(), 'uus-archive-'))
    const key = await makeSigningKey('test archive', 'ed25519', Date.UTC(2026, 0, 2))
    const keyring = join(folder, 'archive.asc')
    writeFileSync(keyring, key.publicKey)
    const server = tls === undefined ? createServer() : createTlsServer(tls)
    const scheme = tls === undefined ? 'http' : 'https'
    const signer = await Signer.fromArmored([key.privateKey], 'test archive')
    const archive = new FakeArchive(server, scheme, folder, signer, keyring, key.fingerprint)
    server.on('request', (request, response) => void archive.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return archive
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/debian`
  }

  /** From now on signs with another key; its keyring file. */
  async useOtherKey(): Promise<string> {
    const key = await makeSigningKey('other', 'ed25519', Date.UTC(2026, 0, 2))
    this.#signer = await Signer.fromArmored([key.privateKey], 'other')
    const path = join(this.#folder, `${key.fingerprint}.asc`)
    writeFileSync(path, key.publicKey)
    return path
  }

  /** Publishes a suite; whatever it had before is gone, but for package files and by-hash names. */
  async publish(path: string, spec: SuiteSpec): Promise<void> {
    // A flat suite stands beside its packages.
    const folder = path.endsWith('/') ? path.replace(/^\.?\/|\/$/g, '') : `dists/${path}`
    for (const name of [...this.#files.keys()]) {
      if (folder !== '' && name.startsWith(`${folder}/`) && !name.includes('/by-hash/'))
        this.#files.delete(name)
    }
    this.#modified += 1000
    const lines: string[] = []
    for (const [component, architectures] of Object.entries(spec.components)) {
      for (const [architecture, content] of Object.entries(architectures)) {
        const index = component === '' ? 'Packages' : `${component}/binary-${architecture}/Packages`
        lines.push(...this.#addIndex(folder, index, content, spec))
      }
    }
    for (const [index, text] of Object.entries(spec.further ?? {})) {
      lines.push(...this.#addIndex(folder, index, Buffer.from(text), spec))
    }
    await this.#sign(folder, renderRelease(path, spec, lines), spec)
  }

  #addIndex(
    folder: string,
    index: string,
    content: readonly BuiltPackage[] | Buffer,
    spec: SuiteSpec,
  ): string[] {
    const plain = Buffer.isBuffer(content)
      ? content
      : Buffer.from(content.map((one) => one.stanza).join('\n'))
    if (!Buffer.isBuffer(content)) for (const one of content) this.addFile(one.path, one.file)
    const lines = [line(index, plain)]
    for (const form of spec.forms ?? ['gz']) {
      const packed = pack(plain, form)
      const name = form === 'plain' ? index : `${index}.${form}`
      if (form !== 'plain') lines.push(line(name, packed))
      this.addFile(join(folder, name), packed)
      const hash = createHash('sha256').update(packed).digest('hex')
      const byHash = join(folder, index, '..', 'by-hash', 'SHA256', hash)
      if (spec.byHash !== false) this.addFile(byHash, packed)
    }
    return lines
  }

  async #sign(folder: string, text: string, spec: SuiteSpec): Promise<void> {
    const { inRelease, releaseGpg } = await this.#signer.sign(text, Date.UTC(2026, 0, 3))
    if (spec.detached) {
      this.addFile(join(folder, 'Release'), Buffer.from(text))
      this.addFile(join(folder, 'Release.gpg'), releaseGpg)
    } else this.addFile(join(folder, 'InRelease'), inRelease)
  }

  addFile(path: string, body: Buffer): void {
    this.#files.set(path, { body, lastModified: new Date(this.#modified).toUTCString() })
  }

  file(path: string): Buffer {
    return this.#files.get(path)!.body
  }

  removeFile(path: string): void {
    this.#files.delete(path)
  }

  /** Misbehaves on paths that match, this many times. */
  lie(pattern: RegExp, lie: Lie, times = Number.POSITIVE_INFINITY): void {
    this.#lies.push({ pattern, lie, times })
  }

  behave(): void {
    this.#lies.length = 0
  }

  /** Paths that were asked for since the last call, `METHOD path status`. */
  takeRequests(): string[] {
    return this.requests.splice(0).map(({ method, path, status }) => `${method} ${path} ${status}`)
  }

  #nextLie(path: string): Lie | null {
    const found = this.#lies.find((one) => one.times > 0 && one.pattern.test(path))
    if (found === undefined) return null
    found.times--
    return found.lie
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent((request.url ?? '').replace(/^\/debian\//, ''))
    const log = (status: number) =>
      this.requests.push({ method: request.method ?? '', path, headers: request.headers, status })
    const lie = this.#nextLie(path)
    const served = this.#files.get(path)
    if (lie?.type === 'wait') await lie.until
    if (lie?.type === 'status') {
      log(lie.status)
      const text = lie.body ?? 'no'
      response.writeHead(lie.status, { 'Content-Length': text.length, ...lie.headers }).end(text)
      return
    }
    if (lie?.type === 'redirect') {
      log(302)
      response.writeHead(302, { Location: lie.to ?? request.url ?? '/' }).end('elsewhere')
      return
    }
    const body = lie?.type === 'replace' ? lie.body : served?.body
    if (body === undefined) {
      log(404)
      response.writeHead(404).end('not found')
      return
    }
    if (this.isConditional && served !== undefined) {
      if (lie === null && request.headers['if-modified-since'] === served.lastModified) {
        log(304)
        response.writeHead(304).end()
        return
      }
      response.setHeader('Last-Modified', served.lastModified)
    }
    if (lie?.type === 'replace')
      for (const [name, value] of Object.entries(lie.headers ?? {})) response.setHeader(name, value)
    const range = served === undefined ? null : this.#rangeOf(request, body, served)
    if (range !== null) {
      response.setHeader('Content-Range', `bytes ${range}-${body.length - 1}/${body.length}`)
      response.statusCode = 206
    }
    log(response.statusCode)
    await sendBody(response, body.subarray(range ?? 0), lie)
  }

  /** Where `bytes=N-` begins; null for the whole. */
  #rangeOf({ headers }: IncomingMessage, body: Buffer, { lastModified }: Served): number | null {
    const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? Number.NaN)
    const isSame = headers['if-range'] === undefined || headers['if-range'] === lastModified
    return this.isRanged && isSame && start < body.length ? start : null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function sendBody(response: ServerResponse, body: Buffer, lie: Lie | null): Promise<void> {
  const half = body.subarray(0, Math.floor(body.length / 2))
  response.setHeader('Content-Length', body.length)
  switch (lie?.type) {
    case 'truncate':
      response.write(half, () => response.destroy())
      return
    case 'reset':
      response.write(half, () => (response.socket as Socket | null)?.resetAndDestroy())
      return
    case 'stall':
      response.write(half)
      return
    case 'short':
      response.setHeader('Content-Length', half.length).end(half)
      return
    case 'wrong-bytes': {
      const wrong = Buffer.from(body)
      wrong[wrong.length - 1]! ^= 1
      response.end(wrong)
      return
    }
    case 'pause':
      response.write(half)
      await lie.until
      response.end(body.subarray(half.length))
      return
    case 'drip':
      await drip(response, body, lie)
      return
    case 'gzip': {
      const packed = gzipSync(body)
      response.setHeader('Content-Encoding', 'gzip').setHeader('Content-Length', packed.length).end(packed)
      return
    }
    default:
      response.end(body)
  }
}

async function drip(
  response: ServerResponse,
  body: Buffer,
  { bytes, everyMs }: { bytes: number; everyMs: number },
): Promise<void> {
  for (let at = 0; at < body.length && !response.destroyed; at += bytes) {
    response.write(body.subarray(at, at + bytes))
    await setTimeout(everyMs)
  }
  response.end()
}

function line(path: string, data: Buffer): string {
  return ` ${createHash('sha256').update(data).digest('hex')} ${data.length} ${path}\n`
}

function pack(plain: Buffer, form: 'gz' | 'xz' | 'zst' | 'plain'): Buffer {
  switch (form) {
    case 'gz':
      return gzipSync(plain)
    case 'zst':
      return zstdCompressSync(plain)
    case 'xz':
      return spawnSync('xz', ['-c'], { input: plain, maxBuffer: 1e9 }).stdout
    case 'plain':
      return plain
  }
}

function renderRelease(path: string, spec: SuiteSpec, lines: readonly string[]): string {
  const codename = spec.codename ?? path
  const named = [
    ...Object.values(spec.components).flatMap((one) => Object.keys(one)),
    ...(spec.alsoArchitectures ?? []),
  ]
  const architectures = [...new Set(named)].filter((one) => one !== 'any')
  const text = `Origin: ${spec.origin ?? 'Test'}
Label: ${spec.label ?? 'Test'}
Suite: ${spec.suite ?? path}
Codename: ${codename}
Date: ${formatReleaseDate(spec.date ?? Date.UTC(2026, 10, 20))}
${spec.validUntil === undefined ? '' : `Valid-Until: ${formatReleaseDate(spec.validUntil)}\n`}${spec.byHash === false ? '' : 'Acquire-By-Hash: yes\n'}Architectures: ${architectures.join(' ')}
Components: ${Object.keys(spec.components)
    .filter((one) => !one.includes('/'))
    .join(' ')}
${spec.more ?? ''}SHA256:
${lines.join('')}`
  return spec.edit?.(text) ?? text
}
