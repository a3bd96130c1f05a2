// What an upload changes in a local archive: decided from the catalogue, nothing done yet.
import { compareVersions } from '../../debian/version.ts'
import { UusError } from '../../lib/errors.ts'
import type { Archive, Suite, SuiteIndex } from '../../store/archives.ts'
import type { Store } from '../../store/store.ts'
import type { Placed } from '../../store/views.ts'
import type { InspectedDeb } from './inspect.ts'

export interface AddPlan {
  readonly archive: Archive
  readonly suites: readonly Suite[]
  readonly packages: readonly PlannedPackage[]
  /** What is superseded. */
  readonly leave: readonly Placed[]
}

export interface PlannedPackage {
  readonly deb: InspectedDeb
  /** Below the archive; fixed when the package was added first. */
  readonly path: string
  /** It is of the archive already, if only of other suites or of before. */
  readonly isKnown: boolean
  /** The indexes that lack it. */
  readonly indexes: readonly SuiteIndex[]
}

export interface Addition {
  readonly archive: string
  readonly suites: readonly string[]
  readonly packages: readonly {
    readonly deb: InspectedDeb
    readonly component: string
  }[]
}

/** UNKNOWN_NAME for a place that there is not, VERSION_TAKEN and PACKAGE_REFUSED for what may not enter there. */
export function planAddition(store: Store, addition: Addition): AddPlan {
  const archive = findLocal(store, addition.archive)
  const suites = addition.suites.map((name) => findSuite(store, archive, name))
  const indexes = store.archives
    .indexes()
    .filter((index) => suites.some((suite) => suite.id === index.suiteId) && index.frozenAt === null)
  refuseTwins(addition)
  const leave: Placed[] = []
  const packages = addition.packages.map(({ deb, component }): PlannedPackage => {
    const known = store.localPackages.find(archive.id, { ...deb, name: deb.package })
    if (known !== null && known.sha256 !== deb.sha256) throw taken(archive, deb)
    const path = known?.path ?? poolPath(deb, component)
    if (known === null && store.localPackages.findPath(archive.id, path) !== null)
      throw pathTaken(archive, deb)
    const { lacking, superseded } = compare(store, deb, chooseIndexes(archive, indexes, deb, component))
    leave.push(...superseded)
    return { deb, path, isKnown: known !== null, indexes: lacking }
  })
  return { archive, suites, packages, leave }
}

export function findLocal(store: Store, name: string): Archive {
  const all = store.archives.list()
  const found = all.find((archive) => archive.name === name)
  const locals = all.filter((archive) => archive.isLocal && archive.isConfigured).map((one) => one.name)
  const hint =
    locals.length === 0
      ? 'Add an archive with "local: true" to the configuration'
      : `Local archives are: ${locals.join(', ')}`
  if (found === undefined) throw new UusError('UNKNOWN_NAME', `There is no archive "${name}"`, { hint })
  if (!found.isLocal)
    throw new UusError('USAGE', `Archive ${name} is upstream's: nothing can be added to it`, { hint })
  if (!found.isConfigured)
    throw new UusError('USAGE', `Archive ${name} has left the configuration: it is frozen`, { hint })
  return found
}

function findSuite(store: Store, archive: Archive, name: string): Suite {
  const suites = store.archives.suites().filter((one) => one.archiveId === archive.id && one.isConfigured)
  const found = suites.find((suite) => suite.name === name)
  if (found !== undefined) return found
  throw new UusError('UNKNOWN_NAME', `Archive ${archive.name} has no suite "${name}"`, {
    hint: `Its suites are: ${suites.map((suite) => suite.name).join(', ')}`,
  })
}

function componentsOf(indexes: readonly SuiteIndex[]): string[] {
  return [...new Set(indexes.map((index) => index.component))]
}

function refuseTwins({ packages }: Addition): void {
  for (const { deb } of packages) {
    const twin = packages.find((one) => one.deb !== deb && identityOf(one.deb) === identityOf(deb))
    if (twin === undefined) continue
    throw new UusError('VERSION_TAKEN', `${deb.name} and ${twin.deb.name} are both ${identityOf(deb)}`, {
      hint: 'Add only one of them',
    })
  }
}

function identityOf(deb: InspectedDeb): string {
  return `${deb.package} ${deb.version} ${deb.architecture}`
}

function taken(archive: Archive, deb: InspectedDeb): UusError {
  return new UusError('VERSION_TAKEN', `${archive.name} has another file as ${identityOf(deb)}`, {
    hint: 'What a version means never changes: build the package with a higher version',
  })
}

function pathTaken(archive: Archive, deb: InspectedDeb): UusError {
  return new UusError(
    'VERSION_TAKEN',
    `${archive.name} has a file named like ${identityOf(deb)}, of another epoch`,
    {
      hint: 'File names do not tell epochs apart: build the package with a higher version',
    },
  )
}

/** As in Debian's pools: the epoch is no part of a file's name. */
function poolPath(deb: InspectedDeb, component: string): string {
  const { source, version, architecture } = deb
  const prefix = source.startsWith('lib') && source.length > 3 ? source.slice(0, 4) : source[0]!
  const file = `${deb.package}_${version.replace(/^\d+:/, '')}_${architecture}.deb`
  return `pool/${component}/${prefix}/${source}/${file}`
}

/** What is for every architecture stands in the index of each. */
function chooseIndexes(
  archive: Archive,
  indexes: readonly SuiteIndex[],
  deb: InspectedDeb,
  component: string,
): SuiteIndex[] {
  const inComponent = indexes.filter((index) => index.component === component)
  if (inComponent.length === 0) {
    throw new UusError('UNKNOWN_NAME', `Archive ${archive.name} has no component "${component}"`, {
      hint: `Its components are: ${componentsOf(indexes).join(', ')}`,
    })
  }
  const { architecture } = deb
  const chosen = inComponent.filter((index) => architecture === 'all' || index.architecture === architecture)
  if (chosen.length > 0) return chosen
  const known = [...new Set(inComponent.map((index) => index.architecture))].join(', ')
  throw new UusError(
    'PACKAGE_REFUSED',
    `${deb.name} is for ${architecture}, and ${archive.name} is for ${known}`,
    { hint: `Add ${architecture} to the archive's "architectures", or build for one of these` },
  )
}

/** A lower version than what stands there is refused: no client would ever take it. */
function compare(store: Store, deb: InspectedDeb, indexes: readonly SuiteIndex[]) {
  const shown = store.views.byName(store.channels.upstream().id, deb.package)
  const lacking: SuiteIndex[] = []
  const superseded: Placed[] = []
  for (const index of indexes) {
    const here = shown.filter((one) => one.indexId === index.id)
    if (here.some((one) => one.sha256 === deb.sha256)) continue
    const newer = here.find((one) => compareVersions(one.version, deb.version) > 0)
    if (newer !== undefined) {
      throw new UusError(
        'PACKAGE_REFUSED',
        `${index.archive}/${index.suite} has ${deb.package} ${newer.version}: nobody would take ${deb.version}`,
        {
          hint: `Build it with a higher version; or take that out: uus remove ${newer.source} --channel upstream`,
        },
      )
    }
    lacking.push(index)
    superseded.push(...here)
  }
  return { lacking, superseded }
}
