// Keeping what is served signed: envelopes past half of their time are renewed, content unchanged.
import type { Channel } from '../store/channels.ts'
import type { Head } from '../store/publications.ts'
import { snapshotsField } from './publish/envelope.ts'
import type { Repo } from './repo.ts'

const dayMs = 86_400_000

/**
 * Renews the envelopes that are due: older than `afterMs`, or past half of their time, or signed by other keys than
 * the channel's present ones, or naming another place for snapshots. The number renewed.
 */
export async function renewEnvelopes(repo: Repo, afterMs: number = dayMs): Promise<number> {
  const { store } = repo
  let count = 0
  for (const head of store.publications.heads()) {
    const channel = store.channels.get(head.channelId)
    if (!isDue(repo, channel, head, afterMs)) continue
    await repo.committer.renew(channel, head.suiteId, head.publicationId)
    count++
  }
  return count
}

function isDue(repo: Repo, channel: Channel, head: Head, afterMs: number): boolean {
  const now = repo.clock.now()
  if (head.signedBy !== repo.store.keys.signers(channel.id)) return true
  // Made by a wrong clock: no client takes it.
  if (head.date > now) return true
  const { archive } = repo.store.archives.suite(head.suiteId)
  const snapshots = snapshotsField(repo.settings.snapshotsUrl, channel.name, archive)
  const { release } = repo.store.publications.envelopeOf(channel.id, head.suiteId)
  if (!release.includes(`\nSnapshots: ${snapshots}\n`)) return true
  const options = repo.channels.find((one) => one.name === channel.name)
  if (options !== undefined && (head.validUntil === null) !== (options.validForSeconds === null)) return true
  if (head.validUntil === null) return false
  return now - head.date > afterMs || now > head.date + (head.validUntil - head.date) / 2
}
