// Package files that channels name and upstream does not offer. To compare two whole channels takes a tenth of a
// second; so what was found is remembered with the revisions it was found at, and later only what changed is looked at.
import type { SuiteIndex } from '../store/archives.ts'
import type { Store } from '../store/store.ts'
import type { SourceFile } from '../store/supplies.ts'
import type { View } from '../store/views.ts'

interface Found {
  /** Of what all was found by, as a text. */
  readonly state: string
  readonly revision: number
  readonly files: readonly SourceFile[]
}

export class Unoffered {
  readonly #store: Store
  /** By view. */
  readonly #shown = new Map<number, Found>()
  readonly #held = new Map<number, Found>()

  constructor(store: Store) {
    this.#store = store
  }

  /** Of what a view shows now. */
  shown(view: View, index: SuiteIndex): readonly SourceFile[] {
    const state = this.#upstreamState()
    const revision = this.#revisionOf(view)
    const known = this.#shown.get(view.id)
    if (known?.state === state && known.revision === revision) return known.files
    const files = known?.state === state ? this.#followed(view, index, known) : this.#allShown(view, index)
    this.#shown.set(view.id, { state, revision, files })
    return files
  }

  /** Of what a view showed at some time since a revision. */
  held(view: View, index: SuiteIndex, since: number): readonly SourceFile[] {
    const state = `${this.#upstreamState()} ${since}`
    const revision = this.#revisionOf(view)
    const known = this.#held.get(view.id)
    if (known?.state === state && known.revision === revision) return known.files
    const offering = this.#offering(index)
    const files = this.#unnamed(this.#store.supplies.shownSinceButNow(view.id, since, offering), index)
    this.#held.set(view.id, { state, revision, files })
    return files
  }

  #allShown(view: View, index: SuiteIndex): SourceFile[] {
    return this.#unnamed(this.#store.views.missing(view.id, this.#offering(index)), index)
  }

  #followed(view: View, index: SuiteIndex, { revision, files }: Found): SourceFile[] {
    const changed = this.#store.views.recordsChangedSince(view.id, revision)
    const isChanged = new Set(changed)
    const gone = new Set(this.#store.supplies.notShownIn(view.id, changed))
    const present = changed.filter((id) => !gone.has(id))
    return [...files.filter((one) => !isChanged.has(one.recordId)), ...this.#unnamed(present, index)]
  }

  /** Another stanza upstream may name the very file. */
  #unnamed(recordIds: readonly number[], { archiveId }: SuiteIndex): SourceFile[] {
    const { supplies, channels } = this.#store
    return supplies.sourceFilesOf(supplies.notNamedBy(channels.upstream().id, archiveId, recordIds))
  }

  /** The view of what upstream offers; one that there is not shows nothing. */
  #offering({ id }: SuiteIndex): number {
    return this.#store.views.find(this.#store.channels.upstream().id, id)?.id ?? -1
  }

  #upstreamState(): string {
    const { channels, archives } = this.#store
    const indexes = archives.allIndexes().map((index) => index.id)
    return `${channels.head(channels.upstream().id)?.revision ?? 0} ${indexes.join()}`
  }

  /** A view changes only with a revision of its channel. */
  #revisionOf({ channelId }: View): number {
    return this.#store.channels.head(channelId)?.revision ?? 0
  }
}
