// Verifying an account of the audit log: every row follows from the one before, and signed checkpoints confirm it. Reads
// it once, in order, and stops at the first row that is bad. Neither database nor file: whoever gives the entries knows.
import { MalformedError, UusError } from '../../lib/errors.ts'
import { auditHead, auditLeaf, firstHead } from '../../store/audit-chain.ts'
import { verifyCheckpoint } from '../../trust/checkpoint.ts'
import type { Keyring } from '../../trust/keyring.ts'
import { type CheckpointEntry, type Entry, type OmittedEntry, type RowEntry, sequenceOf } from './entry.ts'
import { describeRows, diagnose, missing, type Problem, problem } from './problem.ts'

/** An account of the log, and what it says of itself. */
export interface Account {
  /** By sequence number, a checkpoint after the row that it covers; in portions of any size. */
  readonly entries: AsyncIterable<readonly Entry[]>
  /** It claims to hold every row from the first to `through`. */
  readonly isWhole: boolean
  readonly origin: string | null
  readonly through: number
}

export interface ChainReport {
  /** Rows that were read, with what they say. */
  readonly rows: number
  readonly first: number | null
  readonly last: number | null
  /** Rows that a signed checkpoint stands for. */
  readonly provedRows: number
  readonly provedThrough: number | null
  /** The first row that is only chained: no checkpoint covers it. */
  readonly firstUnproved: number | null
  /** Checkpoints that are good. */
  readonly checkpoints: number
  /** When the newest of them was signed, in milliseconds. */
  readonly newestAt: number | null
  readonly signedBy: readonly string[]
  readonly problem: Problem | null
}

/** Values of the chain that somebody kept: by sequence number, hex. */
export type Seen = ReadonlyMap<number, string>

/** Throws only what is no matter of the account. */
export async function checkChain(account: Account, keyring: Keyring, seen: Seen): Promise<ChainReport> {
  const check = new ChainCheck(account, keyring, seen)
  const reader = new EntryReader(account.entries)
  try {
    while (await reader.advance()) {
      const found = check.take(reader.current!, reader.next) ?? (await check.prove(reader.current!))
      if (found !== null) return check.report(await named(found, reader))
    }
    return check.report(check.end())
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    return check.report(problem('unreadable', check.nextNumber, error.message))
  }
}

/** Of rows that are missing where they should be: which ones, or that they come later. */
async function named(found: Problem, reader: EntryReader): Promise<Problem> {
  if (found.kind !== 'missing' || found.row === null) return found
  let instead: number | null = null
  try {
    do {
      const entry = reader.current
      if (entry === null || entry.kind === 'checkpoint') continue
      const sequence = sequenceOf(entry)
      if (sequence === found.row)
        return problem('reordered', sequence, `Row ${sequence} stands after row ${instead}`)
      instead ??= sequence
    } while (await reader.advance())
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
  }
  return instead === null ? found : missing(found.row, instead - 1)
}

/** One entry at a time, with a view of the next one. */
class EntryReader {
  readonly #portions: AsyncIterator<readonly Entry[]>
  #buffer: Entry[] = []
  #at = -1
  #isAtEnd = false

  constructor(portions: AsyncIterable<readonly Entry[]>) {
    this.#portions = portions[Symbol.asyncIterator]()
  }

  get current(): Entry | null {
    return this.#buffer[this.#at] ?? null
  }

  /** What comes after it, but for a checkpoint. */
  get next(): Entry | null {
    const place = this.#buffer[this.#at + 1]?.kind === 'checkpoint' ? 2 : 1
    return this.#buffer[this.#at + place] ?? null
  }

  /** False at the end. */
  async advance(): Promise<boolean> {
    this.#at++
    while (this.#at + 2 >= this.#buffer.length && !this.#isAtEnd) {
      this.#buffer = this.#buffer.slice(this.#at)
      this.#at = 0
      const { value, done } = await this.#portions.next()
      if (done === true) this.#isAtEnd = true
      else this.#buffer.push(...value)
    }
    return this.current !== null
  }
}

class ChainCheck {
  readonly #account: Account
  readonly #keyring: Keyring
  readonly #seen: Seen
  #origin: string | null
  #sequence = 0
  #head = firstHead
  #rows = 0
  #first: number | null = null
  #last: number | null = null
  #provedRows = 0
  #provedThrough: number | null = null
  /** Of the rows since the last checkpoint. */
  #firstUnproved: number | null = null
  #unprovedRows = 0
  /** The account went on elsewhere before it led from that row to a checkpoint. */
  #stray: number | null = null
  #checkpoints = 0
  #newestAt: number | null = null
  readonly #signedBy = new Set<string>()
  readonly #seenHere = new Set<number>()

  constructor(account: Account, keyring: Keyring, seen: Seen) {
    this.#account = account
    this.#keyring = keyring
    this.#seen = seen
    this.#origin = account.origin
  }

  get nextNumber(): number {
    return this.#sequence + 1
  }

  /** What a row or a hash adds to the chain; null if it is good, or no matter of the chain. */
  take(entry: Entry, next: Entry | null): Problem | null {
    if (entry.kind === 'row') return this.#takeRow(entry, next)
    return entry.kind === 'omitted' ? this.#takeOmitted(entry) : null
  }

