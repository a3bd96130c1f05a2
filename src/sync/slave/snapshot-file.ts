// The signed files of a snapshot by URL: on a slave they come from the master, which renews them. What came is believed
// only if the channel's keys signed it, and it says of the snapshot what is known already.
import { releaseBodyOf } from '../../debian/release.ts'
import type { Store } from '../../store/store.ts'
import { readKeyring } from '../../trust/keyring.ts'
import { verifyDetachedRelease, verifyInRelease } from '../../trust/verify.ts'
import { signedTextOf } from '../protocol/documents.ts'
import { clockToleranceMs, refused } from './trust.ts'

/** As it came; plain data. */
export interface SnapshotFile {
  readonly channel: string
  readonly suiteId: number
  readonly publicationId: number
  readonly inRelease: Uint8Array
  readonly releaseGpg: Uint8Array
}

export async function adoptSnapshotFile(file: SnapshotFile, store: Store, now: number): Promise<void> {
  const channel = store.channels.find(file.channel)!
  const keys = store.keys.list(channel.id).filter(({ role }) => role !== 'retired')
  const keyring = await readKeyring(
    keys.map(({ fingerprint, publicKey }) => ({ path: fingerprint, bytes: Buffer.from(publicKey) })),
  )
  const what = `InRelease of a snapshot of ${file.channel}`
  const inRelease = Buffer.from(file.inRelease)
  const releaseGpg = Buffer.from(file.releaseGpg)
  const at = now + clockToleranceMs
  const { release } = await verifyInRelease(inRelease, keyring, at, what)
  const text = signedTextOf(inRelease)
  await verifyDetachedRelease(text, releaseGpg, keyring, at, what)
  if (releaseBodyOf(text.toString()) !== store.publications.body(file.publicationId)) {
    throw refused(`${what} has another content than is held`, 'See "uus status" on the master')
  }
  const envelope = {
    channelId: channel.id,
    date: release.date,
    validUntil: null,
    signedBy: store.keys.signers(channel.id),
    inRelease,
    release: text,
    releaseGpg,
  }
  store.db.write((tx) => store.publications.putSnapshotEnvelope(tx, file.publicationId, envelope))
}
