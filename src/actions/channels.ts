// `uus channel list | show | diff | seed`.
import { z } from 'zod'
import { UusError } from '../lib/errors.ts'
import { formatIso } from '../lib/units.ts'
import { listDifferences, type SourceDifference } from '../repo/differences.ts'
import type { Repo } from '../repo/repo.ts'
import { unknownChannel } from '../repo/scope.ts'
import { seed, unseededIndexes } from '../repo/seed.ts'
import type { Channel } from '../store/channels.ts'
import { type Listing, listing, type Outcome, readStep, step, stepAction } from './action.ts'
import { isoOrNull, reason } from './shared.ts'

export type { SourceDifference }

export interface ChannelEntry {
  readonly name: string
  readonly from: string | null
  readonly mode: 'follows' | 'gated' | 'upstream'
  readonly isConfigured: boolean
  readonly snapshot: string | null
  readonly at: string | null
  readonly packages: number
  readonly unseeded: number
  /** Until when clients accept what is served now; the earliest of all suites. */
  readonly validUntil: string | null
}

export interface SuiteEntry {
  readonly archive: string
  readonly suite: string
  readonly release: string | null
  readonly component: string
  readonly architecture: string
  readonly packages: number
  readonly state: 'live' | 'frozen' | 'waits for seed'
}

export interface ChannelDetails extends ChannelEntry, Outcome {
  readonly items: readonly SuiteEntry[]
  readonly holds: readonly HoldEntry[]
}

export interface HoldEntry {
  readonly source: string
  readonly release: string
  readonly archive: string
  readonly by: string
  readonly at: string
  readonly reason: string | null
}

export function findAnyChannel(repo: Repo, name: string): Channel {
  const channel = repo.store.channels.find(name)
  if (channel === null) throw unknownChannel(repo, name)
  return channel
}

export function describeChannel(repo: Repo, channel: Channel): ChannelEntry {
  const { store } = repo
  const head = store.channels.head(channel.id)
  const kinds = new Map(store.archives.indexes().map((index) => [index.id, index.kind]))
  const views = store.views
    .list(channel.id)
    .filter((view) => view.liveSince !== null && kinds.get(view.indexId) === 'packages')
  const ends = store.publications
    .heads()
    .filter((one) => one.channelId === channel.id)
    .map((one) => one.validUntil)
    .filter((until) => until !== null)
  return {
    name: channel.name,
    from: channel.parentId === null ? null : store.channels.get(channel.parentId).name,
    mode: channel.parentId === null ? 'upstream' : channel.follows ? 'follows' : 'gated',
    isConfigured: channel.isConfigured,
    snapshot: head?.id ?? null,
    at: isoOrNull(head?.at ?? null),
    packages: views.reduce((sum, view) => sum + store.views.count(view.id), 0),
    unseeded: unseededIndexes(repo, channel).length,
    validUntil: ends.length === 0 ? null : formatIso(Math.min(...ends)),
  }
}

const nothing = z.object({})
type Nothing = z.output<typeof nothing>

const listStep = readStep<Nothing, Listing<ChannelEntry>>('channel list', ({ repo }) =>
  listing(repo.store.channels.list().map((channel) => describeChannel(repo, channel))),
)

export const channelList = stepAction(
  { verb: 'channel list', role: 'viewer', input: nothing as z.ZodType<Nothing> },
  listStep,
)

const named = z.object({ channel: z.string() })

const showStep = readStep<z.output<typeof named>, ChannelDetails>('channel show', ({ repo }, order) => {
  const channel = findAnyChannel(repo, order.channel)
  const { store } = repo
  const unseeded = new Set(unseededIndexes(repo, channel))
  const archives = new Map(store.archives.list().map((archive) => [archive.id, archive.name]))
  const items: SuiteEntry[] = []
  for (const index of store.archives.indexes()) {
    const view = store.views.find(channel.id, index.id)
    if ((view === null || view.liveSince === null) && !unseeded.has(index.id)) continue
    items.push({
      archive: index.archive,
      suite: index.suite,
      release: index.release,
      component: index.component,
      architecture: index.architecture,
      packages: view === null ? 0 : store.views.count(view.id),
      state: unseeded.has(index.id) ? 'waits for seed' : index.frozenAt !== null ? 'frozen' : 'live',
    })
  }
  const holds = store.decisions.holds(channel.id).map((hold) => ({
    source: hold.source,
    release: hold.release,
    archive: archives.get(hold.archiveId)!,
    by: hold.actor,
    at: formatIso(hold.at),
    reason: hold.reason,
  }))
  return { status: 'done', ...describeChannel(repo, channel), items, holds }
})

export const channelShow = stepAction(
  { verb: 'channel show', role: 'viewer', input: named as z.ZodType<z.output<typeof named>> },
  showStep,
)

const diffInput = z.object({ from: z.string(), to: z.string() })

export interface DiffResult extends Listing<SourceDifference> {
  readonly from: string
  readonly to: string
}

const diffStep = readStep<z.output<typeof diffInput>, DiffResult>('channel diff', ({ repo }, order) => {
  const from = findAnyChannel(repo, order.from)
  const to = findAnyChannel(repo, order.to)
  const items = listDifferences(repo.store, { channelId: from.id }, { channelId: to.id })
  return { ...listing(items), from: from.name, to: to.name }
})

export const channelDiff = stepAction(
  { verb: 'channel diff', role: 'viewer', input: diffInput as z.ZodType<z.output<typeof diffInput>> },
  diffStep,
)

const seedInput = z.object({
  channel: z.string(),
  archive: z.string().nullable().default(null),
  suite: z.string().nullable().default(null),
  empty: z.boolean().default(false),
  reason: reason.nullable().default(null),
})

export interface SeedResult extends Outcome {
  readonly channel: string
  readonly snapshot: string | null
  readonly entered: number
}

export const seedStep = step<z.output<typeof seedInput>, SeedResult>(
  'channel seed',
  async ({ repo }, order, call) => {
    const channel = findAnyChannel(repo, order.channel)
    if (channel.parentId === null || channel.follows) {
      throw new UusError('USAGE', `Channel ${channel.name} is not gated: it needs no seed`, {
        hint: 'Seed the gated channels; "uus channel list" shows which they are',
      })
    }
    const { archive, suite, empty: isEmpty } = order
    const made = await seed(
      repo,
      { channel, archive, suite, isEmpty, reason: order.reason, actor: call.actor },
      call.emit,
    )
    return {
      status: made === null ? 'nothing' : 'done',
      channel: channel.name,
      snapshot: made?.id ?? null,
      entered: made?.entered ?? 0,
    }
  },
)

export const channelSeed = stepAction(
  { verb: 'channel seed', role: 'admin', input: seedInput as z.ZodType<z.output<typeof seedInput>> },
  seedStep,
)
