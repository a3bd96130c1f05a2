// The publication of one suite in one channel: rendered from the views as they will be after a change,
// written durably before the change commits.
import { indexPath, isInstallerComponent } from '../../debian/index-kinds.ts'
import { type ListedFile, renderReleaseBody } from '../../debian/release.ts'
import type { Suite, SuiteIndex } from '../../store/archives.ts'
import type { PublicationFile } from '../../store/publications.ts'
import type { RecordKind } from '../../store/records.ts'
import type { Store } from '../../store/store.ts'
import type { StoredBlock } from '../../store/texts.ts'
import type { ViewChange } from '../../store/views.ts'
import type { IndexChanges } from '../changes.ts'
import type { MadeContents } from '../contents.ts'
import type { RawBlock } from './blocks.ts'
import type { PackedForm } from './encoders.ts'
import { type PackedIndex, type PublishSession, usableForms } from './pack.ts'
import { PackDamaged } from './packs.ts'
import { entriesOf, separatorOf } from './render.ts'
import { checkBlock } from './self-check.ts'
import { renderWhole, spliceBlocks } from './splice.ts'

/** Raised when the same views would be rendered to other text: everything is then published anew. */
export const renderVersion = '2'

/** A suite's files, and the part of its Release that does not change with time. */
export interface PreparedPublication {
  readonly suiteId: number
  /** Release without dates. */
  readonly body: string
  readonly files: readonly PublicationFile[]
}

export interface PublicationInput {
  readonly store: Store
  readonly session: PublishSession
  readonly channelId: number
  readonly forms: readonly PackedForm[]
  readonly suite: Suite
  /** The suite's indexes of every kind that the channel shows after the change. */
  readonly indexes: readonly SuiteIndex[]
  /** What the change does to them; the database does not have it yet. */
  readonly changes: IndexChanges
  readonly contents: readonly MadeContents[]
  /** The files of the channel's present publication of the suite; empty if it has none. */
  readonly present: readonly PublicationFile[]
  /** Use nothing of the present publication. */
  readonly rendersAnew: boolean
}

/** Null where the channel shows nothing of the suite. */
export async function preparePublication(input: PublicationInput): Promise<PreparedPublication | null> {
  const { suite, indexes } = input
  if (indexes.length === 0 || suite.adopted === null) return null
  const files: PublicationFile[] = []
  for (const index of indexes) files.push(...(await prepareIndex(index, input)))
  return { suiteId: suite.id, body: renderBody(suite, indexes, files), files }
}

async function prepareIndex(index: SuiteIndex, input: PublicationInput): Promise<readonly PublicationFile[]> {
  if (index.kind === 'icons') return prepareWhole(index, input)
  if (index.kind === 'contents') return contentsFiles(index, input)
  const path = indexPath(index)
  const change = input.changes.get(index.id)
  const present = input.rendersAnew ? null : filesOf(path, input)
  if (change === undefined && present?.isComplete === true) return present.files
  const served = present?.files.find((file) => file.isServed) ?? null
  const { textSha256, textBytes, files } = await packIndex(index, index.kind, change, served, input)
  return [
    { path, sha256: textSha256, sizeBytes: textBytes, isServed: false },
    ...files.map(({ sha256, sizeBytes, ending }) => ({
      path: `${path}${ending}`,
      sha256,
      sizeBytes,
      isServed: true,
    })),
  ]
}

/** An index that is passed on as upstream has it: in the form in which it was fetched. */
async function prepareWhole(index: SuiteIndex, input: PublicationInput): Promise<PublicationFile[]> {
  const file = input.store.archives.upstreamFile(index.id)
  // What the disk lost is left out until it is fetched again.
  if (file === null || !(await input.session.hasPack(file.sha256))) return []
  const path = indexPath(index)
  const { sha256, sizeBytes, plainBytes, compression } = file
  await input.session.addWhole(file)
  if (compression === 'none') return [{ path, sha256, sizeBytes, isServed: true }]
  return [
    { path, sha256: file.plainSha256!, sizeBytes: plainBytes, isServed: false },
    { path: `${path}.${compression}`, sha256, sizeBytes, isServed: true },
  ]
}

/** An index that is refreshed apart from snapshots: made just now, or as it is published. */
function contentsFiles(
  index: SuiteIndex,
  { contents, present, rendersAnew }: PublicationInput,
): readonly PublicationFile[] {
  const made = contents.find(({ due }) => due.indexId === index.id)
  if (made !== undefined) return made.files
  if (rendersAnew) return []
  const path = indexPath(index)
  return present.filter((file) => file.path === path || file.path.startsWith(`${path}.`))
}

/** The present files of an index, and whether all its forms are there. */
function filesOf(path: string, { present, forms }: PublicationInput) {
  const wanted = [path, ...forms.map((form) => `${path}.${form}`)]
  const files = present.filter((file) => wanted.includes(file.path))
  return { files, isComplete: files.length === wanted.length }
}

async function packIndex(
  index: SuiteIndex,
  kind: RecordKind,
  change: ViewChange | undefined,
  served: PublicationFile | null,
  input: PublicationInput,
): Promise<PackedIndex> {
  const { store, session, forms, channelId } = input
  const view = store.views.find(channelId, index.id)
  const entries = entriesOf(store, { kind, viewId: view?.id ?? null, change })
  const separator = separatorOf(kind)
  const present = served === null ? [] : store.texts.blocksOf(served.sha256)
  const known = usableForms(store.texts, present, forms)
  const touched = change === undefined ? [] : store.records.names([...change.enter, ...change.leave])
  const isUsable = (block: StoredBlock) => known(block) !== null
  const usesPresent = present.length > 0 && touched.length < present.length / 2
  const check = (block: RawBlock) => checkBlock(kind, block)
  const pieces = spliceBlocks(usesPresent ? present : [], touched, entries, separator, isUsable)
  try {
    return await session.pack(pieces, forms, (block) => known(block)!, { check })
  } catch (error) {
    if (!(error instanceof PackDamaged)) throw error
    return session.packAnew(renderWhole(entries, separator), forms, { check })
  }
}

function renderBody(suite: Suite, indexes: readonly SuiteIndex[], files: readonly ListedFile[]): string {
  const packages = indexes.filter((index) => index.kind === 'packages')
  const components = packages.map((index) => index.component).filter((name) => !isInstallerComponent(name))
  const present = new Set(indexes.map((index) => index.architecture))
  // A flat index has stanzas of whatever architecture; for `all`, a client must be told to look for `-all` indexes.
  const isListed = (architecture: string) => present.has(architecture) || present.has('any')
  const architectures = suite.adopted!.architectures ?? [...present]
  return renderReleaseBody(
    suite.adopted!.identity,
    architectures.filter(isListed),
    [...new Set(components)].filter((component) => component !== ''),
    files,
  )
}
