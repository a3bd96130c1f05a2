// Local archives in the catalogue: their suites have no upstream to be adopted from, so they are what the configuration
// says, and are published empty at once.
import { renderIdentity, type SuiteIdentity } from '../../debian/release.ts'
import { sha256 } from '../../lib/digest.ts'
import type { Emit } from '../../lib/events.ts'
import type { Suite, SuiteIndex } from '../../store/archives.ts'
import type { Actor } from '../../store/audit.ts'
import type { Channel } from '../../store/channels.ts'
import type { Tx } from '../../store/database.ts'
import type { ArchiveOptions } from '../configure.ts'
import { describeIndexes, followChannels } from '../follow-channels.ts'
import type { Repo } from '../repo.ts'

/** Idempotent: what is new of local archives is shown by every channel from now on. */
export async function publishLocal(
  repo: Repo,
  archives: readonly ArchiveOptions[],
  actor: Actor,
  emit: Emit,
): Promise<void> {
  for (const archive of archives) {
    if (archive.local === null) continue
    for (const name of archive.suites) {
      const suite = repo.store.archives.findSuite(archive.name, name)!
      await publishSuite(repo, archive, suite, actor, emit)
    }
  }
  if (!archives.some((archive) => archive.local !== null) || !lacksIndexes(repo)) return
  await followChannels(repo, actor, emit)
  for (const channel of repo.store.channels.list()) {
    if (await openGated(repo, channel, actor, emit)) await followChannels(repo, actor, emit)
  }
}

async function publishSuite(
  repo: Repo,
  archive: ArchiveOptions,
  suite: Suite,
  actor: Actor,
  emit: Emit,
): Promise<void> {
  const { store, clock, committer } = repo
  const upstream = store.channels.upstream()
  const places = archive.components.flatMap((component) =>
    archive.architectures.map((architecture) => ({ kind: 'packages' as const, component, architecture })),
  )
  const ids = store.db.write((tx) => {
    const made = places.map((place) => store.archives.ensureIndex(tx, suite.id, place))
    for (const id of made) store.archives.thawIndex(tx, id)
    return made
  })
  const goesLive = ids.filter((id) => store.views.find(upstream.id, id)?.liveSince == null)
  const isKnown = String(suite.adopted?.architectures) === String(archive.architectures)
  if (goesLive.length === 0 && isKnown) return
  const identity = suite.adopted?.identity ?? identityOf(archive, suite)
  await committer.commit(
    {
      channel: upstream,
      changes: new Map(),
      goesLive,
      kind: 'configure',
      reason: null,
      audit: {
        actor,
        action: 'open local suite',
        subject: `${archive.name}/${suite.name}`,
        details: { origin: identity.origin, indexes: describeIndexes(store, goesLive) },
      },
      alongside: (tx) => record(repo, tx, archive, suite, identity, clock.now()),
    },
    emit,
  )
}

/** Fixed when the suite is published first: clients pin to it. */
function identityOf(archive: ArchiveOptions, suite: Suite): SuiteIdentity {
  return { origin: archive.local!.origin, label: archive.name, suite: suite.name, codename: suite.name }
}

function record(
  { store }: Repo,
  tx: Tx,
  { architectures }: ArchiveOptions,
  suite: Suite,
  identity: SuiteIdentity,
  at: number,
): void {
  const release = suite.release ?? suite.name
  const fileSha256 = sha256(renderIdentity(identity))
  const adopted = { identity, architectures, date: at, validUntil: null, fileSha256, signedBy: '', at }
  store.archives.recordAdoption(tx, suite.id, adopted, release)
}

/** Does a channel not show what the one that feeds it shows of a local archive? */
function lacksIndexes(repo: Repo): boolean {
  const { channels } = repo.store
  return channels
    .list()
    .some((channel) => channel.isConfigured && missingIndexes(repo, channel, () => true).length > 0)
}

/** A gated channel shows what is empty without being asked: there is nothing to let in. */
async function openGated(repo: Repo, channel: Channel, actor: Actor, emit: Emit): Promise<boolean> {
  if (channel.parentId === null || channel.follows || !channel.isConfigured) return false
  const { store, committer } = repo
  const goesLive = missingIndexes(repo, channel, (viewId) => store.views.count(viewId) === 0)
  if (goesLive.length === 0) return false
  await committer.commit(
    {
      channel,
      changes: new Map(),
      goesLive,
      kind: 'seed',
      reason: null,
      audit: {
        actor,
        action: 'seed',
        subject: channel.name,
        details: { isEmpty: true, indexes: describeIndexes(store, goesLive) },
      },
    },
    emit,
  )
  return true
}

function missingIndexes({ store }: Repo, channel: Channel, isWanted: (viewId: number) => boolean): number[] {
  if (channel.parentId === null) return []
  const isLocal = new Set(store.archives.list().flatMap(({ id, isLocal: is }) => (is ? [id] : [])))
  return store.archives
    .indexes()
    .filter((index: SuiteIndex) => {
      if (!isLocal.has(index.archiveId) || index.frozenAt !== null) return false
      const from = store.views.find(channel.parentId!, index.id)
      const to = store.views.find(channel.id, index.id)
      return from?.liveSince != null && to?.liveSince == null && isWanted(from.id)
    })
    .map((index) => index.id)
}
