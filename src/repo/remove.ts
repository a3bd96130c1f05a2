// Taking source versions out of a channel: with a decline, so that nothing brings them back, and, for a recall, so that
// nobody gets them from a retained snapshot either.
import { compareVersions } from '../debian/version.ts'
import { UusError } from '../lib/errors.ts'
import type { Emit } from '../lib/events.ts'
import type { Actor } from '../store/audit.ts'
import type { Channel, Snapshot } from '../store/channels.ts'
import type { Placed } from '../store/views.ts'
import { indexChanges } from './changes.ts'
import { objectionsTo } from './guards.ts'
import type { Repo } from './repo.ts'
import { findSources, parseSelector, refuseUnknownReleases } from './selectors.ts'

export interface RemovalOrder {
  readonly channel: Channel
  /** Names, globs, and names with a version. */
  readonly selectors: readonly string[]
  /** Of which releases; empty means: the one there is. */
  readonly releases: readonly string[]
  readonly reason: string
  /** Serve the files no more at all. */
  readonly isBlocked: boolean
  readonly isForced: boolean
  readonly actor: Actor
}

/** What an order takes out. */
export interface Removal {
  readonly stanzas: readonly Placed[]
  /** Why so great a loss has to be forced. */
  readonly objections: readonly string[]
}

/** UNKNOWN_NAME for what the channel does not show; GATE_REFUSED for blocking what another channel shows too. */
export function planRemoval(repo: Repo, order: RemovalOrder): Removal {
  const { store } = repo
  refuseUnknownReleases(store, order.releases)
  const stanzas = chosen(repo, order)
  const releases = [...new Set(stanzas.map((stanza) => stanza.release))].sort()
  if (releases.length > 1 && order.releases.length === 0) {
    throw new UusError('RELEASE_AMBIGUOUS', `The selection is in several releases: ${releases.join(', ')}`, {
      hint: `Say which: --release ${releases[0]}`,
    })
  }
  if (order.isBlocked) refuseShownElsewhere(repo, order, stanzas)
  const changes = indexChanges({ enter: [], leave: stanzas })
  return { stanzas, objections: objectionsTo(store, order.channel.id, changes) }
}

function chosen({ store }: Repo, order: RemovalOrder): Placed[] {
  const found = new Map<string, Placed>()
  for (const text of order.selectors) {
    const selector = parseSelector(text)
    if (selector.type !== 'name') {
      throw new UusError('USAGE', `"${text}": what is removed is named`, {
        hint: 'Name source packages, or SOURCE=VERSION',
      })
    }
    const { pattern, version } = selector
    const stanzas = findSources(store, [order.channel], pattern)
      .flatMap((source) => store.views.bySource(order.channel.id, source))
      .filter((one) => version === null || compareVersions(one.sourceVersion, version) === 0)
      .filter((one) => order.releases.length === 0 || order.releases.includes(one.release))
    if (stanzas.length === 0) {
      throw new UusError('UNKNOWN_NAME', `Channel ${order.channel.name} does not show ${text}`, {
        hint: 'Check the spelling; nothing was done',
      })
    }
    for (const stanza of stanzas) found.set(`${stanza.indexId} ${stanza.id}`, stanza)
  }
  return [...found.values()]
}

/** A file is blocked for every channel: none that still names it may be surprised. */
function refuseShownElsewhere({ store }: Repo, order: RemovalOrder, stanzas: readonly Placed[]): void {
  const files = new Set(stanzas.map((stanza) => stanza.sha256))
  const names = new Set(stanzas.map((stanza) => stanza.name))
  const others = store.channels
    .list()
    .filter((channel) => channel.parentId !== null && channel.id !== order.channel.id)
    .filter((channel) =>
      [...names].some((name) => store.views.byName(channel.id, name).some((one) => files.has(one.sha256))),
    )
  if (others.length === 0) return
  const [first] = others
  throw new UusError(
    'GATE_REFUSED',
    `${others.map((channel) => channel.name).join(' and ')} would still name what is blocked`,
    { hint: `Remove it there first: uus remove ${order.selectors.join(' ')} --channel ${first!.name}` },
  )
}

/** Carries a removal out, in one snapshot. The plan must have been made after the last commit. */
export async function remove(repo: Repo, plan: Removal, order: RemovalOrder, emit: Emit): Promise<Snapshot> {
  const { store } = repo
  const archives = new Map(store.archives.list().map((archive) => [archive.id, archive.name]))
  const versions = [...Map.groupBy(plan.stanzas, versionKey).values()]
  return repo.committer.commit(
    {
      channel: order.channel,
      changes: indexChanges({ enter: [], leave: plan.stanzas }),
      kind: 'remove',
      reason: order.reason,
      audit: {
        actor: order.actor,
        action: order.isForced ? 'remove --force' : 'remove',
        subject: order.channel.name,
        details: {
          isBlocked: order.isBlocked,
          ...(plan.objections.length === 0 ? {} : { overridden: plan.objections }),
          items: versions.map((stanzas) => ({
            source: stanzas[0]!.source,
            version: stanzas[0]!.sourceVersion,
            archive: archives.get(stanzas[0]!.archiveId)!,
            release: stanzas[0]!.release,
            files: filesOf(stanzas),
          })),
        },
      },
      alongside: (tx, _revision, at) => {
        for (const stanzas of versions) {
          const { release, archiveId, source, sourceVersion } = stanzas[0]!
          store.decisions.add(tx, {
            channelId: order.channel.id,
            release,
            archiveId,
            source,
            at,
            actor: order.actor.name,
            verb: 'decline',
            version: sourceVersion,
            reason: `removed: ${order.reason}`,
            files: filesOf(stanzas),
          })
          if (!order.isBlocked) continue
          for (const file of filesOf(stanzas)) store.poolFiles.block(tx, file, at, order.reason)
        }
      },
    },
    emit,
  )
}

function filesOf(stanzas: readonly Placed[]) {
  return [...new Set(stanzas.map((stanza) => stanza.sha256))].sort()
}

function versionKey(stanza: Placed): string {
  return `${stanza.release} ${stanza.archiveId} ${stanza.source} ${stanza.sourceVersion}`
}
