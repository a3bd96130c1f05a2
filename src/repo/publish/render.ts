// The entries of an index as a channel publishes it, from the views as they will be after a change.
import { withoutPhasing } from '../../debian/packages.ts'
import type { NamedRecord, RecordKind, RenderedRecord } from '../../store/records.ts'
import type { Store } from '../../store/store.ts'
import type { ViewChange } from '../../store/views.ts'
import type { IndexEntry } from './blocks.ts'
import { inIndexOrder, inNameOrder } from './order.ts'
import type { EntrySource } from './splice.ts'

const textsAtATime = 256

export interface IndexToRender {
  readonly kind: RecordKind
  /** Null where the channel does not show the index yet. */
  readonly viewId: number | null
  /** What the database does not have yet; undefined for nothing. */
  readonly change: ViewChange | undefined
}

/** All entries in pieces that fit into memory, or those of a range of names. */
export function entriesOf(store: Store, { kind, viewId, change }: IndexToRender): EntrySource {
  const leaving = new Set(change?.leave)
  const entering = store.records.rendered(
    change === undefined || change.enter.length > 10_000 ? [] : change.enter,
  )
  return (from, to) => {
    if (from === null && to === null) return allEntries(store, kind, viewId, change)
    const staying = viewId === null ? [] : store.views.renderedBetween(viewId, kind, from, to)
    const isWithin = ({ name }: RenderedRecord) =>
      (from === null || name >= from) && (to === null || name < to)
    const records = staying.filter(({ id }) => !leaving.has(id)).concat(entering.filter(isWithin))
    return inIndexOrder(records).map(({ name, text }) => ({ name, text: publishedText(kind, text) }))
  }
}

/** All entries as they were at a revision. */
export function entriesAt(
  store: Store,
  kind: RecordKind,
  viewId: number | null,
  revision: number,
): EntrySource {
  return () => allEntries(store, kind, viewId, undefined, revision)
}

function* allEntries(
  store: Store,
  kind: RecordKind,
  viewId: number | null,
  change: ViewChange | undefined,
  revision?: number,
): Generator<IndexEntry> {
  const present = viewId === null ? [] : store.views.recordIds(viewId, revision)
  const ordered = inOrder(store, afterChange(present, change))
  for (let at = 0; at < ordered.length; at += textsAtATime) {
    const some = ordered.slice(at, at + textsAtATime)
    const texts = store.records.texts(some.map((one) => one.id))
    for (const [index, text] of texts.entries())
      yield { name: some[index]!.name, text: publishedText(kind, text) }
  }
}

/** Few names have several entries: only of these it is known what else they are sorted by. */
function inOrder(store: Store, ids: readonly number[]): NamedRecord[] {
  const named = inNameOrder(store.records.named(ids))
  const isTied = ({ name }: NamedRecord, at: number) =>
    named[at - 1]?.name === name || named[at + 1]?.name === name
  const tied = named.filter(isTied).map(({ id }) => id)
  // The names are in order already, and each has as many places as entries.
  const resolved = inIndexOrder(store.records.sortKeys(tied)).values()
  return tied.length === 0 ? named : named.map((one, at) => (isTied(one, at) ? resolved.next().value! : one))
}

function afterChange(present: readonly number[], change: ViewChange | undefined): readonly number[] {
  if (change === undefined) return present
  const leaving = new Set(change.leave)
  return [...present.filter((id) => !leaving.has(id)), ...change.enter]
}

function publishedText(kind: RecordKind, text: Uint8Array): Buffer {
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength)
  return kind === 'packages' ? withoutPhasing(bytes) : bytes
}

/** What follows each entry: YAML documents bring their own border, everything else a blank line parts. */
export function separatorOf(kind: RecordKind): '' | '\n' {
  return kind === 'components' ? '' : '\n'
}
