// Which files of a Release are to be fetched. Pure.
import { posix } from 'node:path'
import { type IndexKind, type IndexPlace, indexPath } from '../../debian/index-kinds.ts'
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
export interface WantedIndex extends IndexPlace {
  /** The signed size of the unpacked text: nothing is unpacked beyond it. */
  readonly plainBytes: number
  /** `ALGORITHM:hex` of it. */
  readonly plainDigest: string
  /** Empty for an empty index. */
  readonly candidates: readonly Candidate[]
  /** Without it the suite is not adopted; any other that cannot be had stays as it was. */
  readonly isRequired: boolean
}

/** What is taken over of an archive. */
export interface WantedKinds {
  readonly components: readonly string[]
  readonly architectures: readonly string[]
  readonly kinds: readonly IndexKind[]
  readonly languages: readonly string[]
  readonly isFlat: boolean
}

// gz before xz: it unpacks as fast, and by Node's own library.
const forms: readonly (readonly [ending: string, compression: Compression])[] = [
  ['.gz', 'gz'],
  ['.zst', 'zst'],
  ['.xz', 'xz'],
  ['', 'none'],
]

/** Contents are unpacked while they stream, which .xz files are not. */
function formsOf(path: string): typeof forms {
  return /(^|\/)Contents-/.test(path) ? forms.filter(([, compression]) => compression !== 'xz') : forms
}

export interface WantedIndexes {
  readonly wanted: readonly WantedIndex[]
  /** Required, and not listed by the Release. */
  readonly missing: readonly IndexPlace[]
}

export function wantedIndexes(release: Release, options: WantedKinds): WantedIndexes {
  const required = options.isFlat ? [flatPackages] : packagesOf(options)
  const missing = required.filter((place) => !release.files.has(indexPath(place)))
  const further = options.isFlat
    ? options.kinds.includes('sources')
      ? [flatSources]
      : []
    : furtherPlaces(release, options)
  const describe = (place: IndexPlace, isRequired: boolean): WantedIndex[] => {
    const path = indexPath(place)
    const plain = release.files.get(path)
    return plain === undefined ? [] : [{ ...place, isRequired, ...describeFiles(release, path, plain) }]
  }
  return {
    wanted: [
      ...required.flatMap((place) => describe(place, true)),
      ...further.flatMap((place) => describe(place, isPackages(place))),
    ],
    missing,
  }
}

function isPackages(place: IndexPlace): boolean {
  return place.kind === 'packages'
}

/** A flat archive has one index for all architectures. */
export const flatPackages: IndexPlace = { kind: 'packages', component: '', architecture: 'any' }
const flatSources: IndexPlace = { kind: 'sources', component: '', architecture: 'source' }

function packagesOf({ components, architectures }: WantedKinds): IndexPlace[] {
  return components.flatMap((component) =>
    architectures.map((architecture) => ({ kind: 'packages' as const, component, architecture })),
  )
}

/** What the archive may have beside packages, and its architecture-independent packages where they stand apart. */
function furtherPlaces(release: Release, options: WantedKinds): IndexPlace[] {
  const { kinds, components, architectures, languages } = options
  const places: IndexPlace[] = []
  const hasAll = release.architectures.includes('all') && !architectures.includes('all')
  const standsApart = hasAll && !/\bPackages\b/.test(release.identity.noSupportForArchitectureAll ?? '')
  const add = (kind: IndexKind, component: string, names: readonly string[]) => {
    if (kind === 'packages' || kinds.includes(kind))
      places.push(...names.map((architecture) => ({ kind, component, architecture })))
  }
  for (const component of components) {
    if (standsApart) add('packages', component, ['all'])
    add('sources', component, ['source'])
    add('translations', component, languages)
    add('commands', component, architectures)
    add('components', component, architectures)
    add('icons', component, iconSizes(release, component))
    add('contents', component, [...architectures, ...(hasAll ? ['all'] : [])])
  }
  // Ubuntu's Contents are for the whole suite.
  add('contents', '', architectures)
  return places
}

function iconSizes(release: Release, component: string): string[] {
  const start = `${component}/dep11/icons-`
  return [...release.files.keys()]
    .filter((path) => path.startsWith(start) && path.endsWith('.tar'))
    .map((path) => path.slice(start.length, -'.tar'.length))
}

function describeFiles(release: Release, path: string, plain: ReleaseFile) {
  const candidates =
    plain.sizeBytes === 0
      ? []
      : formsOf(path).flatMap(([ending, compression]) => {
          const file = release.files.get(`${path}${ending}`)
          return file === undefined
            ? []
            : [{ file, compression, paths: pathsOf(`${path}${ending}`, file, release) }]
        })
  return { plainBytes: plain.sizeBytes, plainDigest: `${plain.algorithm}:${plain.digest}`, candidates }
}

function pathsOf(path: string, file: ReleaseFile, release: Release): string[] {
  const byHash = posix.join(posix.dirname(path), 'by-hash', file.algorithm, file.digest)
  return release.acquireByHash ? [byHash, path] : [path]
}

/** The refusal of a suite that lacks what the configuration asks for. */
export function incomplete(name: string, release: Release, missing: readonly IndexPlace[]): UusError {
  const list = missing.map((place) => posix.dirname(indexPath(place))).join(', ')
  return new UusError('RELEASE_INCOMPLETE', `${name} has no ${list === '.' ? 'Packages' : list}`, {
    hint: `It has components ${release.components.join(', ') || '-'} and architectures ${release.architectures.join(', ') || '-'}: mend "components" and "architectures", or, if upstream dropped it for good, run: uus update --accept ${name} --reason "…"`,
  })
}
