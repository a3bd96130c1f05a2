// Small universes, made at random, and the plainest judge of them: which sets of packages can be installed together
// is tried set by set, from the texts of the fields. Shares nothing with src/debian/installability but their reader.
import fc from 'fast-check'
import type { Package, RelationFields } from '../../src/debian/installability/fields.ts'
import { parseAlternatives, parseRelation, type Relation, splitField } from '../../src/debian/relations.ts'
import { compareVersions } from '../../src/debian/version.ts'

export const native = 'amd64'

/** A package, described shortly: `aPackageWith(1, 'foo 1.0', { depends: 'bar' })`, `'foo:i386 1.0'`. */
export function aPackageWith(id: number, what: string, fields: Partial<RelationFields> = {}): Package {
  const [nameAndArchitecture, version = '1'] = what.split(' ') as [string, string?]
  const [name, architecture = native] = nameAndArchitecture.split(':') as [string, string?]
  const empty = { multiArch: '', preDepends: '', depends: '', conflicts: '', breaks: '', provides: '' }
  return { id, name, version, architecture, ...empty, ...fields }
}

const architectureOf = ({ architecture }: Package) => (architecture === 'all' ? native : architecture)

function isVersionMet({ operator, version }: Relation, at: string | null): boolean {
  if (operator === null) return true
  if (at === null) return false
  const order = compareVersions(at, version)
  return { '<<': order < 0, '<=': order <= 0, '=': order === 0, '>=': order >= 0, '>>': order > 0 }[operator]
}

/** Debian's Multi-Arch specification, as a table of who may see whom. */
function isSeen(relation: Relation, owner: Package, target: Package, isNegative: boolean): boolean {
  const at = architectureOf(target)
  switch (relation.qualifier) {
    case '':
      return isNegative || at === architectureOf(owner) || target.multiArch === 'foreign'
    case 'any':
      return target.multiArch === 'allowed'
    case 'native':
      return at === native
    default:
      return at === relation.qualifier
  }
}

export function satisfies(relation: Relation, owner: Package, target: Package, isNegative = false): boolean {
  if (!isSeen(relation, owner, target, isNegative)) return false
  if (target.name === relation.name && isVersionMet(relation, target.version)) return true
  return splitField(target.provides).some((text) => {
    const { name, operator, version } = parseRelation(text)!
    return name === relation.name && isVersionMet(relation, operator === null ? null : version)
  })
}

export function conflicts(a: Package, b: Package): boolean {
  if (a.name === b.name) {
    const areSame = a.multiArch === 'same' && b.multiArch === 'same'
    return !(
      areSame &&
      architectureOf(a) !== architectureOf(b) &&
      compareVersions(a.version, b.version) === 0
    )
  }
  const forbids = (owner: Package, other: Package) =>
    [owner.conflicts, owner.breaks]
      .flatMap((field) => splitField(field))
      .some((text) => satisfies(parseRelation(text)!, owner, other, true))
  return forbids(a, b) || forbids(b, a)
}

/** The groups of alternatives that a package depends on. */
export function dependenciesOf(one: Package): Relation[][] {
  return [one.preDepends, one.depends]
    .flatMap((field) => splitField(field))
    .map((text) => parseAlternatives(text)!)
}

/** The ids of those that can be installed. Takes 2^n steps. */
export function installableByTrial(packages: readonly Package[]): Set<number> {
  const mask = (isIn: (other: Package, at: number) => boolean) =>
    packages.reduce((bits, other, at) => (isIn(other, at) ? bits | (1 << at) : bits), 0)
  const barred = packages.map((one, at) => mask((other, to) => at !== to && conflicts(one, other)))
  const needs = packages.map((one) =>
    dependenciesOf(one).map((group) =>
      mask((other) => group.some((relation) => satisfies(relation, one, other))),
    ),
  )
  let installable = 0
  for (let set = 1; set < 1 << packages.length; set++) {
    const isGood = packages.every(
      (_, at) =>
        (set & (1 << at)) === 0 ||
        ((set & barred[at]!) === 0 && needs[at]!.every((targets) => (set & targets) !== 0)),
    )
    if (isGood) installable |= set
  }
  return new Set(packages.filter((_, at) => (installable & (1 << at)) !== 0).map(({ id }) => id))
}

const realName = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const anyName = fc.oneof(
  { weight: 4, arbitrary: realName },
  { weight: 1, arbitrary: fc.constantFrom('v', 'w') },
)
const version = fc.constantFrom('1', '2', '3', '1-0')
const operator = fc.constantFrom('<<', '<=', '=', '>=', '>>')

function relationText(isForeign: boolean): fc.Arbitrary<string> {
  const qualifier = isForeign
    ? fc.oneof(
        { weight: 5, arbitrary: fc.constant('') },
        { weight: 2, arbitrary: fc.constantFrom(':any', ':native', ':i386') },
      )
    : fc.constant('')
  const restriction = fc.option(fc.tuple(operator, version), { nil: null, freq: 1 })
  return fc
    .tuple(anyName, qualifier, restriction)
    .map(
      ([name, at, versions]) => `${name}${at}${versions === null ? '' : ` (${versions[0]} ${versions[1]})`}`,
    )
}

function list(item: fc.Arbitrary<string>, separator: string, minLength: number, maxLength: number) {
  return fc.array(item, { minLength, maxLength }).map((items) => items.join(separator))
}

/** Packages that get in each other's way: few names, several versions; with `isForeign` two architectures. */
export function smallPackages(isForeign: boolean, maxLength = 9): fc.Arbitrary<Package[]> {
  const relation = relationText(isForeign)
  const one = fc.record({
    name: realName,
    version,
    architecture: isForeign
      ? fc.constantFrom('amd64', 'amd64', 'i386', 'i386', 'all')
      : fc.constantFrom('amd64', 'all'),
    multiArch: isForeign ? fc.constantFrom('', 'same', 'same', 'foreign', 'allowed') : fc.constant(''),
    preDepends: list(relation, ', ', 0, 1),
    depends: list(list(relation, ' | ', 1, 3), ', ', 0, 2),
    conflicts: list(relation, ', ', 0, 1),
    breaks: list(relation, ', ', 0, 1),
    provides: list(
      fc
        .tuple(anyName, fc.option(version, { nil: null }))
        .map(([name, at]) => (at === null ? name : `${name} (= ${at})`)),
      ', ',
      0,
      1,
    ),
  })
  const proper = one.map((fields) =>
    fields.architecture === 'all' && fields.multiArch === 'same' ? { ...fields, multiArch: '' } : fields,
  )
  return fc
    .array(proper, { minLength: 2, maxLength })
    .map((all) => all.map((fields, id) => ({ id: id + 1, ...fields })))
}
