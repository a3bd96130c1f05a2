// The data part of a .deb, walked through as a stream: to see that it can be unpacked at all and stays below the root,
// or to read one file out of it.
import { MalformedError } from '../../lib/errors.ts'
import { readRange } from '../../lib/random-access.ts'
import { type Subject, type UnpackLimits, unpack } from '../../lib/unpack.ts'
import { printable, rebuildHint } from './ar.ts'
import type { Deb } from './deb.ts'
import { readTar, type TarEntry } from './tar.ts'

export interface DataLimits extends UnpackLimits {
  /** Unpacked bytes for each packed one, beyond the first 256 MiB: nothing that is no bomb comes near. */
  readonly ratio: number
  readonly entries: number
}

// The largest package of Debian has 3.2 GB; the one with the most files some 100,000.
const usualLimits: DataLimits = { plainBytes: 64 * 2 ** 30, ratio: 1000, entries: 500_000, seconds: 900 }
const freeBytes = 256 << 20

/** What data.tar holds, as far as somebody wants to know. */
export interface DataFacts {
  readonly entries: number
  /** Of all files together. */
  readonly fileBytes: number
}

/** Unpacks the whole of data.tar to nowhere. MALFORMED where dpkg would stumble, or where it would do harm. */
export async function checkData(deb: Deb, limits: Partial<DataLimits> = {}): Promise<DataFacts> {
  const subject = subjectOf(deb)
  let entries = 0
  let fileBytes = 0
  for await (const { path, type, target, sizeBytes } of dataEntries(deb, limits)) {
    // Policy §10.6, §10.9: what is no file is made by scripts, where its maker sees what is there.
    if (type === 'device' || type === 'fifo')
      refuse(subject, `has ${printable(path)}, a device or a named pipe`)
    if (path === '' && type !== 'folder') refuse(subject, 'has a root that is no folder')
    if (type === 'link' && target === '') refuse(subject, `has ${printable(path)}, a hard link to nothing`)
    entries++
    fileBytes += sizeBytes
  }
  return { entries, fileBytes }
}

/** The entries of data.tar in their order, only as far as they are asked for. */
export function dataEntries(deb: Deb, limits: Partial<DataLimits> = {}): AsyncGenerator<TarEntry> {
  const { data } = deb.layout
  const { compression } = data
  const subject = subjectOf(deb)
  if (compression === 'bz2' || compression === 'lzma')
    refuse(
      { ...subject, hint: 'Build the package with -Zxz or -Zzstd' },
      `cannot be read: it is packed as .${compression}`,
    )
  const { plainBytes, ratio, entries, seconds } = { ...usualLimits, ...limits }
  const bounded = { plainBytes: Math.min(plainBytes, freeBytes + ratio * data.sizeBytes), seconds }
  const packed = readRange(deb.file, data.start, data.start + data.sizeBytes)
  return readTar(
    unpack(packed, compression, bounded, subject),
    { maxEntries: entries, allowsPax: false },
    subject,
  )
}

function subjectOf({ layout, what }: Deb): Subject {
  return { what: `${layout.data.name} of ${what}`, hint: rebuildHint }
}

function refuse({ what, hint }: Subject, why: string): never {
  throw new MalformedError(what, why, { hint })
}
