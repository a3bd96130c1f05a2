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
  readonly #left = new Map<number, Found>()
  readonly #candidates = new Map<number, Found>()
  #upstream = { changeCount: -1, state: '' }

  constructor(store: Store) {
    this.#store = store
  }

  /** Of what a view shows now. */
  shown(view: View, index: SuiteIndex): readonly SourceFile[] {
    const state = this.#upstreamState()
    return this.#remembered(this.#shown, view, state, (known) =>
      known?.state === state ? this.#followed(view, index, known) : this.#allShown(view, index),
    )
  }

  /** Of what a view showed at some time since a revision. */
  held(view: View, index: SuiteIndex, since: number): readonly SourceFile[] {
    return this.#remembered(this.#held, view, `${this.#upstreamState()} ${since}`, () =>
      this.#unnamed(this.#store.supplies.shownSinceButNow(view.id, since, this.#offering(index)), index),
    )
  }

  /** Of that what it does not show any more. */
  left(view: View, index: SuiteIndex, since: number): readonly SourceFile[] {
    return this.#remembered(this.#left, view, `${this.#upstreamState()} ${since}`, () =>
      this.#notShown(view, this.held(view, index, since)),
    )
  }

  /**
   * Of what a feeding view held since a revision, what a view does not show and may enter it. `mayEnter` may go by what is shown
   * of the source in the view's channel and upstream, and by what `basis` tells.
   */
  candidates(
    view: View,
    index: SuiteIndex,
    feeding: { readonly view: View; readonly since: number },
    basis: string,
    mayEnter: (file: SourceFile) => boolean,
  ): readonly SourceFile[] {
    const held = this.held(feeding.view, index, feeding.since)
    const state = `${this.#upstreamState()} ${feeding.since} ${this.#revisionOf(feeding.view)} ${basis}`
    const among = (files: readonly SourceFile[]) => this.#notShown(view, files).filter(mayEnter)
    return this.#remembered(this.#candidates, view, state, (known) => {
      if (known?.state !== state) return among(held)
      const { views } = this.#store
      const changed = new Set(
        views.list(view.channelId).flatMap(({ id }) => views.sourcesChangedSince(id, known.revision)),
      )
      const isChanged = ({ source }: SourceFile) => changed.has(source)
      return [...known.files.filter((file) => !isChanged(file)), ...among(held.filter(isChanged))]
    })
  }

  #notShown(view: View, files: readonly SourceFile[]): SourceFile[] {
    const away = new Set(this.#store.supplies.notShownIn(view.id, recordsOf(files)))
    return files.filter(({ recordId }) => away.has(recordId))
  }

  #revisionOf({ channelId }: View): number {
    return this.#store.channels.head(channelId)?.revision ?? 0
  }

  /** A view changes only with a revision of its channel. */
  #remembered(
    all: Map<number, Found>,
    view: View,
    state: string,
    find: (known: Found | undefined) => readonly SourceFile[],
  ): readonly SourceFile[] {
    const revision = this.#revisionOf(view)
    const known = all.get(view.id)
    if (known?.state === state && known.revision === revision) return known.files
    const files = find(known)
    all.set(view.id, { state, revision, files })
    return files
  }

  #allShown(view: View, index: SuiteIndex): SourceFile[] {
    return this.#unnamed(this.#store.views.missing(view.id, this.#offering(index)), index)
  }

  #followed(view: View, index: SuiteIndex, { revision, files }: Found): SourceFile[] {
    const { supplies, views } = this.#store
    const entered = supplies.enteredSince(view.id, revision).map(({ id }) => id)
    const changed = new Set(views.changedSince(view.id, revision))
    return [...files.filter((one) => !changed.has(one.recordId)), ...this.#unnamed(entered, index)]
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

  /** Asked for with every view, and the same for all of them. */
  #upstreamState(): string {
    const { db, channels, archives } = this.#store
    const changeCount = db.changeCount()
    if (this.#upstream.changeCount !== changeCount) {
      const indexes = archives.allIndexes().map((index) => index.id)
      const revision = channels.head(channels.upstream().id)?.revision ?? 0
      this.#upstream = { changeCount, state: `${revision} ${indexes.join()}` }
    }
    return this.#upstream.state
  }
}

/** Each once, though a source has several files. */
export function recordsOf(files: readonly SourceFile[]): number[] {
  return [...new Set(files.map(({ recordId }) => recordId))]
}
