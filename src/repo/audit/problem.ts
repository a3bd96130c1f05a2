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

/** Of a row whose hash is not that of its contents after `previous`. `next` is what comes after it, if anything. */
export function diagnose(entry: RowEntry, previous: string, next: Entry | null): Problem {
  const { row, storedLeaf } = entry
  const n = row.sequence
  if (isReencoded(row, previous)) {
    return problem(
      'changed',
      n,
      `Row ${n} was changed: its details are written in another form than the one that was hashed`,
    )
  }
  const was = storedLeaf === null ? null : formerNumber(row, storedLeaf)
  if (was !== null) {
    return problem(
      'reordered',
      n,
      `What stands as row ${n} was row ${was}: rows were moved, or some before it removed`,
    )
  }
  const leaf = auditLeaf(row)
  const followsFromContents = auditHead(previous, leaf) === row.head
  if (followsFromContents)
    return problem('changed', n, `Row ${n} was changed: the leaf hash beside it is not that of what it says`)
  if (storedLeaf !== null && auditHead(previous, storedLeaf) === row.head)
    return problem('changed', n, `Row ${n} was changed: its hash is not that of what it says`)
  if (next?.kind !== 'row' || next.row.sequence !== n + 1) {
    return problem(
      'changed',
      n,
      `Row ${n} was changed, or put in: its hash does not follow from row ${n - 1}`,
    )
  }
  return diagnoseWithNext(row, previous, next.row)
}

/** The row after it tells which of the two hashes it was made after. */
function diagnoseWithNext(row: ChainRow, previous: string, next: ChainRow): Problem {
  const n = row.sequence
  if (auditHead(previous, auditLeaf({ ...next, sequence: n })) === next.head)
    return problem('inserted', n, `Row ${n} was put in: what stands after it was row ${n} before`)
  const nextLeaf = auditLeaf(next)
  if (auditHead(row.head, nextLeaf) === next.head)
    return problem('changed', n, `Row ${n} was changed: its hash is not that of what it says`)
  if (auditHead(auditHead(previous, auditLeaf(row)), nextLeaf) === next.head)
    return problem(
      'changed',
      n,
      `Row ${n} was changed: its hash is not the one that row ${n + 1} follows from`,
    )
  return problem('changed', n, `Row ${n} was changed, or put in: its hash does not follow from row ${n - 1}`)
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