  #takeRow(entry: RowEntry, next: Entry | null): Problem | null {
    const { row } = entry
    const n = row.sequence
    const mayBegin = !this.#account.isWhole && entry.previous !== null && n > this.#sequence
    if (n !== this.#sequence + 1 && !mayBegin) return this.#misplaced(n)
    if (n !== this.#sequence + 1) this.#stray ??= this.#firstUnproved
    const previous = n === this.#sequence + 1 ? this.#head : entry.previous!
    if (entry.previous !== null && entry.previous !== previous)
      return problem('changed', n, `Row ${n} was changed: it names another hash than that of row ${n - 1}`)
    const leaf = auditLeaf(row)
    const head = auditHead(previous, leaf)
    if (head !== row.head || (entry.storedLeaf !== null && entry.storedLeaf !== leaf))
      return diagnose(entry, { previous, isPreviousSure: this.#isSure(n - 1), next })
    this.#rows++
    this.#first ??= n
    this.#last = n
    this.#firstUnproved ??= n
    this.#unprovedRows++
    return this.#move(n, head)
  }

  /** Nobody can have made the chain anew up to there. */
  #isSure(sequence: number): boolean {
    return sequence === 0 || (sequence === this.#provedThrough && sequence === this.#sequence)
  }

  #takeOmitted({ sequence, leaf }: OmittedEntry): Problem | null {
    if (this.#account.isWhole)
      return problem('missing', sequence, `Row ${sequence} is missing: only its hash is there`)
    if (sequence !== this.#sequence + 1) return this.#misplaced(sequence)
    return this.#move(sequence, auditHead(this.#head, leaf))
  }

  #move(sequence: number, head: string): Problem | null {
    this.#sequence = sequence
    this.#head = head
    const seen = this.#seen.get(sequence)
    if (seen === undefined) return null
    this.#seenHere.add(sequence)
    if (seen === head) return null
    const from = (this.#provedThrough ?? 0) + 1
    return problem(
      'seen',
      Math.min(from, sequence),
      `${describeRows(Math.min(from, sequence), sequence)}: not what was there when the hash after row ${sequence} was noted`,
      sequence,
    )
  }

  #misplaced(n: number): Problem {
    const expected = this.#sequence + 1
    if (n === this.#sequence) return problem('inserted', n, `Row ${n} is there twice`)
    if (n < expected) return problem('reordered', n, `Row ${n} stands after row ${this.#sequence}`)
    return missing(expected, n - 1)
  }

  /** What a checkpoint says of the chain so far. */
  async prove(entry: Entry): Promise<Problem | null> {
    if (entry.kind !== 'checkpoint') return null
    const { sequence } = entry
    if (sequence < this.#sequence)
      return problem(
        'checkpoint',
        sequence,
        `The checkpoint of row ${sequence} stands after row ${this.#sequence}`,
      )
    if (sequence > this.#sequence || this.#stray !== null) return this.#unreached(sequence)
    const said = await this.#verify(entry)
    if ('problem' in said) return said.problem
    const from = (this.#provedThrough ?? 0) + 1
    this.#origin ??= said.origin
    if (said.origin !== this.#origin)
      return problem(
        'checkpoint',
        sequence,
        `The checkpoint of row ${sequence} is of another log, ${said.origin}`,
      )
    if (said.sequence !== sequence || said.head !== this.#head) {
      const message = `${describeRows(from, sequence)}: the chain was made anew, for it is not the one that was signed after row ${said.sequence}`
      return problem('checkpoint', from, message, sequence)
    }
    this.#provedRows += this.#unprovedRows
    this.#provedThrough = sequence
    this.#firstUnproved = null
    this.#unprovedRows = 0
    this.#checkpoints++
    this.#newestAt = said.at
    this.#signedBy.add(said.signedBy)
    return null
  }

  /** A checkpoint that the chain does not reach: of no use in an excerpt, but a gap in the whole. */
  #unreached(sequence: number): Problem | null {
    if (this.#account.isWhole)
      return missing(this.#sequence + 1, sequence, `a checkpoint covers row ${sequence}`)
    const n = this.#stray ?? this.#firstUnproved
    if (n === null) return null
    return problem('unproved', n, `Row ${n}: nothing leads from it to the checkpoint of row ${sequence}`)
  }

  async #verify({ sequence, text }: CheckpointEntry) {
    try {
      return await verifyCheckpoint(text, this.#keyring, `The checkpoint of row ${sequence}`)
    } catch (error) {
      if (!(error instanceof UusError)) throw error
      return { problem: problem('checkpoint', sequence, error.message) }
    }
  }

  /** What is missing at the end. */
  end(): Problem | null {
    const { isWhole, through } = this.#account
    if (isWhole && this.#sequence < through) return missing(this.#sequence + 1, through, 'cut off at the end')
    if (isWhole && this.#sequence > through)
      return problem('unreadable', through + 1, `It says that it ends with row ${through}, but goes on`)
    for (const sequence of this.#seen.keys()) {
      if (this.#seenHere.has(sequence)) continue
      const why = isWhole ? `the log ends with row ${this.#sequence}` : 'the export does not lead through it'
      return problem('seen', sequence, `Row ${sequence}, of which you know the hash, is not there: ${why}`)
    }
    return null
  }

  report(found: Problem | null): ChainReport {
    return {
      rows: this.#rows,
      first: this.#first,
      last: this.#last,
      provedRows: this.#provedRows,
      provedThrough: this.#provedThrough,
      firstUnproved: this.#firstUnproved,
      checkpoints: this.#checkpoints,
      newestAt: this.#newestAt,
      signedBy: [...this.#signedBy],
      problem: found,
    }
  }
}
