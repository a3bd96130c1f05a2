// Parts of the audit log that can be proved: the rows that were asked for, and of the others just the hashes that lead
// from each of these to the next checkpoint. The whole log is the excerpt that leaves nothing out.
import type { AuditFilter, AuditRange, StoredAuditRow } from '../../store/audit.ts'
import type { Store } from '../../store/store.ts'
import type { OmittedEntry, RowEntry } from './entry.ts'

export interface ExcerptOrder {
  readonly filter: AuditFilter
  /** Nothing is left out: the first row is the log's first, and each follows from the one before. */
  readonly isWhole: boolean
  readonly range: AuditRange
  /** Where it goes on: the last sequence number that was given; 0 at the beginning. */
  readonly after: number
}

export interface ExcerptPage {
  readonly entries: readonly (RowEntry | OmittedEntry)[]
  /** Where the next page goes on; null at the end. */
  readonly after: number | null
}

const rowsAtOnce = { count: 1000, maxBytes: 1 << 20 }
const leavesAtOnce = 5000

/** The next page. What was appended since the first one stays out: the range is fixed. */
export function readExcerpt(store: Store, order: ExcerptOrder): ExcerptPage {
  const page = new Page(store, order.after)
  const range = { first: Math.max(order.range.first, order.after + 1), last: order.range.last }
  const rows = store.audit.rows(order.filter, range, rowsAtOnce)
  for (const row of rows) {
    if (!page.leadTo(row, order.isWhole)) return page.toBeContinued()
  }
  if (rows.length > 0) return page.toBeContinued()
  return order.isWhole || page.leadOn() ? page.end() : page.toBeContinued()
}

class Page {
  readonly #store: Store
  readonly #entries: (RowEntry | OmittedEntry)[] = []
  #after: number
  #leavesLeft = leavesAtOnce

  constructor(store: Store, after: number) {
    this.#store = store
    this.#after = after
  }

  /** Adds a row, after what leads to it. False if the page is full before. */
  leadTo({ leaf, ...row }: StoredAuditRow, isWhole: boolean): boolean {
    if (!isWhole && !this.leadOn(row.sequence - 1)) return false
    const isNext = row.sequence === this.#after + 1
    const previous = isNext || isWhole ? null : this.#store.audit.headOf(row.sequence - 1)
    this.#entries.push({ kind: 'row', row, previous, storedLeaf: leaf })
    this.#after = row.sequence
    return true
  }

  /** Adds the hashes from where it is to the next checkpoint, not beyond `last`. False if the page is full before. */
  leadOn(last: number = Number.MAX_SAFE_INTEGER): boolean {
    const covering = this.#after === 0 ? null : this.#store.checkpoints.covering(this.#after)
    const end = Math.min(covering?.sequence ?? 0, last)
    if (end <= this.#after) return true
    const leaves = this.#store.audit.leaves({ first: this.#after + 1, last: end }, this.#leavesLeft)
    this.#leavesLeft -= leaves.length
    for (const one of leaves) this.#entries.push({ kind: 'omitted', ...one })
    this.#after = leaves.at(-1)?.sequence ?? this.#after
    return this.#after >= end
  }

  toBeContinued(): ExcerptPage {
    return { entries: this.#entries, after: this.#after }
  }

  end(): ExcerptPage {
    return { entries: this.#entries, after: null }
  }
}
