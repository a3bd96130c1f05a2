// Guards: a loss that looks like a glitch or a slip stops and asks.
import { compareVersions } from '../debian/version.ts'
import type { Store } from '../store/store.ts'
import type { Placed, ViewChange } from '../store/views.ts'

/** What an index would lose, as far as it is a loss: names that clients find nowhere else in the release. */
export interface Loss {
  readonly before: number
  readonly after: number
  readonly names: readonly string[]
  /** Those without which a system does not work. */
  readonly vital: readonly string[]
}

const tolerated = { packages: 20, share: 0.2 }

/** Why the loss needs somebody to say that it is meant, or null. */
export function objectionTo({ before, after, names, vital }: Loss): string | null {
  if (vital.length > 0) return `it would lose ${listSome(vital)}, without which systems do not work`
  const counted = names.filter((name) => !isKernelAbi(name))
  if (counted.length === 0) return null
  if (after === 0) return `all its ${before} packages would be gone`
  if (counted.length <= tolerated.packages || counted.length <= before * tolerated.share) return null
  return `it would lose ${counted.length} of its ${before} packages: ${listSome(counted)}`
}

/** Packages of one kernel ABI (`linux-image-6.1.0-30-amd64`) go as the next ones come. */
function isKernelAbi(name: string): boolean {
  return /^linux-.+-\d+(\.\d+)+-\d+(-[a-z0-9.+-]+)?$/.test(name)
}

function listSome(names: readonly string[]): string {
  const more = names.length - 5
  return names.slice(0, 5).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

/** What a change takes from an index of a channel; null where it takes nothing. `arriving`: names that enter elsewhere. */
function lossOf(
  store: Store,
  channelId: number,
  indexId: number,
  change: ViewChange,
  arriving: ReadonlySet<string>,
): Loss | null {
  const view = store.views.find(channelId, indexId)
  if (view === null) return null
  const gone = store.views.leavingNames(view.id, change)
  if (gone.length === 0) return null
  const stanzas = store.views.placed(view.id, gone)
  const lost = stanzas.filter(
    (stanza) => !arriving.has(stanza.name) && !isElsewhere(store, channelId, stanza),
  )
  const before = store.views.count(view.id)
  return {
    before,
    after: before - change.leave.length + change.enter.length,
    names: [...new Set(lost.map((stanza) => stanza.name))].sort(),
    vital: vitalAmong(store, lost),
  }
}

/** A copy or a successor in another suite: a point release empties what led up to it. */
function isElsewhere(store: Store, channelId: number, stanza: Placed): boolean {
  return store.views
    .byName(channelId, stanza.name)
    .some(
      (one) =>
        one.indexId !== stanza.indexId &&
        one.release === stanza.release &&
        one.indexArchitecture === stanza.indexArchitecture &&
        compareVersions(one.version, stanza.version) >= 0,
    )
}

const vitalField = /^(?:(?:Essential|Protected|Important): *yes|Priority: *required) *$/im

function vitalAmong(store: Store, stanzas: readonly Placed[]): string[] {
  const texts = store.records.texts(stanzas.map((stanza) => stanza.id))
  const vital = stanzas.filter((_, at) => vitalField.test(texts[at]!.toString('latin1')))
  return [...new Set(vital.map((stanza) => stanza.name))].sort()
}

/** The objections to a change of a channel's package indexes, each with the name of its index. */
export function objectionsTo(
  store: Store,
  channelId: number,
  changes: ReadonlyMap<number, ViewChange>,
): string[] {
  if ([...changes.values()].every((change) => change.leave.length === 0)) return []
  const indexes = new Map(store.archives.indexes().map((index) => [index.id, index]))
  const arriving = new Set(store.records.names([...changes.values()].flatMap((change) => change.enter)))
  return [...changes].flatMap(([indexId, change]) => {
    const index = indexes.get(indexId)
    if (index?.kind !== 'packages') return []
    const loss = lossOf(store, channelId, indexId, change, arriving)
    const why = loss === null ? null : objectionTo(loss)
    const name = [index.suite, index.component, index.architecture].filter((part) => part !== '').join(' ')
    return why === null ? [] : [`${index.archive}/${name}: ${why}`]
  })
}
