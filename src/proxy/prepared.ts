// A file as it is answered with: everything that does not depend on the single request, worked out once.
import { posix } from 'node:path'
import { formatHttpDate } from '../debian/date.ts'
import type { Sha256 } from '../lib/digest.ts'
import type { ChannelTraffic, Traffic } from '../lib/traffic.ts'
import { immutableSince } from '../repo/published.ts'
import type { PoolFile } from '../store/pool-files.ts'
import type { Found, Place } from './resolve.ts'

/** Where the bytes are. */
export type Source =
  /** In memory, for as long as they are published. */
  | { readonly type: 'bytes'; readonly bytes: Buffer }
  | { readonly type: 'generated'; readonly sha256: Sha256 }
  | { readonly type: 'package'; readonly sha256: Sha256 }

export interface Prepared {
  readonly type: 'prepared'
  readonly place: Place
  readonly source: Source
  readonly sizeBytes: number
  readonly lastModified: string
  /** With its quotes; null for what has none. */
  readonly etag: string | null
  readonly contentType: string
  /** Header names and values in turn: what identifies it. */
  readonly validators: readonly string[]
  /** Of every answer about this file. */
  readonly common: readonly string[]
  /** Of a 200: with type and length. */
  readonly whole: readonly string[]
  readonly traffic: ChannelTraffic
}

// Without `public`: what took a token is nothing for caches that others share.
const forEver = 'max-age=31536000, immutable'
const askEachTime = 'no-cache'

export function prepare(found: Found, traffic: Traffic): Prepared {
  const { place } = found
  const shape = shapeOf(found)
  const lastModified = formatHttpDate(shape.modified)
  const { source, sizeBytes, etag } = shape
  const validators = ['Last-Modified', lastModified, 'Accept-Ranges', 'bytes']
  if (etag !== null) validators.push('ETag', etag)
  const common = [...validators, 'Cache-Control', shape.isImmutable ? forEver : askEachTime]
  const contentType = contentTypeOf(place.path)
  return {
    type: 'prepared',
    place,
    source,
    sizeBytes,
    lastModified,
    etag,
    contentType,
    validators,
    common,
    whole: [...common, 'Content-Type', contentType, 'Content-Length', String(sizeBytes)],
    traffic: traffic.of(place.channel, place.archive),
  }
}

interface Shape {
  readonly source: Source
  readonly sizeBytes: number
  readonly modified: number
  readonly etag: string | null
  readonly isImmutable: boolean
}

function shapeOf(found: Found): Shape {
  if (found.type === 'file') return fileShape(found.file)
  const shape = packageShape(found.file)
  if (found.type === 'package') return shape
  const { lastModified: modified, isImmutable } = found.file
  return { ...shape, modified, isImmutable }
}

function packageShape({ sha256, sizeBytes }: PoolFile): Shape {
  return {
    source: { type: 'package', sha256 },
    sizeBytes,
    modified: immutableSince,
    etag: `"${sha256}"`,
    isImmutable: true,
  }
}

function fileShape(file: Extract<Found, { type: 'file' }>['file']): Shape {
  const { lastModified: modified } = file
  if (file.type === 'bytes') {
    const { bytes } = file
    const source = { type: 'bytes', bytes } as const
    return { source, sizeBytes: bytes.length, modified, etag: null, isImmutable: false }
  }
  const { sha256, sizeBytes, isImmutable } = file
  return {
    source: { type: 'generated', sha256 },
    sizeBytes,
    modified,
    etag: `"${sha256}"`,
    isImmutable,
  }
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
