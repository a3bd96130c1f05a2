// What people and programs elsewhere are told: worked out from what is so now and was not told yet, and from what the audit
// log says since the last look. Nothing that acts has to think of it. `uus notice list|retry`: how far deliveries came.
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { NoticeEvent } from '../config/notify.ts'
import { formatIso } from '../lib/units.ts'
import { undeliveredPrefix } from '../repo/alarms.ts'
import { isWanted } from '../repo/evaluate.ts'
import { listPending } from '../repo/pending.ts'
import type { Repo } from '../repo/repo.ts'
import { scopeTo } from '../repo/scope.ts'
import type { StoredAuditRow } from '../store/audit.ts'
import type { Channel } from '../store/channels.ts'
import type { Tx } from '../store/database.ts'
import type { Delivery } from '../store/notices.ts'
import { type Listing, listing, type Outcome, quietStep, readStep, stepAction } from './action.ts'
import { describeJudged, type PendingEntry } from './pending.ts'

/** What is sent: `type`, `timestamp` and `data`, as Standard Webhooks has it. */
export interface NoticeBody {
  readonly type: NoticeEvent
  readonly timestamp: string
  readonly data: {
    /** One line for people. */
    readonly summary: string
    /** What it is about, one line each, at most 100 of them. */
    readonly lines: readonly string[]
    readonly count: number
    readonly channel: string | null
    /** As `uus pending --json`, `audit --json` or `status --json` have them, at most 100. */
    readonly items: readonly unknown[]
  }
}

interface Found {
  readonly event: NoticeEvent
  readonly channel: string | null
  readonly summary: string
  readonly lines: readonly string[]
  readonly items: readonly unknown[]
}

export interface TargetEvents {
  readonly name: string
  readonly events: readonly NoticeEvent[]
}

const cursorKey = 'notices-audit'
const keptMs = 90 * 86_400_000
const maxItems = 100
const maxRows = 1000

/** Looks what there is to tell. */
export const collectNoticesStep = quietStep<readonly TargetEvents[], void>(
  'collect-notices',
  ({ repo, config }, targets) => {
    const { store, clock } = repo
    const now = clock.now()
    const isWaitedFor = targets.some(({ events }) => events.includes('waiting') || events.includes('blocked'))
    store.db.write((tx) => {
      const found = [
        ...acts(repo, tx),
        ...alarms(repo, tx, now),
        // Judging all that waits takes long; a slave decides nothing.
        ...(isWaitedFor && config.role === 'master' ? waiting(repo, tx, now) : []),
      ]
      for (const one of found) {
        const names = targets.filter(({ events }) => events.includes(one.event)).map(({ name }) => name)
        if (names.length === 0) continue
        const id = `msg_${randomUUID().replaceAll('-', '')}`
        const notice = { id, event: one.event, at: now, body: JSON.stringify(bodyOf(one, now)) }
        store.notices.add(tx, notice, names)
      }
      store.notices.keepOnly(
        tx,
        targets.map(({ name }) => name),
      )
      store.notices.forget(tx, now - keptMs)
    })
  },
)

function bodyOf({ event, channel, summary, lines, items }: Found, now: number): NoticeBody {
  return {
    type: event,
    timestamp: formatIso(now),
    data: {
      summary,
      lines: lines.slice(0, maxItems),
      count: lines.length,
      channel,
      items: items.slice(0, maxItems),
    },
  }
}

/** What the audit log says of promotions, and of what was done by force. What was before the first look is no news. */
function acts({ store }: Repo, tx: Tx): Found[] {
  const last = store.audit.last()?.sequence ?? 0
  const before = Number(store.settings.get(cursorKey) ?? last)
  const portion = { count: maxRows, maxBytes: 16 << 20 }
  const rows = last > before ? store.audit.rows({}, { first: before + 1, last }, portion) : []
  // What does not fit into one portion comes at the next look.
  store.settings.set(tx, cursorKey, String(rows.at(-1)?.sequence ?? last))
  return rows.flatMap((row) => {
    const event = row.action.endsWith(' --force') ? 'forced' : row.action === 'promote' ? 'promoted' : null
    if (event === null) return []
    const reason = row.reason === null ? '' : `: ${row.reason}`
    const what = event === 'forced' ? `did "${row.action}" on` : 'promoted into'
    const { sequence, at, actor, via, action, subject } = row
    return [
      {
        event,
        channel: subject,
        summary: `${row.actor} ${what} ${row.subject}${reason}`,
        lines: changesOf(row),
        items: [
          {
            sequence,
            at: formatIso(at),
            actor,
            via,
            action,
            subject,
            reason: row.reason,
            details: JSON.parse(row.details) as unknown,
          },
        ],
      },
    ]
  })
}

