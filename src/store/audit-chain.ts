// The audit log as a chain of hashes: what a row's hash covers. Pure, so that whoever verifies computes the same.
import { hash } from 'node:crypto'

/** A row as it is stored and exported. */
export interface ChainRow {
  readonly sequence: number
  /** Milliseconds. */
  readonly at: number
  readonly actor: string
  readonly via: string
  readonly action: string
  readonly subject: string
  readonly reason: string | null
  /** Canonical JSON (RFC 8785). */
  readonly details: string
  /** The chain's value after this row, hex. */
  readonly head: string
}

/** What comes before the first row: 32 zero bytes. */
export const firstHead = '0'.repeat(64)

/** SHA-256(0x00 ‖ canonical JSON of the row without its head), hex. */
export function auditLeaf(row: Omit<ChainRow, 'head'>): string {
  const text = (value: string | null) => JSON.stringify(value)
  // Canonical: the names are sorted, and details are canonical already.
  const json =
    `{"action":${text(row.action)},"actor":${text(row.actor)},"at":${row.at},"details":${row.details},` +
    `"reason":${text(row.reason)},"sequence":${row.sequence},"subject":${text(row.subject)},"via":${text(row.via)}}`
  return hash('sha256', Buffer.concat([Buffer.of(0), Buffer.from(json)]), 'hex')
}

/** SHA-256(0x01 ‖ previous head ‖ leaf), hex. */
export function auditHead(previous: string, leaf: string): string {
  return hash('sha256', Buffer.from(`01${previous}${leaf}`, 'hex'), 'hex')
}
