// Dropping what is frozen: an archive, or a part of it, that left the configuration or vanished upstream.
import type { Emit } from '../lib/events.ts'
import type { SuiteIndex } from '../store/archives.ts'
import type { Actor } from '../store/audit.ts'
import type { ViewChange } from '../store/views.ts'
import { describeIndexes } from './follow-channels.ts'
import type { Repo } from './repo.ts'

/** What every channel still shows though it is no longer kept up to date. */
export function frozenIndexes(repo: Pick<Repo, 'store'>, archive: string | null): SuiteIndex[] {
  return repo.store.archives
    .indexes()
    .filter((index) => index.frozenAt !== null && (archive === null || index.archive === archive))
}

/**
 * Takes frozen indexes out of every channel: children before parents, so that a crash in between leaves nothing
 * that follows a channel which lost them. The indexes themselves go with the last one, `upstream`.
 */
export async function dropFrozen(
  repo: Repo,
  indexes: readonly SuiteIndex[],
  order: { readonly actor: Actor; readonly reason: string },
  emit: Emit,
): Promise<void> {
  const { store } = repo
  const ids = indexes.map((index) => index.id)
  for (const channel of store.channels.list().reverse()) {
    const changes = new Map<number, ViewChange>()
    const drops: number[] = []
    for (const id of ids) {
      const view = store.views.find(channel.id, id)
      if (view === null || view.liveSince === null) continue
      drops.push(id)
      changes.set(id, { enter: [], leave: store.views.recordIds(view.id) })
    }
    const isLast = channel.parentId === null
    if (drops.length === 0 && !isLast) continue
    await repo.committer.commit(
      {
        channel,
        changes,
        drops,
        kind: 'drop',
        reason: order.reason,
        audit: {
          actor: order.actor,
          action: 'drop',
          subject: channel.name,
          details: { indexes: describeIndexes(store, drops) },
        },
        alongside: (tx, _revision, at) => {
          for (const id of drops) store.views.endLive(tx, store.views.find(channel.id, id)!.id)
          if (isLast) for (const id of ids) store.archives.dropIndex(tx, id, at)
        },
      },
      emit,
    )
  }
}
