// The changelog that a package brings along: /usr/share/doc/<package>/changelog.Debian.gz, or changelog.gz where the
// package is native (Policy §12.7). The folder may be a link to that of a sibling package (§12.3), which then has it.
import { posix } from 'node:path'
import { randomAccessTo, readRange } from '../../lib/random-access.ts'
import { type UnpackLimits, unpack } from '../../lib/unpack.ts'
import { type ChangelogPart, entriesSince } from '../changelog.ts'
import { isPackageName } from '../names.ts'
import { rebuildHint } from './ar.ts'
import { type DataLimits, dataEntries } from './data.ts'
import type { Deb } from './deb.ts'

export type PackageChangelog =
  | ({ readonly kind: 'read' } & ChangelogPart)
  /** Another package of the same source has it. */
  | { readonly kind: 'elsewhere'; readonly package: string }
  | { readonly kind: 'absent' }

/** In the order in which they count: `changelog` alone is upstream's where there is another. */
const fileNames = ['changelog.Debian.gz', 'changelog.Debian', 'changelog.gz', 'changelog']
const documentation = 'usr/share/doc'
const maxPackedBytes = 16 << 20
const unpackedLimits: UnpackLimits = { plainBytes: 256 << 20, seconds: 60 }

/**
 * The entries newer than `since` (null: all). Reads data.tar only as far as the changelog, and the changelog only as far as
 * `since`; keeps no more than its packed bytes.
 */
export async function readChangelog(
  deb: Deb,
  since: string | null,
  limits: Partial<DataLimits> = {},
): Promise<PackageChangelog> {
  const found = await findChangelog(deb, limits)
  if (found.kind !== 'file') return found
  const file = randomAccessTo(found.bytes)
  const subject = { what: `${found.path} of ${deb.what}`, hint: rebuildHint }
  const packed = readRange(file, 0, file.sizeBytes)
  const text = unpack(packed, found.path.endsWith('.gz') ? 'gz' : 'none', unpackedLimits, subject)
  return { kind: 'read', ...(await entriesSince(text, since, subject)) }
}

interface FoundFile {
  readonly kind: 'file'
  readonly path: string
  readonly bytes: Buffer
}

/** What was looked for is a link: where to look next. */
interface FoundLink {
  readonly kind: 'link'
  readonly paths: string[]
}

type Found = FoundFile | Exclude<PackageChangelog, { kind: 'read' }>

const maxHops = 4

/** Follows links within the package; each costs a walk of its own, because what they point to may have passed by. */
async function findChangelog(deb: Deb, limits: Partial<DataLimits>): Promise<Found> {
  let wanted = fileNames.map((name) => `${documentation}/${deb.control.name}/${name}`)
  for (let hop = 0; hop < maxHops; hop++) {
    const search = new ChangelogSearch(wanted)
    for await (const entry of dataEntries(deb, limits)) {
      if (search.isOver(entry.path)) break
      if (entry.type === 'file' && search.wants(entry.path))
        search.take(entry.path, await entry.read(maxPackedBytes))
      if (entry.type === 'symlink' || entry.type === 'link')
        search.link(entry.path, targetOf(entry.path, entry.type, entry.target ?? ''))
    }
    const result = search.result()
    if (result === null) return elsewhere(wanted, deb.control.name)
    if (result.kind === 'file') return result
    wanted = result.paths
  }
  return { kind: 'absent' }
}

/** Where a link leads, as a path below the root; a symbolic one may be relative to its folder. */
function targetOf(path: string, type: 'symlink' | 'link', target: string): string {
  if (type === 'link') return target
  return posix.join('/', target.startsWith('/') ? target : posix.join(posix.dirname(path), target)).slice(1)
}

/** What was looked for is not here: its folder's name says in which package it is, if a link led there. */
function elsewhere(wanted: readonly string[], own: string): Found {
  const name = wanted[0]!.startsWith(`${documentation}/`) ? wanted[0]!.split('/')[3]! : ''
  return name !== own && isPackageName(name) ? { kind: 'elsewhere', package: name } : { kind: 'absent' }
}

/** Collects what is wanted, or the link that leads there, from entries as they pass. */
class ChangelogSearch {
  readonly #wanted: readonly string[]
  readonly #folder: string
  #best = Number.POSITIVE_INFINITY
  #found: FoundFile | FoundLink | null = null

  constructor(wanted: readonly string[]) {
    this.#wanted = wanted
    this.#folder = posix.dirname(wanted[0]!)
  }

  /** No better one will come: the best is found, or (entries of a folder stand together) its folder is over. */
  isOver(path: string): boolean {
    return this.#best === 0 || (this.#best < this.#wanted.length && !path.startsWith(`${this.#folder}/`))
  }

  wants(path: string): boolean {
    const rank = this.#wanted.indexOf(path)
    return rank >= 0 && rank < this.#best
  }

  take(path: string, bytes: Buffer): void {
    this.#best = this.#wanted.indexOf(path)
    this.#found = { kind: 'file', path, bytes }
  }

  /** `target` stands for `path`, which is a wanted file, or a folder above all of them. */
  link(path: string, target: string): void {
    if (this.wants(path)) {
      this.#best = this.#wanted.indexOf(path)
      this.#found = { kind: 'link', paths: [target] }
    } else if (this.#folder === path || this.#folder.startsWith(`${path}/`)) {
      this.#best = 0
      this.#found = { kind: 'link', paths: this.#wanted.map((file) => `${target}${file.slice(path.length)}`) }
    }
  }

  /** Null where neither the file nor a link passed. */
  result(): FoundFile | FoundLink | null {
    return this.#found
  }
}
