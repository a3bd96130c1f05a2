// An index that a client of the forward proxy got: which package files it names. Runs in the jobs process.
import { PackagesReader } from '../../debian/packages.ts'
import { SourcesReader } from '../../debian/sources.ts'
import type { Sha256 } from '../../lib/digest.ts'
import { type Compression, decompress } from '../../lib/gzip.ts'
import { unxz } from '../../lib/xz.ts'
import type { Repo } from '../../repo/repo.ts'

export interface ForwardedIndex {
  readonly archive: string
  /** Below the archive; tells the kind and the packing. */
  readonly path: string
  /** A package-cache blob, checked against the signed Release. */
  readonly sha256: Sha256
  /** The size of its unpacked form, where the Release lists it. */
  readonly plainBytes: number | null
}

/** Without a listed size: more than any index we know. */
const plainLimit = 1 << 30

/** Whether an index names package files, and how it is packed; null for others. */
export function packageIndexOf(path: string): { isSources: boolean; compression: Compression } | null {
  const [, kind, suffix] = /(?:^|\/)(Packages|Sources)(?:\.(gz|xz|zst))?$/.exec(path) ?? []
  if (kind === undefined) return null
  return { isSources: kind === 'Sources', compression: (suffix ?? 'none') as Compression }
}

/** Remembers what it names. False if the blob is gone already. */
export async function readForwardedIndex(
  { store, packages }: Pick<Repo, 'store' | 'packages'>,
  { archive, path, sha256, plainBytes }: ForwardedIndex,
): Promise<boolean> {
  const { isSources, compression } = packageIndexOf(path)!
  const opened = await packages.open(sha256)
  if (opened === null) return false
  await using blob = opened
  const limit = plainBytes ?? plainLimit
  const chunks =
    compression === 'xz'
      ? unxz(await blob.read(0, blob.sizeBytes), limit, path)
      : decompress(blob.stream(0, blob.sizeBytes, 1 << 20), compression, limit, path)
  const packagesReader = new PackagesReader(path)
  const sourcesReader = new SourcesReader(path)
  const put = (files: readonly { path: string; sha256: Sha256; sizeBytes: number }[]) =>
    store.db.write((tx) => store.forwardedFiles.put(tx, archive, files), { preliminary: true })
  const filesOf = (chunk: Buffer | null) => {
    if (isSources) {
      const sources = chunk === null ? sourcesReader.end() : sourcesReader.push(chunk)
      return sources.flatMap(({ files }) => files)
    }
    return chunk === null ? packagesReader.end() : packagesReader.push(chunk)
  }
  for await (const chunk of chunks) put(filesOf(chunk))
  put(filesOf(null))
  return true
}