/** `openssl 3.0.2-1 → 3.0.2-2 (noble)`, as far as the row tells. */
function changesOf({ details }: StoredAuditRow): string[] {
  const { items } = JSON.parse(details) as { items?: readonly Record<string, string | null | undefined>[] }
  if (!Array.isArray(items)) return []
  return items.map(({ source, previous, version, release }) => {
    const change = previous == null ? version : `${previous} → ${version ?? 'out'}`
    return [source, change, release == null ? null : `(${release})`].filter((part) => part != null).join(' ')
  })
}

function alarms({ store }: Repo, tx: Tx, now: number): Found[] {
  const on = store.alarms.list()
  const keyOf = (key: string) => `alarm ${key}`
  const fresh = new Set(
    remember(
      store,
      tx,
      now,
      'alarm ',
      on.map(({ key }) => keyOf(key)),
    ),
  )
  return on
    .filter(({ key }) => fresh.has(keyOf(key)) && !key.startsWith(undeliveredPrefix))
    .map(({ key, raisedAt, message, hint }) => ({
      event: 'alarm',
      channel: null,
      summary: message,
      lines: hint === null ? [] : [hint],
      items: [{ key, since: formatIso(raisedAt), message, hint }],
    }))
}

/** What waits for a person, and what no gate lets in, of each channel. */
function waiting(repo: Repo, tx: Tx, now: number): Found[] {
  const { store } = repo
  return store.channels.list().flatMap((channel) => {
    if (channel.parentId === null || channel.follows || !channel.isConfigured) return []
    const scope = scopeTo(repo, channel)
    const all = listPending(scope).map((item) => ({
      entry: describeJudged(repo, scope, item),
      isWanted: isWanted(item),
    }))
    const isForPeople = ({ entry, isWanted: isLetIn }: (typeof all)[number]) =>
      entry.state === 'needs' || (entry.state === 'ready' && !isLetIn)
    const forPeople = all.filter(isForPeople).map(({ entry }) => entry)
    const blocked = all
      .map(({ entry }) => entry)
      .filter((entry) => entry.state === 'blocked' && !isDecided(entry))
    const news = (event: NoticeEvent, entries: readonly PendingEntry[], why: string) => {
      const fresh = notTold(repo, tx, now, event, channel, entries)
      return fresh.length === 0 ? [] : [describeWaiting(event, channel.name, fresh, why)]
    }
    return [
      ...news('waiting', forPeople, 'for approval'),
      ...news('blocked', blocked, 'and no gate lets it in'),
    ]
  })
}

function notTold(
  { store }: Repo,
  tx: Tx,
  now: number,
  event: NoticeEvent,
  channel: Channel,
  entries: readonly PendingEntry[],
): PendingEntry[] {
  const prefix = `${event} ${channel.id} `
  const keyOf = ({ release, archive, source, to, kind }: PendingEntry) =>
    `${prefix}${release} ${archive} ${source} ${to} ${kind}`
  const fresh = new Set(remember(store, tx, now, prefix, entries.map(keyOf)))
  return entries.filter((entry) => fresh.has(keyOf(entry)))
}

function describeWaiting(
  event: NoticeEvent,
  channel: string,
  entries: readonly PendingEntry[],
  why: string,
): Found {
  const names = [...new Set(entries.map(({ source }) => source))]
  const first = names.slice(0, 3).join(', ')
  const what = names.length > 3 ? `${first} and ${names.length - 3} more` : first
  const summary = `${what} waits for ${channel} ${why}`
  return { event, channel, summary, lines: entries.map(lineOf), items: entries }
}

/** A person decided so; nobody has to be told. */
function isDecided({ verdicts }: PendingEntry): boolean {
  return verdicts.some(({ gate, state }) => gate === 'holds' && state === 'blocked')
}

