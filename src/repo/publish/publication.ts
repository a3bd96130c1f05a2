// The publication of one suite in one channel: rendered from the views as they will be after a change,
// written durably before the change commits.
import { withoutPhasing } from '../../debian/packages.ts'
import { type ListedFile, renderReleaseBody } from '../../debian/release.ts'
import type { Sha256 } from '../../lib/digest.ts'
import type { Suite, SuiteIndex } from '../../store/archives.ts'
import type { Blobs } from '../../store/blobs.ts'
import type { Block, PublicationFile } from '../../store/publications.ts'
import type { Store } from '../../store/store.ts'
import type { ViewChange } from '../../store/views.ts'
import type { IndexChanges } from '../changes.ts'
import { cutBlocks, type IndexEntry } from './blocks.ts'
import { inIndexOrder } from './order.ts'
import { type PackedForm, packIndex } from './pack.ts'

/** Raised when the same views would be rendered to other text: everything is then published anew. */
export const renderVersion = '1'

/** A suite's files, durable, and what the database has to know of them. */
export interface PreparedPublication {
  readonly suiteId: number
  /** Release without dates. */
  readonly body: string
  readonly files: readonly PublicationFile[]
  /** Recipes of the newly packed files. */
  readonly blocks: ReadonlyMap<Sha256, readonly Block[]>
}

export interface PublicationInput {
  readonly store: Store
  readonly files: Blobs
  readonly channelId: number
  readonly forms: readonly PackedForm[]
  readonly suite: Suite
  /** The suite's indexes that the channel shows after the change. */
  readonly indexes: readonly SuiteIndex[]
  /** What the change does to them; the database does not have it yet. */
  readonly changes: IndexChanges
  /** The files of the channel's present publication of the suite; empty if it has none, or must be made anew. */
  readonly present: readonly PublicationFile[]
}

const textsAtATime = 256

/** Null where the channel shows nothing of the suite. */
export async function preparePublication(input: PublicationInput): Promise<PreparedPublication | null> {
  const { suite, indexes } = input
  if (indexes.length === 0 || suite.adopted === null) return null
  const files: PublicationFile[] = []
  const blocks = new Map<Sha256, readonly Block[]>()
  for (const index of indexes) {
    const plainPath = `${index.component}/binary-${index.architecture}/Packages`
    const reusable = input.changes.has(index.id) ? null : filesOf(plainPath, input)
    if (reusable !== null) {
      files.push(...reusable)
      continue
    }
    const packed = await packIndex(
      cutBlocks(entriesOf(index, input)),
      input.forms,
      input.files,
      input.store.publications,
    )
    files.push({ path: plainPath, sha256: packed.plainSha256, sizeBytes: packed.plainBytes, isServed: false })
    for (const file of packed.files) {
      files.push({
        path: `${plainPath}.${file.form}`,
        sha256: file.sha256,
        sizeBytes: file.sizeBytes,
        isServed: true,
      })
      blocks.set(file.sha256, file.blocks)
    }
  }
  return { suiteId: suite.id, body: renderBody(suite, indexes, files), files, blocks }
}

/** The present files of an unchanged index, if all its forms are there and no other. */
function filesOf(plainPath: string, { present, forms }: PublicationInput): PublicationFile[] | null {
  const wanted = [plainPath, ...forms.map((form) => `${plainPath}.${form}`)]
  const found = present.filter((file) => wanted.includes(file.path))
  return found.length === wanted.length ? found : null
}

function renderBody(suite: Suite, indexes: readonly SuiteIndex[], files: readonly ListedFile[]): string {
  const unique = (values: string[]) => [...new Set(values)]
  return renderReleaseBody(
    suite.adopted!.identity,
    unique(indexes.map((index) => index.architecture)),
    unique(indexes.map((index) => index.component)),
    files,
  )
}

/** The stanzas of an index after the change, in order, as they are published. */
function* entriesOf(
  index: SuiteIndex,
  { store, channelId, changes }: PublicationInput,
): Generator<IndexEntry> {
  const view = store.views.find(channelId, index.id)
  const present = view === null ? [] : store.views.recordIds(view.id)
  const ids = afterChange(present, changes.get(index.id))
  const keys = inIndexOrder(store.records.sortKeys(ids))
  for (let at = 0; at < keys.length; at += textsAtATime) {
    const some = keys.slice(at, at + textsAtATime)
    const texts = store.records.texts(some.map((key) => key.id))
    for (const [index, text] of texts.entries()) yield { name: some[index]!.name, text: withoutPhasing(text) }
  }
}

function afterChange(present: readonly number[], change: ViewChange | undefined): readonly number[] {
  if (change === undefined) return present
  const leaving = new Set(change.leave)
  return [...present.filter((id) => !leaving.has(id)), ...change.enter]
}
