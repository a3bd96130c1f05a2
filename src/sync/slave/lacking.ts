// Which blocks of a manifest's files are not here, and where in the master's files they lie.
import type { Sha256 } from '../../lib/digest.ts'
import type { Store } from '../../store/store.ts'
import { placesOf, type Recipe, type RecipeForm } from '../protocol/recipe.ts'
import { byHashUrl, type SuiteContent, type VerifiedContent } from './content.ts'

/** Packed blocks of one file that are to be fetched. Plain data. */
export interface WantedPart {
  /** Of the file that they lie in. */
  readonly file: Sha256
  readonly fileBytes: number
  /** The file's URL on the master, from the first slash on. */
  readonly path: string
  /** The master asks who wants it. */
  readonly isRestricted: boolean
  readonly encoder: string
  /** What kind of entries the text has that name package files; null if it has none. */
  readonly naming: 'packages' | 'sources' | null
  readonly blocks: readonly WantedBlock[]
}

export interface WantedBlock {
  readonly sha256: Sha256
  /** Unpacked. */
  readonly sizeBytes: number
  readonly unpaddedBytes: number
  /** In the file. */
  readonly start: number
  readonly end: number
}

/** Each block once for each encoder, in the order of the files. */
export function lackingParts(content: VerifiedContent, store: Store): WantedPart[] {
  const seen = new Set<string>()
  return content.suites.flatMap((suite) => lackingOf(suite, content, store, seen))
}

function lackingOf(
  content: SuiteContent,
  { verified }: VerifiedContent,
  store: Store,
  seen: Set<string>,
): WantedPart[] {
  const parts: WantedPart[] = []
  const { archives, channel } = verified.manifest
  const isRestricted = archives.some(({ name, access }) => name === content.suite.archive && access !== null)
  for (const [path, { file, recipe, form }] of servedForms(content)) {
    const blocks = lackingBlocks(recipe, form, store, seen)
    if (blocks.length === 0) continue
    parts.push({
      file,
      fileBytes: form.sizeBytes,
      path: byHashUrl(channel, content.suite, path, file),
      isRestricted,
      encoder: form.encoder,
      naming: content.naming.get(recipe.text.sha256) ?? null,
      blocks,
    })
  }
  return parts
}

export interface ServedForm {
  readonly file: Sha256
  readonly recipe: Recipe
  readonly form: RecipeForm
}

/** How the served files of a suite are made, by path. */
export function servedForms({ files, recipes }: SuiteContent): Map<string, ServedForm> {
  const forms = new Map<string, ServedForm>()
  for (const { path, sha256, isServed } of files) {
    if (!isServed) continue
    const recipe = recipes.get(sha256)!
    forms.set(path, { file: sha256, recipe, form: recipe.forms.find((one) => one.sha256 === sha256)! })
  }
  return forms
}

function lackingBlocks(recipe: Recipe, form: RecipeForm, store: Store, seen: Set<string>): WantedBlock[] {
  const places = placesOf(form)
  return recipe.blocks.flatMap(({ sha256, sizeBytes }, index) => {
    const key = `${sha256} ${form.encoder}`
    if (seen.has(key)) return []
    seen.add(key)
    const known = store.texts.findBlock(sha256)
    if (known !== null && store.texts.packedBlock(known.id, form.encoder) !== null) return []
    return [{ sha256, sizeBytes, ...places[index]! }]
  })
}

/** The ranges of a file that hold its wanted blocks: blocks side by side are fetched as one. */
export function rangesOf(blocks: readonly WantedBlock[]): { start: number; end: number }[] {
  const ranges: { start: number; end: number }[] = []
  for (const { start, end } of blocks) {
    const last = ranges.at(-1)
    if (last?.end === start) last.end = end
    else ranges.push({ start, end })
  }
  return ranges
}

/** Parts of at most so many bytes, where blocks allow: what was fetched of them stays when the rest fails. */
export function splitPart(part: WantedPart, limitBytes: number, limitRanges: number): WantedPart[] {
  const parts: WantedPart[] = []
  let blocks: WantedBlock[] = []
  let bytes = 0
  for (const block of part.blocks) {
    const next = [...blocks, block]
    const isFull = bytes + block.end - block.start > limitBytes || rangesOf(next).length > limitRanges
    if (isFull && blocks.length > 0) {
      parts.push({ ...part, blocks })
      blocks = []
      bytes = 0
    }
    blocks.push(block)
    bytes += block.end - block.start
  }
  return blocks.length === 0 ? parts : [...parts, { ...part, blocks }]
}