function lineOf({ source, from, to, release, verdicts }: PendingEntry): string {
  const why = verdicts.find(({ state }) => state === 'blocked' || state === 'cannot-tell')
  const change = from === null ? to : `${from} → ${to}`
  return `${source} ${change} (${release})${why === undefined ? '' : `: ${why.sentence}`}`
}

/** Of the keys that hold now those that were not told; what holds no more is news when it comes again. */
function remember(
  store: Repo['store'],
  tx: Tx,
  now: number,
  prefix: string,
  keys: readonly string[],
): string[] {
  const present = new Set(keys)
  const told = new Set(store.notices.told(prefix))
  for (const key of told) if (!present.has(key)) store.notices.untell(tx, key)
  const fresh = [...present].filter((key) => !told.has(key))
  for (const key of fresh) store.notices.tell(tx, key, now)
  return fresh
}

export const dueNoticesStep = readStep<{ readonly limit: number }, readonly Delivery[]>(
  'due-notices',
  ({ repo }, { limit }) => repo.store.notices.due(repo.clock.now(), limit),
)

export interface DeliveryOutcome {
  readonly noticeId: string
  readonly target: string
  /** How often it was tried before. */
  readonly attempts: number
  /** Null: it is there. */
  readonly error: string | null
  /** Trying again is of no use. */
  readonly isFinal: boolean
}

/** After so long each, then it is given up: about three days. */
export const retrySeconds = [5, 60, 300, 1800, 7200, 18_000, 43_200, 86_400, 86_400] as const

export const settleNoticesStep = quietStep<readonly DeliveryOutcome[], void>(
  'settle-notices',
  ({ repo }, outcomes) => {
    const { store, clock } = repo
    const now = clock.now()
    store.db.write((tx) => {
      for (const { noticeId, target, attempts, error, isFinal } of outcomes) {
        const pause = isFinal ? undefined : retrySeconds[attempts]
        const state = error === null ? 'done' : pause === undefined ? 'dead' : 'waiting'
        store.notices.settle(tx, noticeId, target, { state, error, dueAt: now + (pause ?? 0) * 1000 })
      }
    })
  },
)

export interface NoticeEntry {
  readonly id: string
  readonly event: string
  readonly at: string
  readonly summary: string
  readonly target: string
  readonly state: Delivery['state']
  readonly attempts: number
  /** When it is tried next; null where it is not. */
  readonly nextAt: string | null
  readonly error: string | null
}

const listInput = z.object({
  state: z.enum(['waiting', 'done', 'dead']).nullable().default(null),
  limit: z.int().min(1).max(1000).default(50),
})

const listNoticesStep = readStep<z.output<typeof listInput>, Listing<NoticeEntry>>(
  'notice list',
  ({ repo }, order) =>
    listing(
      repo.store.notices
        .list(order.state, order.limit)
        .map(({ notice, target, state, attempts, dueAt, error }) => ({
          id: notice.id,
          event: notice.event,
          at: formatIso(notice.at),
          summary: (JSON.parse(notice.body) as NoticeBody).data.summary,
          target,
          state,
          attempts,
          nextAt: state === 'waiting' ? formatIso(dueAt) : null,
          error,
        })),
    ),
)

export const noticeList = stepAction(
  { verb: 'notice list', role: 'viewer', input: listInput as z.ZodType<z.output<typeof listInput>> },
  listNoticesStep,
)

const retryInput = z.object({
  /** All that were given up, if it is not said. */
  id: z.string().nullable().default(null),
})

export interface RetryResult extends Outcome {
  readonly count: number
}

const retryStep = quietStep<z.output<typeof retryInput>, RetryResult>('notice retry', ({ repo }, { id }) => {
  const count = repo.store.db.write((tx) => repo.store.notices.revive(tx, id, repo.clock.now()))
  return { status: count === 0 ? 'nothing' : 'done', count }
})

export const noticeRetry = stepAction(
  { verb: 'notice retry', role: 'admin', input: retryInput as z.ZodType<z.output<typeof retryInput>> },
  retryStep,
)

export const noticeSteps = [collectNoticesStep, dueNoticesStep, settleNoticesStep] as const
