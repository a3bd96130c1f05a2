// `uus audit`: what was done, by whom, when and why. Answers page by page: a log of years fits into no message.
import { z } from 'zod'
import { canonicalJson, type Json } from '../lib/canonical-json.ts'
import { parseDuration } from '../lib/units.ts'
import type { OmittedEntry, RowEntry } from '../repo/audit/entry.ts'
import { readExcerpt } from '../repo/audit/excerpt.ts'
import { type AuditFilter, type AuditRange, readDetails } from '../store/audit.ts'
import type { Store } from '../store/store.ts'
import { type Listing, listing, readStep, stepAction } from './action.ts'

export interface AuditItem {
  readonly sequence: number
  /** With milliseconds, which the hash covers. */
  readonly at: string
  readonly actor: string
  readonly via: string
  readonly action: string
  readonly subject: string
  readonly reason: string | null
  readonly details: Json
  /** The chain's value after this row, hex. */
  readonly head: string
  /** The chain's value before it, where what led there is left out. */
  readonly previous?: string
}

/** In an excerpt that can be proved: a row that was not asked for. */
export interface OmittedItem {
  readonly sequence: number
  /** The row's hash, hex. */
  readonly leaf: string
}

export interface CheckpointItem {
  readonly sequence: number
  /** Clear-signed. */
  readonly text: string
}

/** What was asked for, with times made absolute. */
export type FilterEcho = {
  readonly since: string | null
  readonly until: string | null
  readonly actor: string | null
  readonly action: string | null
  readonly subject: string | null
  readonly limit: number | null
}

/** What an account says of itself. */
export type LogInfo = {
  /** What the log's checkpoints call it. */
  readonly origin: string | null
  /** Null: it is the whole log. */
  readonly filter: FilterEcho | null
  /** The log's last row when the first page was read. */
  readonly through: number
}

export interface AuditPage extends Listing<AuditItem | OmittedItem> {
  readonly log: LogInfo
  /** On the first page of an excerpt that can be proved; else empty. */
  readonly checkpoints: readonly CheckpointItem[]
  /** What to call with to get the next page; null at the end. */
  readonly next: AuditInput | null
}

const time = z.iso
  .datetime({ offset: true })
  .or(z.iso.date())
  .or(z.string().refine((text) => parseDuration(text) !== null))
const timeOrNull = z
  .string()
  .refine((text) => time.safeParse(text).success, 'must be an ISO 8601 date or time, or an age like 7d')
  .nullable()
  .default(null)
const name = z.string().min(1, 'must not be empty').nullable().default(null)
const sequence = z.number().int().nonnegative()

const input = z.object({
  since: timeOrNull,
  until: timeOrNull,
  /** Names, or globs. */
  actor: name,
  action: name,
  subject: name,
  /** Only the newest so many. */
  limit: z.number('must be a number').int().positive().nullable().default(null),
  /** With what `uus audit verify` needs. */
  withProof: z.boolean().default(false),
  /** As a page before this one said. */
  cursor: z
    .object({ first: sequence, last: sequence, after: sequence, through: sequence })
    .nullable()
    .default(null),
})
export type AuditInput = z.output<typeof input>

const auditStep = readStep<AuditInput, AuditPage>('audit', ({ repo }, order) => {
  const { store } = repo
  const filter = echo(order, repo.clock.now())
  return store.db.read(() => {
    const isFirst = order.cursor === null
    const cursor = order.cursor ?? beginning(store, filter)
    const { entries, after } = readEntries(store, order.withProof, filter, cursor)
    const through = cursor?.through ?? 0
    return {
      ...listing(entries.map(toItem)),
      log: {
        origin: store.settings.get('audit-origin'),
        filter: isWhole(filter) ? null : filter,
        through,
      },
      checkpoints: order.withProof && isFirst ? checkpointsFor(store, filter, entries, cursor) : [],
      next: after === null ? null : { ...order, ...filter, cursor: { ...cursor!, after } },
    }
  })
})

export const audit = stepAction(
  { verb: 'audit', role: 'viewer', input: input as z.ZodType<AuditInput> },
  auditStep,
)

type Cursor = AuditRange & { readonly after: number; readonly through: number }

function beginning(store: Store, filter: FilterEcho): Cursor | null {
  const range = store.audit.range(conditions(filter), filter.limit)
  return range === null ? null : { ...range, after: 0, through: store.audit.last()!.sequence }
}

const rowsAtOnce = { count: 1000, maxBytes: 1 << 20 }

function readEntries(store: Store, withProof: boolean, filter: FilterEcho, cursor: Cursor | null) {
  if (cursor === null) return { entries: [], after: null }
  const { after, ...range } = cursor
  if (withProof)
    return readExcerpt(store, { filter: conditions(filter), isWhole: isWhole(filter), range, after })
  const rest = { first: Math.max(range.first, after + 1), last: range.last }
  const rows = store.audit.rows(conditions(filter), rest, rowsAtOnce)
  const entries: RowEntry[] = rows.map((row) => ({ kind: 'row', row, previous: null, storedLeaf: null }))
  return { entries, after: rows.at(-1)?.sequence ?? null }
}

/** Those that its rows lead to. */
function checkpointsFor(
  store: Store,
  filter: FilterEcho,
  entries: readonly (RowEntry | OmittedEntry)[],
  cursor: Cursor | null,
): CheckpointItem[] {
  const [first] = entries
  if (first === undefined || cursor === null) return []
  const from = isWhole(filter) || first.kind !== 'row' ? 0 : first.row.sequence
  const end = store.checkpoints.covering(cursor.last)?.sequence ?? cursor.last
  return store.checkpoints.list(from, end).map(({ sequence: at, text }) => ({ sequence: at, text }))
}

function toItem(entry: RowEntry | OmittedEntry): AuditItem | OmittedItem {
  if (entry.kind === 'omitted') return { sequence: entry.sequence, leaf: entry.leaf }
  const { sequence: number, at, actor, via, action, subject, reason, head } = entry.row
  return {
    sequence: number,
    at: new Date(at).toISOString(),
    actor,
    via,
    action,
    subject,
    reason,
    details: readDetails(entry.row),
    head,
    ...(entry.previous === null ? {} : { previous: entry.previous }),
  }
}

/** What `toItem` was made of; the times of a page are absolute, so that this undoes it exactly. */
export function toEntry(item: AuditItem | OmittedItem): RowEntry | OmittedEntry {
  if ('leaf' in item) return { kind: 'omitted', ...item }
  const { previous, ...row } = item
  return {
    kind: 'row',
    row: { ...row, at: Date.parse(item.at), details: canonicalJson(item.details) },
    previous: previous ?? null,
    storedLeaf: null,
  }
}

export function isRow(item: AuditItem | OmittedItem): item is AuditItem {
  return !('leaf' in item)
}

function echo({ since, until, actor, action, subject, limit }: AuditInput, now: number): FilterEcho {
  return { since: absolute(since, now), until: absolute(until, now), actor, action, subject, limit }
}

function absolute(text: string | null, now: number): string | null {
  if (text === null) return null
  const age = parseDuration(text)
  return new Date(age === null ? text : now - age * 1000).toISOString()
}

function conditions(filter: FilterEcho): AuditFilter {
  return {
    since: filter.since === null ? undefined : Date.parse(filter.since),
    until: filter.until === null ? undefined : Date.parse(filter.until),
    actor: filter.actor ?? undefined,
    action: filter.action ?? undefined,
    subject: filter.subject ?? undefined,
  }
}

function isWhole(filter: FilterEcho): boolean {
  return Object.values(filter).every((value) => value === null)
}
