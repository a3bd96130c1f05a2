// How served files are made: the list of a suite's files, and for each text the blocks that its packed forms consist of.
// Both are documents that a manifest names by hash, directly or through the list.
import { canonicalJson } from '../../lib/canonical-json.ts'
import type { Sha256 } from '../../lib/digest.ts'
import { isSafePath } from '../../lib/safe-path.ts'
import { containerOf } from '../../repo/publish/encoders.ts'
import { Decoder } from './decode.ts'

/** The served files of a suite, by path below its folder: the document with their recipe. */
export type FileList = ReadonlyMap<string, Sha256>

export interface RecipeBlock {
  readonly sha256: Sha256
  readonly sizeBytes: number
}

/** A text, the blocks that it consists of, and the files that it is served in. */
export interface Recipe {
  readonly text: { readonly sha256: Sha256; readonly sizeBytes: number }
  readonly blocks: readonly RecipeBlock[]
  readonly forms: readonly RecipeForm[]
}

export interface RecipeForm {
  readonly encoder: string
  readonly sha256: Sha256
  readonly sizeBytes: number
  /** Of each block, packed, without padding. */
  readonly packedBytes: readonly number[]
}

export function renderFileList(files: FileList): string {
  return canonicalJson({ files: Object.fromEntries(files) })
}

export function parseFileList(text: string, what: string): FileList {
  const decoder = new Decoder(what)
  const files = decoder.object(decoder.parse(text).files, 'files')
  return new Map(
    Object.entries(files).map(([path, digest]) => {
      if (!isSafePath(path)) decoder.fail('files', 'has an odd path')
      return [path, decoder.digest(digest, path)]
    }),
  )
}

/** Digests make up most of it, so they stand in one run of base64. */
export function renderRecipe({ text, blocks, forms }: Recipe): string {
  return canonicalJson({
    text,
    digests: Buffer.concat(blocks.map((block) => Buffer.from(block.sha256, 'hex'))).toString('base64'),
    bytes: blocks.map((block) => block.sizeBytes),
    forms: forms.map(({ packedBytes, ...form }) => ({ ...form, bytes: packedBytes })),
  })
}

const digestBytes = 32

export function parseRecipe(text: string, what: string): Recipe {
  const decoder = new Decoder(what)
  const raw = decoder.parse(text)
  const target = decoder.object(raw.text, 'text')
  const digests = Buffer.from(decoder.text(raw.digests, 'digests'), 'base64')
  const sizes = decoder.list(raw.bytes, 'bytes', (value, at) => decoder.count(value, at))
  if (digests.length !== sizes.length * digestBytes) decoder.fail('digests', 'are not as many as blocks')
  const blocks = sizes.map((sizeBytes, index) => {
    const digest = digests.toString('hex', index * digestBytes, (index + 1) * digestBytes)
    return { sha256: decoder.digest(digest, `digests[${index}]`), sizeBytes }
  })
  return {
    text: {
      sha256: decoder.digest(target.sha256, 'text.sha256'),
      sizeBytes: decoder.count(target.sizeBytes, 'text.sizeBytes'),
    },
    blocks,
    forms: decoder.list(raw.forms, 'forms', (value, at) => readForm(decoder, value, at, blocks.length)),
  }
}

function readForm(decoder: Decoder, value: unknown, where: string, blockCount: number): RecipeForm {
  const raw = decoder.object(value, where)
  const encoder = decoder.text(raw.encoder, `${where}.encoder`)
  if (!/^(plain|(gz|xz)\d[\w.-]*)$/.test(encoder)) decoder.fail(`${where}.encoder`, 'is not known')
  const packedBytes = decoder.list(raw.bytes, `${where}.bytes`, (one, at) => decoder.count(one, at))
  if (packedBytes.length !== blockCount) decoder.fail(`${where}.bytes`, 'are not as many as blocks')
  const sha256 = decoder.digest(raw.sha256, `${where}.sha256`)
  return { encoder, sha256, sizeBytes: decoder.count(raw.sizeBytes, `${where}.sizeBytes`), packedBytes }
}

/** Where a packed block lies in its file. */
export interface Place {
  readonly start: number
  /** Exclusive. */
  readonly end: number
  /** Without the padding. */
  readonly unpaddedBytes: number
}

/** The places of all blocks of a form, in order. */
export function placesOf({ encoder, packedBytes }: RecipeForm): Place[] {
  let at = containerOf(encoder).head.length
  return packedBytes.map((unpaddedBytes) => {
    const start = at
    at += paddedBytes(encoder, unpaddedBytes)
    return { start, end: at, unpaddedBytes }
  })
}

/** Blocks of xz are filled up to multiples of four. */
function paddedBytes(encoder: string, bytes: number): number {
  return encoder.startsWith('xz') ? Math.ceil(bytes / 4) * 4 : bytes
}
