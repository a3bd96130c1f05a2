// The way of an upload through the channels: as far as was asked, and as far as the gates let it.
import { followChannels } from '../repo/follow-channels.ts'
import type { AddPlan } from '../repo/local/plan.ts'
import { pendingOf } from '../repo/pending.ts'
import { plainly, planPromotion, promote } from '../repo/promote.ts'
import type { Repo } from '../repo/repo.ts'
import { scopeTo } from '../repo/scope.ts'
import type { Channel } from '../store/channels.ts'
import type { Placed } from '../store/views.ts'
import type { Call } from './action.ts'
import { describeRegressions } from './promote.ts'

/** From upstream to the channel: following ones have it, each gated one is a promotion, which its gates judge. */
export async function moveOn(repo: Repo, plan: AddPlan, target: Channel, why: string | null, call: Call) {
  let isMoved = false
  for (const channel of wayTo(repo, target)) {
    const missing = missingFrom(repo, plan, channel)
    if (missing.length === 0) continue
    if (channel.follows) {
      const names = [...new Set(missing.map((one) => `${one.source} ${one.sourceVersion}`))].join(', ')
      return { isMoved, refused: [`${channel.name} keeps out ${names}: it is held, or declined, there`] }
    }
    // A key that may upload is no approver: what it brings waits for one, or for a rule.
    const refused =
      call.actor.via === 'upload'
        ? askApproval(channel, missing)
        : await enter(repo, channel, missing, why, call)
    if (refused.length > 0) return { isMoved, refused }
    isMoved = true
    await followChannels(repo, call.actor, call.emit)
  }
  return { isMoved, refused: [] }
}

function askApproval(channel: Channel, missing: readonly Placed[]): string[] {
  return [...new Set(missing.map((one) => `${one.source}=${one.sourceVersion}`))].map(
    (name) => `${channel.name} is gated: uus approve ${name} --to ${channel.name}`,
  )
}

function wayTo({ store }: Repo, target: Channel): Channel[] {
  const way: Channel[] = []
  for (let at = target; at.parentId !== null; at = store.channels.get(at.parentId)) way.unshift(at)
  return way
}

/** The plan's packages as they stand in upstream, as far as a channel does not show them. */
function missingFrom(repo: Repo, plan: AddPlan, channel: Channel): Placed[] {
  const shown = new Set(placedIn(repo, plan, channel).map((one) => `${one.indexId} ${one.sha256}`))
  return placedIn(repo, plan, repo.store.channels.upstream()).filter(
    (one) => !shown.has(`${one.indexId} ${one.sha256}`),
  )
}

/** Where a channel shows the packages of a plan. */
export function placedIn(
  { store }: Repo,
  { packages, suites, archive }: AddPlan,
  channel: Channel,
): Placed[] {
  const suiteIds = new Set(suites.map((suite) => suite.id))
  return packages.flatMap(({ deb }) =>
    store.views
      .byName(channel.id, deb.package)
      .filter(
        (one) => one.archiveId === archive.id && suiteIds.has(one.suiteId) && one.sha256 === deb.sha256,
      ),
  )
}

/** As `uus promote` of just these versions; why not, if not. */
async function enter(
  repo: Repo,
  channel: Channel,
  missing: readonly Placed[],
  why: string | null,
  call: Call,
): Promise<string[]> {
  const scope = scopeTo(repo, channel, call.actor.name)
  const wanted = new Set(
    missing.map((one) => `${one.release} ${one.archiveId} ${one.source} ${one.sourceVersion}`),
  )
  const items = pendingOf(scope, [...new Set(missing.map((one) => one.source))]).filter(
    ({ kind, release, archiveId, source, version }) =>
      wanted.has(`${release} ${archiveId} ${source} ${version}`) && kind !== 'remove' && kind !== 'downgrade',
  )
  const plan = planPromotion(repo, scope, items, plainly)
  const refused = [
    ...plan.refused.map(
      ({ item, obstacles }) =>
        `${item.source} ${item.version}: ${obstacles.map((one) => one.sentence).join('; ')}`,
    ),
    ...plan.objections,
    ...describeRegressions(plan),
  ]
  if (refused.length > 0) return refused
  const order = { actor: call.actor, reason: why, force: false, asOf: null }
  const snapshot = await promote(repo, plan, order, call.emit)
  return snapshot === null ? [`${channel.name} takes nothing of it`] : []
}
