// `uus hold | unhold | decline | approve`: decisions, recorded with what they saw.
import { z } from 'zod'
import { UusError } from '../lib/errors.ts'
import { decide, type Subject, subjectsOfSource } from '../repo/decide.ts'
import { admissible, eligible, evaluate } from '../repo/evaluate.ts'
import { companionsOf } from '../repo/families.ts'
import { followChannels } from '../repo/follow-channels.ts'
import { obstacles } from '../repo/gates/gate.ts'
import { Waiting } from '../repo/pending.ts'
import { type PendingItem, type PendingScope, pendingKey } from '../repo/pending-item.ts'
import { promote as carryOut, plainly, planPromotion } from '../repo/promote.ts'
import type { Repo } from '../repo/repo.ts'
import { scopeOf, scopeTo, unknownChannel } from '../repo/scope.ts'
import {
  findSources,
  parseSelector,
  refuseUnknownReleases,
  type Selection,
  select,
} from '../repo/selectors.ts'
import type { Channel } from '../store/channels.ts'
import type { DecisionSubject, DecisionVerb } from '../store/decisions.ts'
import { action, type Call, type Outcome, step, stepAction } from './action.ts'
import { absentFilesOf, fetchFirst, fetchingStep } from './fetch-first.ts'
import { describeRegressions, type RefusedEntry } from './promote.ts'
import { reason } from './shared.ts'

const input = z.object({
  selectors: z.array(z.string()).min(1, 'name what to decide about'),
  to: z.string().nullable().default(null),
  releases: z.array(z.string()).default([]),
  reason: reason.nullable().default(null),
})
type Order = z.output<typeof input>
const inputType = input as z.ZodType<Order>

export interface DecisionEntry {
  readonly source: string
  readonly version: string | null
  readonly release: string
  readonly archive: string
}

export interface DecideResult extends Outcome {
  readonly channel: string
  readonly verb: DecisionVerb
  readonly items: readonly DecisionEntry[]
  /** For approvals: the snapshot that the approved versions entered with, if the gates let them. */
  readonly snapshot: string | null
  /** Approved versions that some gate still keeps out. */
  readonly waiting: readonly RefusedEntry[]
}

/** Holds bind a source whatever waits; a following channel can have them too. */
function holdStep(verb: 'hold' | 'unhold') {
  return step<Order, DecideResult>(verb, async ({ repo }, order, call) => {
    const channel = order.to === null ? scopeOf(repo, null).target : findChannel(repo, order.to)
    const feeding = repo.store.channels.get(channel.parentId!)
    refuseUnknownReleases(repo.store, order.releases)
    const held = repo.store.decisions.holds(channel.id)
    const found = order.selectors.flatMap((selector) => sourcesFor(repo, [feeding, channel], selector, held))
    const subjects = found.filter(
      (one) => order.releases.length === 0 || order.releases.includes(one.release),
    )
    refuseSeveralReleases(subjects, order)
    const holds = repo.store.decisions.holds(channel.id)
    const changing = subjects.filter((subject) => {
      const isHeld = holds.some((hold) => isSame(hold, subject))
      return verb === 'hold' ? !isHeld : isHeld
    })
    if (changing.length > 0) {
      decide(repo, changing, { channel, verb, reason: order.reason, actor: call.actor })
      if (verb === 'unhold') {
        await followChannels(repo, call.actor, call.emit)
        await evaluate(repo, call.actor, call.emit)
        await followChannels(repo, call.actor, call.emit)
      }
    }
    return {
      status: changing.length > 0 ? 'done' : 'nothing',
      channel: channel.name,
      verb,
      items: changing.map(({ source, version, release, archive }) => ({ source, version, release, archive })),
      snapshot: null,
      waiting: [],
    }
  })
}

/** Also a source that is on hold but stands nowhere any more. */
function sourcesFor(
  repo: Repo,
  channels: readonly Channel[],
  text: string,
  held: readonly DecisionSubject[],
): Subject[] {
  const selector = parseSelector(text)
  if (selector.type !== 'name' || selector.version !== null) {
    throw new UusError('USAGE', `"${text}": a hold binds a source by its name`, {
      hint: 'To bar one version: uus decline SOURCE=VERSION',
    })
  }
  const names = findSources(repo.store, channels, selector.pattern)
  const gone = held.filter((hold) => hold.source === selector.pattern && !names.includes(hold.source))
  if (names.length === 0 && gone.length === 0) {
    throw new UusError(
      'UNKNOWN_NAME',
      `No package is called ${selector.pattern} in ${channels.at(-1)!.name}`,
      {
        hint: 'Check the spelling; nothing was done',
      },
    )
  }
  const archives = new Map(repo.store.archives.list().map((archive) => [archive.id, archive.name]))
  return [
    ...names.flatMap((source) => subjectsOfSource(repo, channels, source)),
    ...gone.map(({ source, release, archiveId }) => ({
      source,
      release,
      archiveId,
      archive: archives.get(archiveId)!,
      version: null,
      files: [],
    })),
  ]
}

function findChannel(repo: Repo, name: string): Channel {
  const channel = repo.store.channels.find(name)
  if (channel === null || channel.parentId === null) throw unknownChannel(repo, name)
  return channel
}

