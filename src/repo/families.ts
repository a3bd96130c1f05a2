// What moves as one: groups of the configuration, the sources of one kernel, and the packages that go with its ABI.
import { matchesGlob } from './globs.ts'
import type { PendingItem, PendingScope } from './pending.ts'
import { pendingKey, pendingOf } from './pending.ts'
import type { Repo } from './repo.ts'
import { newestPerSuite } from './selectors.ts'

/** One source may be in several families. */
export function familiesOf(source: string, groups: readonly (readonly string[])[]): string[] {
  const configured = groups.flatMap((globs, at) =>
    globs.some((glob) => matchesGlob(glob, source)) ? [`group ${at + 1}`] : [],
  )
  const kernel = kernelFamily(source)
  return kernel === null ? configured : [...configured, kernel]
}

/**
 * Ubuntu builds a kernel from `linux`, `linux-signed`, `linux-meta` and `linux-restricted-modules`, each flavour
 * (`linux-aws`, `linux-signed-aws`, …) from its own; Debian's signed sources end in an architecture.
 */
function kernelFamily(source: string): string | null {
  const match =
    /^linux(?:-(?:signed|meta|restricted-modules|restricted-signatures|restricted-generate))?(?:-(.+))?$/.exec(
      source,
    )
  if (match === null) return null
  const flavour = match[1] ?? ''
  return `kernel ${/^(amd64|arm64|i386)$/.test(flavour) ? '' : flavour}`
}

/** The waiting items that have to come along with some. */
export function companionsOf(repo: Repo, scope: PendingScope, items: readonly PendingItem[]): PendingItem[] {
  const chosen = new Map(items.map((item) => [pendingKey(item), item]))
  const isChosenSource = new Set(items.map(sourceKey))
  const add = (found: readonly PendingItem[]) => {
    for (const item of found) {
      if (isChosenSource.has(sourceKey(item))) continue
      chosen.set(pendingKey(item), item)
    }
  }
  add(relatives(repo, scope, items))
  // The ABI shows in the names of packages that a relative brings.
  add(abiCompanions(scope, [...chosen.values()]))
  return [...chosen.values()].filter((item) => !isChosenSource.has(sourceKey(item)))
}

function sourceKey(item: PendingItem): string {
  return `${item.release} ${item.archiveId} ${item.source}`
}

function isEntry(item: PendingItem): boolean {
  return item.kind === 'update' || item.kind === 'new' || item.kind === 'late-binaries'
}

function relatives(repo: Repo, scope: PendingScope, items: readonly PendingItem[]): PendingItem[] {
  const groups = groupsOf(repo, scope)
  const moving = items.filter(isEntry)
  const families = new Set(moving.flatMap((item) => familiesOf(item.source, groups)))
  if (families.size === 0) return []
  const globs = [...groups.flat(), 'linux*']
  const named = globs.flatMap((glob) => scope.store.views.sourcesLike(scope.feeding.id, glob))
  const sources = [...new Set(named)].filter((source) =>
    familiesOf(source, groups).some((family) => families.has(family)),
  )
  const releases = new Set(moving.map((item) => item.release))
  const waiting = pendingOf(scope, sources).filter((item) => isEntry(item) && releases.has(item.release))
  return [...Map.groupBy(waiting, sourceKey).values()].flatMap(newestPerSuite)
}

export function groupsOf(
  repo: Repo,
  { target }: Pick<PendingScope, 'target'>,
): readonly (readonly string[])[] {
  return repo.channels.find((one) => one.name === target.name)?.together ?? []
}

const abi = /\d+\.\d+\.\d+-\d+/
const anyAbi = '[0-9]*.[0-9]*.[0-9]*-[0-9]*'

/** Packages for a new ABI, where the target has the like for an older one: modules that other sources build. */
function abiCompanions(scope: PendingScope, items: readonly PendingItem[]): PendingItem[] {
  const { views } = scope.store
  const abis = new Set(
    items
      .filter((item) => kernelFamily(item.source) !== null && isEntry(item))
      .flatMap((item) => item.arrived.flatMap(({ name }) => abi.exec(name)?.[0] ?? [])),
  )
  return [...abis].flatMap((text) => {
    const sources = views.sourcesOfBinariesLike(scope.feeding.id, `*-${text}*`)
    return pendingOf(scope, sources).filter(
      (item) =>
        isEntry(item) &&
        items.some((one) => one.release === item.release) &&
        item.arrived.some(
          ({ name }) =>
            name.includes(text) &&
            views.sourcesOfBinariesLike(scope.target.id, name.replace(text, anyAbi)).length > 0,
        ),
    )
  })
}
