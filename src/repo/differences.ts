// Differences between two states of channels, by source, for people.
import { compareVersions, highestVersion } from '../debian/version.ts'
import type { Store } from '../store/store.ts'
import { now, type Placed } from '../store/views.ts'

/** A channel at a revision. */
export interface ChannelState {
  readonly channelId: number
  readonly revision?: number
}

export interface SourceDifference {
  readonly release: string
  readonly archive: string
  readonly source: string
  /** Highest version before and after; null where the source is absent. */
  readonly from: string | null
  readonly to: string | null
  readonly change: 'upgrade' | 'downgrade' | 'added' | 'removed' | 'other'
  readonly suites: readonly string[]
  /** Binary packages in and out, `name version architecture`. */
  readonly entered: readonly string[]
  readonly left: readonly string[]
}

/** What is different in `after`, compared with `before`: one entry a source, archive and release. */
export function listDifferences(store: Store, before: ChannelState, after: ChannelState): SourceDifference[] {
  const entered = new Set(stanzasOnlyIn(store, after, before))
  const left = new Set(stanzasOnlyIn(store, before, after))
  const archives = new Map(store.archives.list().map((archive) => [archive.id, archive.name]))
  const suites = new Map(store.archives.suites().map((suite) => [suite.id, suite.name]))
  const key = (stanza: Placed) => `${stanza.source} ${stanza.release} ${stanza.archiveId}`
  const groups = Map.groupBy([...entered, ...left], key)
  return [...groups.values()]
    .map((stanzas) => {
      const { source, release, archiveId } = stanzas[0]!
      const highest = (state: ChannelState) =>
        highestVersion(
          store.views
            .bySource(state.channelId, source, state.revision ?? now)
            .filter((stanza) => stanza.release === release && stanza.archiveId === archiveId)
            .map((stanza) => stanza.sourceVersion),
        ) ?? null
      const from = highest(before)
      const to = highest(after)
      const describe = (stanza: Placed) => `${stanza.name} ${stanza.version} ${stanza.architecture}`
      return {
        release,
        archive: archives.get(archiveId)!,
        source,
        from,
        to,
        change: changeOf(from, to),
        suites: [...new Set(stanzas.map((stanza) => suites.get(stanza.suiteId)!))].sort(),
        entered: [...new Set(stanzas.filter((stanza) => entered.has(stanza)).map(describe))].sort(),
        left: [...new Set(stanzas.filter((stanza) => left.has(stanza)).map(describe))].sort(),
      }
    })
    .sort((a, b) => (a.source < b.source ? -1 : 1))
}

function changeOf(from: string | null, to: string | null): SourceDifference['change'] {
  if (from === null) return 'added'
  if (to === null) return 'removed'
  const order = compareVersions(from, to)
  return order < 0 ? 'upgrade' : order > 0 ? 'downgrade' : 'other'
}

/** Only indexes that both channels show are compared. */
function stanzasOnlyIn(store: Store, here: ChannelState, there: ChannelState): Placed[] {
  const stanzas: Placed[] = []
  for (const view of store.views.list(here.channelId)) {
    const other = store.views.find(there.channelId, view.indexId)
    if (other === null || view.liveSince === null || other.liveSince === null) continue
    const ids = store.views.missing(view.id, other.id, here.revision ?? now, there.revision ?? now)
    stanzas.push(...store.views.placed(view.id, ids, here.revision ?? now))
  }
  return stanzas
}
