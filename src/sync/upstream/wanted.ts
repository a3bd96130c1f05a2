// Which files of a Release are to be fetched. Pure.
import { posix } from 'node:path'
import type { Release, ReleaseFile } from '../../debian/release.ts'
import { UusError } from '../../lib/errors.ts'
import type { Compression } from '../../lib/gzip.ts'

/** One file that an index can be had as. Paths are relative to the suite's folder. */
export interface Candidate {
  readonly file: ReleaseFile
  readonly compression: Compression
  /** In the order to try. */
  readonly paths: readonly string[]
}

/** An index that the configuration asks for. */
export interface WantedIndex {
  readonly component: string
  readonly architecture: string
  /** The signed size of the unpacked text: nothing is unpacked beyond it. */
  readonly plainBytes: number
  /** `ALGORITHM:hex` of it. */
  readonly plainDigest: string
  /** Empty for an empty index. */
  readonly candidates: readonly Candidate[]
}

// gz before xz: it unpacks as fast, and by Node's own library.
const forms: readonly (readonly [ending: string, compression: Compression])[] = [
  ['.gz', 'gz'],
  ['.zst', 'zst'],
  ['.xz', 'xz'],
  ['', 'none'],
]

export interface WantedIndexes {
  readonly wanted: readonly WantedIndex[]
  /** What the configuration asks for and the Release does not list. */
  readonly missing: readonly { readonly component: string; readonly architecture: string }[]
}

export function wantedIndexes(
  release: Release,
  components: readonly string[],
  architectures: readonly string[],
): WantedIndexes {
  const wanted: WantedIndex[] = []
  const missing: { component: string; architecture: string }[] = []
  for (const component of components) {
    for (const architecture of architectures) {
      const path = `${component}/binary-${architecture}/Packages`
      const plain = release.files.get(path)
      if (plain === undefined) missing.push({ component, architecture })
      else wanted.push({ component, architecture, ...describe(release, path, plain) })
    }
  }
  return { wanted, missing }
}

function describe(release: Release, path: string, plain: ReleaseFile) {
  const candidates =
    plain.sizeBytes === 0
      ? []
      : forms.flatMap(([ending, compression]) => {
          const file = release.files.get(`${path}${ending}`)
          return file === undefined
            ? []
            : [{ file, compression, paths: pathsOf(`${path}${ending}`, file, release) }]
        })
  return { plainBytes: plain.sizeBytes, plainDigest: `${plain.algorithm}:${plain.digest}`, candidates }
}

function pathsOf(path: string, file: ReleaseFile, release: Release): string[] {
  const byHash = `${posix.dirname(path)}/by-hash/${file.algorithm}/${file.digest}`
  return release.acquireByHash ? [byHash, path] : [path]
}

/** The refusal of a suite that lacks what the configuration asks for. */
export function incomplete(name: string, release: Release, missing: WantedIndexes['missing']): UusError {
  const list = missing.map((one) => `${one.component}/binary-${one.architecture}`).join(', ')
  return new UusError('RELEASE_INCOMPLETE', `${name} has no ${list}`, {
    hint: `It has components ${release.components.join(', ') || '-'} and architectures ${release.architectures.join(', ') || '-'}: mend "components" and "architectures", or, if upstream dropped it for good, run: uus update --accept ${name} --reason "…"`,
  })
}
