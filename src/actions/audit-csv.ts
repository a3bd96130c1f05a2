// The audit log as CSV, for spreadsheets: a record for each row, and between them, in order, what proves them.
import { canonicalJson, type Json } from '../lib/canonical-json.ts'
import { CsvReader, csvRecord } from '../lib/csv.ts'
import { type CheckpointEntry, type Entry, takeBefore } from '../repo/audit/entry.ts'
import {
  type AuditItem,
  type AuditPage,
  type CheckpointItem,
  type LogInfo,
  type OmittedItem,
  toEntry,
} from './audit.ts'
import type { AuditFile } from './audit-file.ts'
import { logJson, maxLineChars, omittedShape, Place, rowShape } from './audit-place.ts'

/** `kind` is log (the first record), row, checkpoint, omitted or end (the last); each fills only what it has. */
const columns = [
  'kind',
  'sequence',
  'at',
  'actor',
  'via',
  'action',
  'subject',
  'reason',
  'details',
  'head',
  'previous',
  'leaf',
  'checkpoint',
] as const
type Column = (typeof columns)[number]

export const csvOpening = csvRecord(columns)

export async function* writeCsv(pages: AsyncIterable<AuditPage>): AsyncGenerator<string> {
  let waiting: CheckpointItem[] | null = null
  for await (const { log, checkpoints, items } of pages) {
    let text = waiting === null ? csvOpening + csvRecord(logCells(log)) : ''
    waiting ??= [...checkpoints]
    for (const item of items) {
      for (const one of takeBefore(waiting, item.sequence)) text += csvRecord(checkpointCells(one))
      text += csvRecord(itemCells(item))
    }
    yield text
  }
  yield (waiting ?? []).map((one) => csvRecord(checkpointCells(one))).join('') + csvRecord(endCells)
}

function cells(values: Partial<Record<Column, string | number | null>>): string[] {
  return columns.map((column) => String(values[column] ?? ''))
}

const endCells = cells({ kind: 'end' })

function logCells(log: LogInfo): string[] {
  return cells({ kind: 'log', details: logJson(log) })
}

function checkpointCells({ sequence, text }: CheckpointItem): string[] {
  return cells({ kind: 'checkpoint', sequence, checkpoint: text })
}

function itemCells(item: AuditItem | OmittedItem): string[] {
  if ('leaf' in item) return cells({ kind: 'omitted', ...item })
  return cells({ kind: 'row', ...item, details: canonicalJson(item.details) })
}

/** MALFORMED, also later while the entries are read. */
export async function readCsv(path: string, chunks: AsyncIterable<string>): Promise<AuditFile> {
  const records = new Records(path, chunks)
  records.demand(columns, await records.next())
  const record = await records.next()
  const log = records.readLog(cellOf(record, 'details'))
  records.demand(logCells(log), record)
  return { log, entries: readEntries(records) }
}

async function* readEntries(records: Records): AsyncGenerator<readonly Entry[]> {
  let entries: Entry[] = []
  for (;;) {
    const record = await records.next()
    const kind = cellOf(record, 'kind')
    if (kind === 'end') {
      records.demand(endCells, record)
      break
    }
    entries.push(kind === 'checkpoint' ? readCheckpoint(records, record) : toEntry(readItem(records, record)))
    if (!records.isUsedUp) continue
    yield entries
    entries = []
  }
  await records.end()
  yield entries
}

function readCheckpoint(records: Records, record: readonly string[]): CheckpointEntry {
  const item = { sequence: Number(cellOf(record, 'sequence')), text: cellOf(record, 'checkpoint') }
  records.demand(checkpointCells(item), record)
  return { kind: 'checkpoint', ...item }
}

function readItem(records: Records, record: readonly string[]): AuditItem | OmittedItem {
  const get = (column: Column) => cellOf(record, column)
  const sequence = Number(get('sequence'))
  const parsed =
    get('kind') === 'omitted'
      ? omittedShape.safeParse({ sequence, leaf: get('leaf') })
      : rowShape.safeParse({
          sequence,
          at: get('at'),
          actor: get('actor'),
          via: get('via'),
          action: get('action'),
          subject: get('subject'),
          reason: get('reason') || null,
          details: records.readJson(get('details')) as Json,
          head: get('head'),
          ...(get('previous') === '' ? {} : { previous: get('previous') }),
        })
  if (!parsed.success) throw records.malformed()
  records.demand(itemCells(parsed.data), record)
  return parsed.data
}

function cellOf(record: readonly string[], column: Column): string {
  return record[columns.indexOf(column)] ?? ''
}

class Records extends Place {
  readonly #chunks: AsyncIterator<string>
  readonly #reader: CsvReader
  #ready: string[][] = []
  #at = 0

  constructor(path: string, chunks: AsyncIterable<string>) {
    super(path, 'record')
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#reader = new CsvReader(path, maxLineChars)
  }

  /** The next record comes with the next chunk. */
  get isUsedUp(): boolean {
    return this.#at >= this.#ready.length
  }

  async next(): Promise<string[]> {
    this.number++
    while (this.isUsedUp) {
      const { value, done } = await this.#chunks.next()
      if (done === true) throw this.malformed('is missing: the file was cut off')
      this.#ready = this.#reader.push(value)
      this.#at = 0
    }
    return this.#ready[this.#at++]!
  }

  /** The record must be what is written of what was read from it. */
  demand(written: readonly string[], record: readonly string[]): void {
    const isSame = written.length === record.length && written.every((cell, index) => cell === record[index])
    if (!isSame) throw this.malformed()
  }

  /** Nothing may follow. */
  async end(): Promise<void> {
    this.number++
    while (this.isUsedUp) {
      const { value, done } = await this.#chunks.next()
      if (done === true) {
        this.#reader.end()
        return
      }
      this.#ready = this.#reader.push(value)
      this.#at = 0
    }
    throw this.malformed('stands after the end')
  }
}
