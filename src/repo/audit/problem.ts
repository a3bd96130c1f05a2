// What is wrong with a row that does not follow from the one before, in a sentence. Pure: it only names what the check
// has found already.
import { canonicalJson, type Json } from '../../lib/canonical-json.ts'
import { auditHead, auditLeaf, type ChainRow } from '../../store/audit-chain.ts'
import type { Entry, RowEntry } from './entry.ts'

export type ProblemKind =
  /** What a row says, or a hash of it, is not what it was. */
  | 'changed'
  | 'missing'
  | 'inserted'
  | 'reordered'
  /** A checkpoint's signature, or what it says. */
  | 'checkpoint'
  /** Nothing that was signed leads to the rows. */
  | 'unproved'
  /** Not what was seen earlier. */
  | 'seen'
  /** The file is not what an export writes. */
  | 'unreadable'
  /** The database lacks what forbids changes. */
  | 'guards'

export interface Problem {
  readonly kind: ProblemKind
  /** The first bad row; null where it is none. */
  readonly row: number | null
  /** Where the first bad row is one of several: the last of these. */
  readonly through: number | null
  readonly message: string
}

export function problem(
  kind: ProblemKind,
  row: number | null,
  message: string,
  through: number | null = null,
): Problem {
  return { kind, row, through, message }
}

/** How far away a row is looked for that may have been moved. */
const nearby = 1000

/** What is known beside the row itself. */
export interface Surroundings {
  /** The chain's value before it. */
  readonly previous: string
  /** A signature says that this value is right, or it is the one that every log begins with. */
  readonly isPreviousSure: boolean
  /** What comes after it, if anything. */
  readonly next: Entry | null
}

/** Of a row whose hashes are not those of its contents after `previous`. */
export function diagnose({ row, storedLeaf }: RowEntry, around: Surroundings): Problem {
  const n = row.sequence
  const changed = (why: string) => problem('changed', n, `Row ${n} was changed: ${why}`)
  if (isReencoded(row, around.previous))
    return changed('its details are written in another form than the one that was hashed')
  const was = storedLeaf === null ? null : formerNumber(row, storedLeaf)
  if (was !== null) {
    const message = `What stands as row ${n} was row ${was}: rows were moved, or some before it removed`
    return problem('reordered', n, message)
  }
  const leaf = auditLeaf(row)
  if (auditHead(around.previous, leaf) === row.head)
    return changed('the hash that is kept beside it is not that of what it says')
  if (storedLeaf !== null && storedLeaf !== leaf) return changed('its hash is not that of what it says')
  const next = around.next?.kind === 'row' && around.next.row.sequence === n + 1 ? around.next.row : null
  if (next === null) return changed(`its hash does not follow from ${n === 1 ? 'nothing' : `row ${n - 1}`}`)
  // The row after it tells which of the two values it was made after.
  const nextLeaf = auditLeaf(next)
  if (auditHead(around.previous, auditLeaf({ ...next, sequence: n })) === next.head)
    return problem('inserted', n, `Row ${n} was put in: what stands after it was row ${n} before`)
  if (auditHead(auditHead(around.previous, leaf), nextLeaf) === next.head)
    return changed(`its hash is not the one that row ${n + 1} follows from`)
  if (auditHead(row.head, nextLeaf) !== next.head)
    return problem('changed', n, `Row ${n} was changed, or put in: it does not follow from row ${n - 1}`)
  return brokenAt(n, storedLeaf, around)
}

/** Its hash is sound, but what it says, or the hash before it, is not. */
function brokenAt(n: number, storedLeaf: string | null, { isPreviousSure }: Surroundings): Problem {
  const itself = `Row ${n} was changed: its hash is not that of what it says`
  if (isPreviousSure) return problem('changed', n, itself)
  // The database keeps the hash of what it says, and that is right.
  if (storedLeaf !== null) {
    const message = `Row ${n - 1} was changed, and its hashes made anew: row ${n} does not follow from it`
    return problem('changed', n - 1, message)
  }
  return problem('changed', n, `${itself} (or row ${n - 1} was, and its hash made anew)`)
}

function isReencoded(row: ChainRow, previous: string): boolean {
  let details: string
  try {
    details = canonicalJson(JSON.parse(row.details) as Json)
  } catch {
    return false // no JSON at all: then it is another change
  }
  return details !== row.details && auditHead(previous, auditLeaf({ ...row, details })) === row.head
}

/** The number that a row had when its leaf was made; null if that is not to be found near by, or is the one it has. */
function formerNumber(row: ChainRow, leaf: string): number | null {
  const isIt = (sequence: number) => auditLeaf({ ...row, sequence }) === leaf
  if (isIt(row.sequence)) return null
  for (let distance = 1; distance <= nearby; distance++) {
    if (isIt(row.sequence + distance)) return row.sequence + distance
    if (row.sequence > distance && isIt(row.sequence - distance)) return row.sequence - distance
  }
  return null
}

export function describeRows(first: number, last: number): string {
  return first === last ? `Row ${first}` : `Rows ${first} to ${last}`
}

export function missing(first: number, last: number, why: string | null = null): Problem {
  const are = first === last ? 'is' : 'are'
  const because = why === null ? '' : `: ${why}`
  return problem('missing', first, `${describeRows(first, last)} ${are} missing${because}`, last)
}
