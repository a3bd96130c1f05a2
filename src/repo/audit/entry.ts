// What an account of the audit log consists of, be it read from the database or from an exported file.
import type { ChainRow } from '../../store/audit-chain.ts'

export type Entry = RowEntry | OmittedEntry | CheckpointEntry

export interface RowEntry {
  readonly kind: 'row'
  readonly row: ChainRow
  /** The chain's value before the row (hex), where the account does not hold what led to it. */
  readonly previous: string | null
  /** The leaf that the database keeps, hex; null in files, which do not have it. */
  readonly storedLeaf: string | null
}

/** A row that does not belong to what was asked for: only its hash. */
export interface OmittedEntry {
  readonly kind: 'omitted'
  readonly sequence: number
  /** Hex. */
  readonly leaf: string
}

export interface CheckpointEntry {
  readonly kind: 'checkpoint'
  readonly sequence: number
  /** Clear-signed. */
  readonly text: string
}

/** Takes out of `waiting`, which is in order, what comes before a row: a checkpoint stands after the row it is about. */
export function takeBefore<T extends { readonly sequence: number }>(waiting: T[], sequence: number): T[] {
  const place = waiting.findIndex((one) => one.sequence >= sequence)
  return place === 0 ? [] : waiting.splice(0, place < 0 ? waiting.length : place)
}

export function sequenceOf(entry: Entry): number {
  return entry.kind === 'row' ? entry.row.sequence : entry.sequence
}
