// The splice: the blocks of a changed index, those that the change touches rendered anew, the others kept.
// Pure but for the entries, which it asks for by ranges of names.
import { BlockCutter, blockSizes, type IndexEntry, type RawBlock } from './blocks.ts'

/** A block of the present text, as far as the splice looks at it. */
export interface NamedBlock {
  readonly firstName: string
  readonly lastName: string
}

/**
 * The index's entries after the change, in order: those with a name from `from` on, and before `to`; null is no
 * border.
 */
export type EntrySource = (from: string | null, to: string | null) => Iterable<IndexEntry>

export type Piece<B extends NamedBlock> =
  | { readonly type: 'kept'; readonly block: B }
  | { readonly type: 'rendered'; readonly block: RawBlock }

/**
 * The blocks of the whole text after a change, the same as if it were cut from the start. `touched` are the names of
 * entries that come, go or change; `isUsable` false has a block rendered though nothing touches it.
 */
export function* spliceBlocks<B extends NamedBlock>(
  present: readonly B[],
  touched: readonly string[],
  entries: EntrySource,
  separator: '' | '\n',
  isUsable: (block: B) => boolean = () => true,
  sizes = blockSizes,
): Generator<Piece<B>> {
  const isTouched = markTouched(present, touched, isUsable)
  let at = 0
  do {
    if (at < present.length && !isTouched[at]) yield { type: 'kept', block: present[at++]! }
    else at = yield* renderRegion(present, isTouched, at, entries, new BlockCutter(separator, sizes))
  } while (at < present.length)
}

/** The blocks of a whole text, cut from the start. */
export function* renderWhole(entries: EntrySource, separator: '' | '\n'): Generator<RawBlock> {
  for (const piece of spliceBlocks<never>([], [], entries, separator))
    if (piece.type === 'rendered') yield piece.block
}

/**
 * Renders from block `start` on, until a border falls where an untouched block begins: from there on the cuts are
 * those of before. The number of that block.
 */
function* renderRegion<B extends NamedBlock>(
  present: readonly B[],
  isTouched: readonly boolean[],
  start: number,
  entries: EntrySource,
  cutter: BlockCutter,
): Generator<Piece<B>, number> {
  let from = start === 0 ? null : present[start]!.firstName
  for (let at = start; ; ) {
    const canEnd = at > start && !isTouched[at]
    if (canEnd && cutter.isEmpty) return at
    const next = nextNameStart(present, at)
    const to = next < present.length ? present[next]!.firstName : null
    let isFirst = true
    for (const entry of canEnd ? firstNameFirst(entries, from!, to) : entries(from, to)) {
      const ended = cutter.push(entry)
      if (ended !== null) yield { type: 'rendered', block: ended }
      if (ended !== null && isFirst && canEnd) return at
      isFirst = false
    }
    if (next >= present.length) break
    at = next
    from = to
  }
  const last = cutter.end()
  if (last !== null) yield { type: 'rendered', block: last }
  return present.length
}

/** Mostly the first entry of an untouched block ends the one before: the others are asked for only if it does not. */
function* firstNameFirst(entries: EntrySource, from: string, to: string | null): Iterable<IndexEntry> {
  const afterFirst = `${from}\0`
  yield* entries(from, afterFirst)
  yield* entries(afterFirst, to)
}

/** The next block after `at` that does not begin inside a name. */
function nextNameStart(present: readonly NamedBlock[], at: number): number {
  let next = at + 1
  while (next < present.length && !isNameStart(present, next)) next++
  return next
}

function isNameStart(present: readonly NamedBlock[], at: number): boolean {
  return at === 0 || present[at - 1]!.lastName !== present[at]!.firstName
}

/**
 * A name touches every block that has or could have it, and the one before: where a block ends depends on the entry
 * that follows. Regions begin where a name begins, so that they can be asked for by name.
 */
function markTouched<B extends NamedBlock>(
  present: readonly B[],
  touched: readonly string[],
  isUsable: (block: B) => boolean,
): boolean[] {
  const marks = present.map((block) => !isUsable(block))
  for (const name of touched) {
    const from = Math.max(0, countBefore(present, (first) => first < name) - 1)
    const to = countBefore(present, (first) => first <= name)
    for (let at = from; at < to; at++) marks[at] = true
    if (present.length > 0) marks[from] = true
  }
  for (let at = present.length - 1; at > 0; at--) {
    if (marks[at] && !isNameStart(present, at)) marks[at - 1] = true
  }
  return marks
}

/** How many blocks, from the start, have a first name that is before something. */
function countBefore(present: readonly NamedBlock[], isBefore: (firstName: string) => boolean): number {
  let low = 0
  let high = present.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(present[middle]!.firstName)) low = middle + 1
    else high = middle
  }
  return low
}
