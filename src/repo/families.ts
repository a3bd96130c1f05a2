// What moves as one: groups of the configuration, the sources of one kernel, and the packages that go with its ABI.
import { isEntry } from './classify.ts'
import { matchesGlob } from './globs.ts'
import { pendingOf } from './pending.ts'
import { type PendingItem, type PendingScope, pendingKey, subjectKey } from './pending-item.ts'
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
  const isChosen = new Set(items.map(subjectKey))
  const found = new Map<string, PendingItem>()
  // What goes with a superseded version is what the feeding channel had beside it; and each release is by itself.
  for (const group of Map.groupBy(items, (item) => `${item.release} ${item.revision}`).values()) {
    const { revision } = group[0]!
    const then = revision === null ? scope : { ...scope, revision }
    for (const item of companionsAt(repo, then, group)) {
      if (!isChosen.has(subjectKey(item))) found.set(pendingKey(item), item)
    }
  }
  return [...found.values()]
}

/** Of items of one release and one state of the feeding channel. */
function companionsAt(repo: Repo, scope: PendingScope, items: readonly PendingItem[]): PendingItem[] {
  const isChosen = new Set(items.map(subjectKey))
  const kin = relatives(repo, scope, items).filter((item) => !isChosen.has(subjectKey(item)))
  // The ABI shows in the names of packages that a relative brings.
  return [...kin, ...abiCompanions(scope, [...items, ...kin])]
}

function relatives(repo: Repo, scope: PendingScope, items: readonly PendingItem[]): PendingItem[] {
  const groups = groupsOf(repo, scope)
  const moving = items.filter(({ kind }) => isEntry(kind))
  const families = new Set(moving.flatMap((item) => familiesOf(item.source, groups)))
  if (families.size === 0) return []
  const globs = [...groups.flat(), 'linux*']
  const named = globs.flatMap((glob) => scope.store.views.sourcesLike(scope.feeding.id, glob))
  const sources = [...new Set(named)].filter((source) =>
    familiesOf(source, groups).some((family) => families.has(family)),
  )
  const releases = new Set(moving.map((item) => item.release))
  const waiting = pendingOf(scope, sources).filter((item) => isEntry(item.kind) && releases.has(item.release))
  return [...Map.groupBy(waiting, subjectKey).values()].flatMap(newestPerSuite)
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
      .filter((item) => kernelFamily(item.source) !== null && isEntry(item.kind))
      .flatMap((item) => item.arrived.flatMap(({ name }) => abi.exec(name)?.[0] ?? [])),
  )
  return [...abis].flatMap((text) => {
    const sources = views.sourcesOfBinariesLike(scope.feeding.id, `*-${text}*`)
    return pendingOf(scope, sources).filter(
      (item) =>
        isEntry(item.kind) &&
        items.some((one) => one.release === item.release) &&
        item.arrived.some(
          ({ name }) =>
            name.includes(text) &&
            views.sourcesOfBinariesLike(scope.target.id, name.replace(text, anyAbi)).length > 0,
        ),
    )
  })
}
