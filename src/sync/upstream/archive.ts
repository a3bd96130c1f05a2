// What the upstream side of the program needs to be told of an archive.
import { type IndexKind, isFlatSuite, suiteFolder } from '../../debian/index-kinds.ts'
import type { Transport } from '../../pool/connections.ts'
import type { WantedKinds } from './wanted.ts'

export interface UpstreamUri {
  /** Ends without a slash. */
  readonly uri: string
  /** Null: all. */
  readonly suites: readonly string[] | null
  readonly architectures: readonly string[] | null
}

export interface UpstreamArchive {
  readonly name: string
  readonly uris: readonly UpstreamUri[]
  readonly suites: readonly string[]
  readonly components: readonly string[]
  /** With the foreign ones. */
  readonly architectures: readonly string[]
  readonly foreignArchitectures: readonly string[]
  readonly kinds: readonly IndexKind[]
  readonly languages: readonly string[]
  readonly keyringFiles: readonly string[]
  readonly keyFingerprints: readonly string[]
  releaseOf(suite: string): string | null
  readonly checksValidUntil: boolean
  readonly maxAgeSeconds: number
  /** Null: those of the public archives among the addresses. */
  readonly snapshotUris: readonly string[] | null
  readonly transport: Transport
}

/** The addresses that serve a suite. */
export function urisOfSuite(archive: UpstreamArchive, suite: string): string[] {
  return archive.uris.filter((one) => one.suites?.includes(suite) ?? true).map((one) => one.uri)
}

/** The addresses that serve an index of a suite, or (suite null) a package file, of an architecture. */
export function urisOfFile(
  archive: UpstreamArchive,
  suite: string | null,
  architecture: string | null,
): string[] {
  const isForAll = architecture === null || architecture === 'all' || architecture === 'any'
  return archive.uris
    .filter((one) => suite === null || (one.suites?.includes(suite) ?? true))
    .filter((one) => isForAll || (one.architectures?.includes(architecture) ?? true))
    .map((one) => one.uri)
}

/** The address of a suite's folder, without a slash at the end. */
export function folderUrl(uri: string, suite: string): string {
  const folder = suiteFolder(suite)
  return folder === '' ? uri : `${uri}/${folder}`
}

/** What is taken over of one suite. */
export function wantedKinds(archive: UpstreamArchive, suite: string): WantedKinds {
  const { components, architectures, kinds, languages } = archive
  return { components, architectures, kinds, languages, isFlat: isFlatSuite(suite) }
}

/** The architecture that a package file's name tells, for choosing an address; null where any will do. */
export function architectureOfPath(path: string): string | null {
  const architecture = /_([a-z0-9-]+)\.[a-z]*deb$/.exec(path)?.[1] ?? null
  return architecture === 'all' ? null : architecture
}
