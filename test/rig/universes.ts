// Universes of real size: the packages that this host's apt knows, or made ones; parts of them, and parts that were
// damaged on purpose.
import { type Package, readRelationFields } from '../../src/debian/installability/fields.ts'
import { parseAlternatives, parseRelation, splitField } from '../../src/debian/relations.ts'
import { run } from './programs.ts'
import { native } from './small-universe.ts'

/** A whole number below the limit. */
export type Random = (limit: number) => number

/** The amd64 packages of the largest index in the lists of this host's apt; null where there are none. */
export async function hostPackages(): Promise<Package[] | null> {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(FILENAME)', 'Created-By: Packages'])
  let largest: Package[] = []
  for (const path of stdout.split('\n').filter((line) => line.includes(`binary-${native}`))) {
    const index = await run('/usr/lib/apt/apt-helper', ['cat-file', path])
    const packages = packagesOfIndex(index.stdout)
    if (packages.length > largest.length) largest = packages
  }
  return largest.length < 10_000 ? null : largest
}

export function packagesOfIndex(text: string): Package[] {
  return text
    .split(/\n\n+/)
    .filter((stanza) => stanza.trim() !== '')
    .map((stanza, at) => ({ id: at + 1, ...readRelationFields(Buffer.from(stanza)) }))
}

const libraries = 2000

/** Made packages in the manner of an archive: layers of libraries with versions, programs, mail servers that exclude each other. */
export function madePackages(random: Random, count: number): Package[] {
  const versionOf = (n: number) => `${1 + (n % 4)}.${n % 10}-${1 + (n % 3)}`
  return Array.from({ length: count }, (_, n) => {
    const isLibrary = n < libraries
    const below = Math.max(1, Math.min(n, libraries))
    const depends = Array.from({ length: n === 0 ? 0 : 1 + random(5) }, () => {
      const on = random(below)
      return [`lib${on}`, `lib${on} (>= ${versionOf(on)})`, `lib${on} | virtual${on % 50}`][random(3)]!
    })
    return {
      id: n + 1,
      name: isLibrary ? `lib${n}` : `program${n}`,
      version: versionOf(n),
      architecture: n % 3 === 0 ? 'all' : native,
      multiArch: isLibrary && n % 3 !== 0 ? 'same' : n % 7 === 0 ? 'foreign' : '',
      preDepends: '',
      depends: depends.join(', '),
      conflicts: n % 40 === 7 ? `virtual${n % 50}` : '',
      breaks: n % 11 === 3 ? `lib${random(libraries)} (<< 1.5)` : '',
      provides: n % 40 === 7 || n % 20 === 5 ? `virtual${n % 50}` : '',
    }
  })
}

/** Whatever names a package can be found under. */
function byName(packages: readonly Package[]): Map<string, Package[]> {
  const found = new Map<string, Package[]>()
  for (const one of packages) {
    const provided = splitField(one.provides).map((text) => parseRelation(text)?.name ?? '')
    for (const name of new Set([one.name, ...provided])) {
      const others = found.get(name)
      if (others === undefined) found.set(name, [one])
      else others.push(one)
    }
  }
  return found
}

/** Cuts parts out of a large universe: packages taken at random, each with what it depends on. */
export class Parts {
  readonly #packages: readonly Package[]
  readonly #byName: Map<string, Package[]>

  constructor(packages: readonly Package[]) {
    this.#packages = packages
    this.#byName = byName(packages)
  }

  part(random: Random, size: number): Package[] {
    const taken = new Set<Package>()
    while (taken.size < Math.min(size, this.#packages.length)) {
      const wanted = [this.#packages[random(this.#packages.length)]!]
      for (const one of wanted) {
        if (taken.has(one) || taken.size >= size) continue
        taken.add(one)
        wanted.push(...this.#needed(random, one))
      }
    }
    return [...taken]
  }

  /** For each dependency one package that may meet it. */
  #needed(random: Random, one: Package): Package[] {
    return splitField(`${one.preDepends},${one.depends}`).flatMap((text) => {
      const candidates = (parseAlternatives(text) ?? []).flatMap(({ name }) => this.#byName.get(name) ?? [])
      if (candidates.length === 0) return []
      return [candidates[random(4) === 0 ? random(candidates.length) : 0]!]
    })
  }
}

/**
 * The same with packages removed and versions moved up and down, some of them where many depend on them. What is
 * moved is another package, with an id of its own above `firstId`.
 */
export function damaged(random: Random, packages: readonly Package[], firstId: number): Package[] {
  const known = byName(packages)
  const victims = (count: number) =>
    new Set(
      Array.from({ length: count }, () => {
        const one = packages[random(packages.length)]!
        if (random(8) > 0) return one
        const relations = splitField(one.depends).flatMap((text) => parseAlternatives(text) ?? [])
        const name = relations[random(relations.length + 1)]?.name ?? one.name
        return known.get(name)?.[0] ?? one
      }),
    )
  const removed = victims(random(10))
  const moved = victims(1 + random(25))
  return packages
    .filter((one) => !removed.has(one))
    .map((one, at) => {
      const version = random(2) === 0 ? `${one.version}+moved` : '0~moved'
      return moved.has(one) ? { ...one, id: firstId + at, version } : one
    })
}

/** Every package of the native architecture on another one too, as an archive has them. */
export function onTwoArchitectures(packages: readonly Package[], foreign: string): Package[] {
  const copies = packages
    .filter(({ architecture }) => architecture !== 'all')
    .map((one) => ({ ...one, id: one.id + 1_000_000, architecture: foreign }))
  return [...packages, ...copies]
}
