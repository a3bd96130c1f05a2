// Decisions of people: hold, unhold, decline, approve. Each is a row with the files it saw, and an audit row.
import type { Sha256 } from '../lib/digest.ts'
import type { Actor } from '../store/audit.ts'
import type { Channel } from '../store/channels.ts'
import type { DecisionSubject, DecisionVerb } from '../store/decisions.ts'
import type { Repo } from './repo.ts'

/** What a decision is about. */
export interface Subject extends Omit<DecisionSubject, 'channelId'> {
  readonly archive: string
  /** Null for hold and unhold. */
  readonly version: string | null
  readonly files: readonly Sha256[]
}

export interface DecisionOrder {
  readonly channel: Channel
  readonly verb: DecisionVerb
  readonly reason: string | null
  readonly actor: Actor
}

/** Records one decision about several subjects, in one transaction. */
export function decide(repo: Repo, subjects: readonly Subject[], order: DecisionOrder): void {
  const { store } = repo
  const at = Math.max(repo.clock.now(), seenAt(repo, order.channel))
  store.db.write((tx) => {
    for (const subject of subjects) {
      store.decisions.add(tx, {
        at,
        actor: order.actor.name,
        verb: order.verb,
        channelId: order.channel.id,
        release: subject.release,
        archiveId: subject.archiveId,
        source: subject.source,
        version: subject.version,
        reason: order.reason,
        files: [...new Set(subject.files)].sort(),
      })
      store.audit.append(tx, {
        at,
        actor: order.actor,
        action: order.verb,
        subject: subject.source,
        reason: order.reason,
        details: {
          channel: order.channel.name,
          release: subject.release,
          archive: subject.archive,
          ...(subject.version === null ? {} : { version: subject.version }),
          ...(subject.files.length === 0 ? {} : { files: [...new Set(subject.files)].sort() }),
        },
      })
    }
  })
}

/** A snapshot can be a little ahead of the clock; a decision comes after what it saw. */
function seenAt({ store }: Repo, channel: Channel): number {
  const seen = [channel.id, ...(channel.parentId === null ? [] : [channel.parentId])]
  return Math.max(...seen.map((id) => store.channels.head(id)?.at ?? 0))
}

/** Where a source is known, for decisions that bind a source whatever its version. */
export function subjectsOfSource(repo: Repo, channels: readonly Channel[], source: string): Subject[] {
  const archives = new Map(repo.store.archives.list().map((archive) => [archive.id, archive.name]))
  const stanzas = channels.flatMap((channel) => repo.store.views.bySource(channel.id, source))
  const groups = Map.groupBy(stanzas, (stanza) => `${stanza.release} ${stanza.archiveId}`)
  return [...groups.values()].map(([one]) => ({
    release: one!.release,
    archiveId: one!.archiveId,
    archive: archives.get(one!.archiveId)!,
    source,
    version: null,
    files: [],
  }))
}
