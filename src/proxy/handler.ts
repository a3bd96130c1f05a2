// HTTP for apt: channel URLs, looked up in the published state before anything else.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { posix } from 'node:path'
import { UpstreamError, UusError } from '../lib/errors.ts'
import { decodePath } from '../lib/url-path.ts'
import type { PoolReader } from '../pool/pool.ts'
import {
  immutableSince,
  type Published,
  type PublishedArchive,
  type PublishedChannel,
  type PublishedFile,
} from '../repo/published.ts'
import type { Blobs } from '../store/blobs.ts'
import type { PoolFile } from '../store/pool-files.ts'
import { type Content, respond, respondText } from './respond.ts'

export interface ProxyContext {
  /** The present state; changes between two calls when a commit happens. */
  published(): Published
  /** The generated files. */
  readonly files: Pick<Blobs, 'open'>
  /** Opens a package file, fetching it if need be. */
  openPackage(archive: string, path: string, file: PoolFile): Promise<PoolReader>
  /** Told of failures that a client met. */
  onError(error: unknown, path: string): void
}

export type NextHandler = (request: IncomingMessage, response: ServerResponse) => void

/** Answers what is below a channel's URL; hands everything else to `next`. */
export function createHandler(context: ProxyContext, next: NextHandler) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const found = resolve(context.published(), request.url ?? '/')
    if (found.type === 'elsewhere') {
      next(request, response)
      return
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      respondText(request, response, 405, `${request.method} is not possible here`, { Allow: 'GET, HEAD' })
      return
    }
    answer(context, found, request, response).catch((error) => fail(context, error, request, response))
  }
}

export type Resolved =
  /** Not a channel's URL. */
  | { readonly type: 'elsewhere' }
  | { readonly type: 'absent'; readonly why: string }
  | { readonly type: 'not-yet'; readonly channel: PublishedChannel }
  | { readonly type: 'file'; readonly file: PublishedFile; readonly path: string }
  | {
      readonly type: 'package'
      readonly archive: PublishedArchive
      readonly path: string
      readonly file: PoolFile
    }

/** What a request target names. A path is served only if a signed index of that very channel names it. */
export function resolve(published: Published, target: string): Resolved {
  const path = decodePath(target)
  if (path === null) return { type: 'elsewhere' }
  const [channelName, archiveName, ...rest] = path.split('/')
  const channel = published.channels.get(channelName!)
  if (channel === undefined) return { type: 'elsewhere' }
  if (channel.archives.size === 0) return { type: 'not-yet', channel }
  const archive = archiveName === undefined ? undefined : channel.archives.get(archiveName)
  if (archive === undefined) {
    return { type: 'absent', why: `Channel ${channel.name} has: ${[...channel.archives.keys()].join(', ')}` }
  }
  const name = rest.join('/')
  const file = archive.files.get(name)
  if (file !== undefined) return { type: 'file', file, path: name }
  // Some archives keep their packages below dists/: any path that an index names will do.
  const poolFile = name === '' ? null : published.findPackage(channel, archive, name)
  if (poolFile !== null) return { type: 'package', archive, path: name, file: poolFile }
  return { type: 'absent', why: `No index of channel ${channel.name} names this file` }
}

async function answer(
  context: ProxyContext,
  found: Exclude<Resolved, { type: 'elsewhere' }>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  switch (found.type) {
    case 'absent':
      respondText(request, response, 404, found.why)
      return
    case 'not-yet':
      respondText(request, response, 503, `Channel ${found.channel.name} is not published yet`, {
        'Retry-After': '30',
      })
      return
    case 'file':
      await answerFile(context, found.file, found.path, request, response)
      return
    case 'package':
      await answerPackage(context, found, request, response)
  }
}

const forEver = 'public, max-age=31536000, immutable'
const askEachTime = 'no-cache'

async function answerFile(
  context: ProxyContext,
  file: PublishedFile,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const contentType = contentTypeOf(path)
  if (file.type === 'bytes') {
    const { bytes, lastModified } = file
    const content: Content = {
      sizeBytes: bytes.length,
      lastModified,
      etag: null,
      cacheControl: askEachTime,
      contentType,
      stream: (start, end) => bytes.subarray(start, end),
    }
    await respond(request, response, content)
    return
  }
  await using blob = await context.files.open(file.sha256)
  if (blob === null) {
    throw new UusError('DATA_UNUSABLE', `A published file is missing: ${path} (${file.sha256})`, {
      hint: 'Make it again: uus fsck --repair',
    })
  }
  await respond(request, response, {
    sizeBytes: file.sizeBytes,
    lastModified: file.lastModified,
    etag: `"${file.sha256}"`,
    cacheControl: file.isImmutable ? forEver : askEachTime,
    contentType,
    stream: (start, end) => (end <= start ? Buffer.alloc(0) : blob.stream(start, end)),
  })
}

async function answerPackage(
  context: ProxyContext,
  { archive, path, file }: Extract<Resolved, { type: 'package' }>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const etag = `"${file.sha256}"`
  const describe = (stream: Content['stream']): Content => ({
    sizeBytes: file.sizeBytes,
    lastModified: immutableSince,
    etag,
    cacheControl: forEver,
    contentType: contentTypeOf(path),
    stream,
  })
  if (request.method === 'HEAD') {
    await respond(
      request,
      response,
      describe(() => Buffer.alloc(0)),
    )
    return
  }
  await using reader = await context.openPackage(archive.name, path, file)
  await reader.ready()
  await respond(
    request,
    response,
    describe((start, end) => reader.stream(start, end)),
  )
}

function contentTypeOf(path: string): string {
  switch (posix.extname(path)) {
    case '.deb':
    case '.udeb':
    case '.ddeb':
      return 'application/vnd.debian.binary-package'
    case '.gz':
      return 'application/gzip'
    case '.xz':
      return 'application/x-xz'
    case '.gpg':
      return 'application/pgp-signature'
    default:
      return path.includes('/by-hash/') ? 'application/octet-stream' : 'text/plain; charset=utf-8'
  }
}

/** What a client is told when it cannot have a file. Once the head is out, only cutting the connection is left. */
function fail(
  context: ProxyContext,
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  context.onError(error, request.url ?? '')
  if (response.headersSent) {
    response.destroy()
    return
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  const known = UusError.from(error)
  if (known instanceof UpstreamError && known.isAbsent) {
    respondText(request, response, 404, 'Upstream does not have this file any more')
    return
  }
  const { httpStatus } = known.descriptor
  const text = known.code === 'INTERNAL' ? 'Internal error' : known.message
  respondText(request, response, Math.max(httpStatus, 500), text, { 'Retry-After': '10' })
}