function refuseSeveralReleases(subjects: readonly Subject[], order: Order): void {
  const releases = [...new Set(subjects.map((subject) => subject.release))].sort()
  if (releases.length <= 1 || order.releases.length > 0) return
  throw new UusError('RELEASE_AMBIGUOUS', `The selection is in several releases: ${releases.join(', ')}`, {
    hint: `Say which: --release ${releases[0]}`,
  })
}

interface SourceSubject {
  readonly release: string
  readonly archiveId: number
  readonly source: string
}

function isSame(a: SourceSubject, b: SourceSubject): boolean {
  return a.release === b.release && a.archiveId === b.archiveId && a.source === b.source
}

/** Approvals and declines bind a source version and the files it has now. */
const approveStep = fetchingStep<Order, DecideResult>('approve', ({ repo }, order, call) => {
  const scope = scopeOf(repo, order.to)
  const { items: selected } = selectFor(repo, scope, order)
  return {
    absentFiles: absentFilesOf(scope, selected),
    async act() {
      // An approval is for all that moves as one, but lifts no decline unasked.
      const companions = companionsOf(repo, scope, selected).filter(
        (item) => item.decision?.verb !== 'decline',
      )
      const items = [...selected, ...companions]
      const base = describeVerdict(scope, 'approve', items)
      if (items.length === 0) return { ...base, status: 'nothing' }
      decide(repo, items.map(subjectOf), verdictOf(scope, 'approve', order, call))
      return { ...base, status: 'done', ...(await enterWhatMay(repo, scope, items, order, call)) }
    },
  }
})

/** A decline bars what was named. Versions can be declined for a following channel as well. */
const declineStep = step<Order, DecideResult>('decline', async ({ repo }, order, call) => {
  const scope = order.to === null ? scopeOf(repo, null) : scopeTo(repo, findChannel(repo, order.to))
  const { items } = selectFor(repo, scope, order)
  const base = describeVerdict(scope, 'decline', items)
  if (items.length === 0) return { ...base, status: 'nothing' }
  decide(repo, items.map(subjectOf), verdictOf(scope, 'decline', order, call))
  await followChannels(repo, call.actor, call.emit)
  return { ...base, status: 'done' }
})

function selectFor(repo: Repo, scope: PendingScope, order: Order): Selection {
  return select(order.selectors.map(parseSelector), scope, {
    releases: order.releases,
    include: [],
    now: repo.clock.now(),
  })
}

function verdictOf(scope: PendingScope, verb: 'approve' | 'decline', { reason }: Order, { actor }: Call) {
  return { channel: scope.target, verb, reason, actor }
}

function describeVerdict(scope: PendingScope, verb: 'approve' | 'decline', items: readonly PendingItem[]) {
  return { channel: scope.target.name, verb, items: items.map(describe), snapshot: null, waiting: [] }
}

/** After an approval: what all gates let through enters at once. */
async function enterWhatMay(
  repo: Repo,
  scope: PendingScope,
  items: readonly PendingItem[],
  order: Order,
  call: Call,
): Promise<Pick<DecideResult, 'snapshot' | 'waiting'>> {
  // Judged anew, because the approval itself may have lifted a decline; with what was approved before and waited for it.
  const wanted = eligible(repo, scope).filter((item) => item.approvers.length > 0)
  const plan = planPromotion(repo, scope, admissible(repo, scope, wanted), plainly)
  const snapshot = await carryOut(
    repo,
    plan,
    { actor: call.actor, reason: order.reason, force: false, asOf: null },
    call.emit,
  )
  if (snapshot !== null) await followChannels(repo, call.actor, call.emit)
  const approved = new Set(items.map(pendingKey))
  const sources = [...new Set(items.map((item) => item.source))]
  const reader = new Waiting(scope)
  const waiting = [...reader.of(sources), ...reader.superseded(sources)]
    .filter((item) => approved.has(pendingKey(item)))
    .map((item) => ({ source: item.source, version: item.version, why: whyWaiting(repo, scope, item) }))
  return { snapshot: snapshot?.id ?? null, waiting }
}

function whyWaiting(repo: Repo, scope: PendingScope, item: PendingItem): string[] {
  const own = obstacles(item.verdicts)
  if (own.length > 0) return own.map((verdict) => verdict.sentence)
  const plan = planPromotion(repo, scope, [item], plainly)
  const together = plan.refused.find((one) => one.item === item)?.obstacles ?? []
  return [...together.map((verdict) => verdict.sentence), ...plan.objections, ...describeRegressions(plan)]
}

function describe(item: PendingItem): DecisionEntry {
  return { source: item.source, version: item.version, release: item.release, archive: item.archive }
}

function subjectOf(item: PendingItem): Subject {
  const { release, archiveId, archive, source, version } = item
  return { release, archiveId, archive, source, version, files: item.arrived.map((stanza) => stanza.sha256) }
}

export const decisionSteps = {
  hold: holdStep('hold'),
  unhold: holdStep('unhold'),
  approve: approveStep,
  decline: declineStep,
}

export const hold = stepAction({ verb: 'hold', role: 'approver', input: inputType }, decisionSteps.hold)
export const unhold = stepAction({ verb: 'unhold', role: 'approver', input: inputType }, decisionSteps.unhold)
export const approve = action<Order, DecideResult>({
  verb: 'approve',
  role: 'approver',
  input: inputType,
  run: (context, order, call) => fetchFirst(context, decisionSteps.approve, order, call),
})
export const decline = stepAction(
  { verb: 'decline', role: 'approver', input: inputType },
  decisionSteps.decline,
)
