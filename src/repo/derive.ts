// Indexes that go with packages (translations, command lists, AppStream metadata): which of upstream's entries belong
// to what a channel shows. They change only when a snapshot of the channel is made, and entries that upstream gave up
// are carried over for as long as a package needs them.
import { isDerivedKind } from '../debian/index-kinds.ts'
import type { SuiteIndex } from '../store/archives.ts'
import type { Channel } from '../store/channels.ts'
import type { Entry, PastEntry } from '../store/entries.ts'
import type { RecordKind } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { View, ViewChange } from '../store/views.ts'
import type { IndexChanges } from './changes.ts'

export interface DerivedIndex {
  readonly index: SuiteIndex
  /** Empty where nothing changes. */
  readonly change: ViewChange
}

export interface DeriveInput {
  readonly store: Store
  readonly channel: Channel
  /** The stanza indexes that the channel shows after the change. */
  readonly shown: readonly SuiteIndex[]
  /** What the change does to them; the database does not have it yet. */
  readonly changes: IndexChanges
  /** The suites that are published. */
  readonly suites: ReadonlySet<number>
}

/** The derived indexes that the channel shows of some suites, with what changes in each. */
export function deriveIndexes(input: DeriveInput): DerivedIndex[] {
  const { store, suites } = input
  return store.archives
    .allIndexes()
    .filter((index) => isDerivedKind(index.kind) && suites.has(index.suiteId))
    .flatMap((index) => {
      const packages = input.shown.filter((one) => goesWith(index, one))
      const offered = store.views.find(store.channels.upstream().id, index.id)
      if (packages.length === 0 || offered === null || offered.liveSince === null) return []
      return { index, change: deriveIndex(index, offered, packages, input) }
    })
}

/** Does an index go with the packages of another? */
export function goesWith(index: SuiteIndex, packages: SuiteIndex): boolean {
  if (packages.kind !== 'packages' || packages.suiteId !== index.suiteId) return false
  if (index.component !== '' && packages.component !== index.component) return false
  if (index.kind === 'translations' || index.kind === 'icons') return true
  return (
    packages.architecture === index.architecture ||
    packages.architecture === 'all' ||
    index.architecture === 'all'
  )
}

function deriveIndex(
  index: SuiteIndex,
  offered: View,
  packages: readonly SuiteIndex[],
  { store, channel, changes }: DeriveInput,
): ViewChange {
  const view = store.views.find(channel.id, index.id)
  const isNew = view === null || view.liveSince === null
  const names = isNew ? null : namesToLookAt(store, view, offered, packages, changes)
  const kind = index.kind as RecordKind
  const visible = packages.flatMap((one) => visiblePackages(store, channel, one, changes, names))
  const chosen = chooseEntries({
    isTranslation: kind === 'translations',
    visible,
    current: store.entries.visible(offered.id, kind, names),
    past: store.entries.past(offered.id, kind, names),
  })
  const present = view === null ? [] : store.entries.visible(view.id, kind, names).map((entry) => entry.id)
  const has = new Set(present)
  return { enter: [...chosen].filter((id) => !has.has(id)), leave: present.filter((id) => !chosen.has(id)) }
}

/** Packages that come or go, and packages of which upstream changed an entry since the last look. */
function namesToLookAt(
  store: Store,
  view: View,
  offered: View,
  packages: readonly SuiteIndex[],
  changes: IndexChanges,
): string[] {
  const names = new Set(store.views.namesChangedSince(offered.id, view.derivedAt))
  for (const { id } of packages) {
    const change = changes.get(id)
    if (change === undefined) continue
    for (const name of store.records.names([...change.enter, ...change.leave])) names.add(name)
  }
  return [...names]
}

/** What the channel shows after the change, of some names or of all. */
function visiblePackages(
  store: Store,
  channel: Channel,
  { id }: SuiteIndex,
  changes: IndexChanges,
  names: readonly string[] | null,
): VisiblePackage[] {
  const view = store.views.find(channel.id, id)
  const change = changes.get(id)
  const leaving = new Set(change?.leave)
  const staying = view === null ? [] : store.entries.describedPackages(view.id, names)
  const wanted = names === null ? null : new Set(names)
  const entering = store.entries
    .describedRecords(change?.enter ?? [])
    .filter(({ name }) => wanted === null || wanted.has(name))
  return [...staying.filter((one) => !leaving.has(one.id)), ...entering]
}

export interface VisiblePackage {
  readonly name: string
  readonly descriptionMd5: string | null
}

export interface EntryChoice {
  readonly isTranslation: boolean
  readonly visible: readonly VisiblePackage[]
  /** What upstream has now, and what it had before. */
  readonly current: readonly Entry[]
  readonly past: readonly PastEntry[]
}

/**
 * The entries that visible packages need: upstream's present ones, else the last that it had. A translation belongs to
 * a very description, everything else to a package; the head of an index (its name is empty) always belongs to it.
 * Pure.
 */
export function chooseEntries({ isTranslation, visible, current, past }: EntryChoice): Set<number> {
  const keyOf = (entry: Entry) => (isTranslation ? `${entry.name} ${entry.key}` : entry.name)
  const needed = new Set<string>(isTranslation ? [] : [''])
  for (const { name, descriptionMd5 } of visible) {
    if (!isTranslation) needed.add(name)
    else if (descriptionMd5 !== null) needed.add(`${name} ${descriptionMd5}`)
  }
  const chosen = new Set<number>()
  const found = new Set<string>()
  for (const entry of current) {
    const key = keyOf(entry)
    if (!needed.has(key)) continue
    chosen.add(entry.id)
    found.add(key)
  }
  const missed = past.filter((entry) => needed.has(keyOf(entry)) && !found.has(keyOf(entry)))
  for (const entries of Map.groupBy(missed, keyOf).values())
    for (const { id } of lastOf(entries)) chosen.add(id)
  return chosen
}

/** Those that were given up last. */
function lastOf(entries: readonly PastEntry[]): readonly PastEntry[] {
  const last = Math.max(...entries.map((entry) => entry.until))
  return entries.filter((entry) => entry.until === last)
}
