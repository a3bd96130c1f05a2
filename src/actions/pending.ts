// `uus pending`: what waits for a gated channel. `uus explain`: every gate's verdict on it.
import { z } from 'zod'
import { obstacles, type Verdict } from '../repo/gates/gate.ts'
import { listPending, type PendingItem } from '../repo/pending.ts'
import { scopeOf } from '../repo/promote.ts'
import { parseSelector, refuseUnknownReleases, select } from '../repo/selectors.ts'
import { type Listing, listing, readStep, stepAction } from './action.ts'
import { isoOrNull } from './shared.ts'

/** A waiting source version, for people and programs. */
export interface PendingEntry {
  readonly source: string
  readonly kind: string
  readonly from: string | null
  readonly to: string
  readonly release: string
  readonly archive: string
  readonly suites: readonly string[]
  /** Since when the feeding channel has it. */
  readonly since: string | null
  readonly state: 'ready' | 'blocked' | 'waiting'
  readonly verdicts: readonly Verdict[]
  readonly packages: readonly string[]
}

export interface PendingResult extends Listing<PendingEntry> {
  readonly channel: string
  readonly from: string
}

export function describePending(item: PendingItem): PendingEntry {
  const found = obstacles(item.verdicts)
  const isOnlyWaiting = found.every((verdict) => verdict.state === 'waiting')
  return {
    source: item.source,
    kind: item.kind,
    from: item.from,
    to: item.version,
    release: item.release,
    archive: item.archive,
    suites: item.suites,
    since: isoOrNull(item.since),
    state: found.length === 0 ? 'ready' : isOnlyWaiting ? 'waiting' : 'blocked',
    verdicts: item.verdicts,
    packages: [
      ...new Set(
        [...item.arrived, ...item.gone].map((one) => `${one.name} ${one.version} ${one.architecture}`),
      ),
    ].sort(),
  }
}

const pendingInput = z.object({
  channel: z.string().nullable().default(null),
  releases: z.array(z.string()).default([]),
})

const pendingStep = readStep<z.output<typeof pendingInput>, PendingResult>('pending', ({ repo }, order) => {
  const { target, feeding } = scopeOf(repo, order.channel)
  refuseUnknownReleases(repo.store, order.releases)
  const items = listPending({ store: repo.store, packages: repo.packages, target, feeding })
    .filter((item) => order.releases.length === 0 || order.releases.includes(item.release))
    .map(describePending)
  return { ...listing(items), channel: target.name, from: feeding.name }
})

export const pending = stepAction(
  { verb: 'pending', role: 'viewer', input: pendingInput as z.ZodType<z.output<typeof pendingInput>> },
  pendingStep,
)

const explainInput = z.object({
  selectors: z.array(z.string()).min(1),
  to: z.string().nullable().default(null),
  releases: z.array(z.string()).default([]),
})

const explainStep = readStep<z.output<typeof explainInput>, PendingResult>('explain', ({ repo }, order) => {
  const { target, feeding } = scopeOf(repo, order.to)
  const selection = select(
    order.selectors.map(parseSelector),
    { store: repo.store, packages: repo.packages, target, feeding },
    { releases: order.releases, include: ['republished', 'downgrade', 'remove'], now: repo.clock.now() },
  )
  const items = selection.items.map(describePending)
  return { items, status: items.length === 0 ? 'nothing' : 'done', channel: target.name, from: feeding.name }
})

export const explain = stepAction(
  { verb: 'explain', role: 'viewer', input: explainInput as z.ZodType<z.output<typeof explainInput>> },
  explainStep,
)
