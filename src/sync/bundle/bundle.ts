// A channel's state as one file, for slaves that no network reaches: the signed manifest, what it names, the packed blocks
// that the receiver lacks, and package files. Nothing in it is believed but by what the manifest says.

import { canonicalJson } from '../../lib/canonical-json.ts'
import { asSha256 } from '../../lib/digest.ts'
import { MalformedError } from '../../lib/errors.ts'
import { Decoder } from '../protocol/decode.ts'

export const bundleFormat = 1

/** The first member. */
export interface BundleHead {
  readonly channel: string
  readonly snapshot: string
  /** The receiver has this one already; null: nothing. */
  readonly since: string | null
}

export const headName = 'uus-bundle.json'
export const manifestName = 'manifest'
export const documentName = (digest: string) => `documents/${digest}`
export const packageName = (digest: string) => `packages/${digest}`
/** Bytes of a generated file, from `start` to before `end`. */
export const rangeName = (file: string, { start, end }: { start: number; end: number }) =>
  `ranges/${Buffer.from(file, 'hex').toString('base64url')}/${start}-${end}`

export function renderHead(head: BundleHead): Buffer {
  return Buffer.from(`${canonicalJson({ format: bundleFormat, ...head })}\n`)
}

export function parseHead(bytes: Buffer, path: string): BundleHead {
  const decoder = new Decoder(path)
  const raw = decoder.parse(bytes.toString())
  if (raw.format !== bundleFormat) {
    throw new MalformedError(path, `is a bundle of format ${String(raw.format)}`, {
      hint: 'Bring both servers to the same version',
    })
  }
  return {
    channel: decoder.text(raw.channel, 'channel'),
    snapshot: decoder.text(raw.snapshot, 'snapshot'),
    since: decoder.orNull(raw.since, 'since', (value, at) => decoder.text(value, at)),
  }
}

/** The digest that a member is named by. */
export function digestOf(name: string, folder: 'documents' | 'packages'): string | null {
  const digest = name.startsWith(`${folder}/`) ? name.slice(folder.length + 1) : ''
  return asSha256(digest)
}

export function parseRangeName(name: string): { file: string; start: number; end: number } | null {
  const [, file, start, end] = /^ranges\/([\w-]{43})\/(\d+)-(\d+)$/.exec(name) ?? []
  if (file === undefined) return null
  return { file: Buffer.from(file, 'base64url').toString('hex'), start: Number(start), end: Number(end) }
}
