// The signed files of snapshots by URL: made when they are first asked for, and renewed while they are.
import { posix } from 'node:path'
import { suiteFolder } from '../debian/index-kinds.ts'
import { UusError } from '../lib/errors.ts'
import type { SignedFile } from '../repo/published.ts'
import type { Envelope } from '../store/publications.ts'
import type { Store } from '../store/store.ts'
import type { MasterLink } from '../sync/slave/link.ts'
import { type Call, type JobsPort, step } from './action.ts'
import { adoptSnapshotFileStep } from './slave-steps.ts'

type SnapshotFiles = Omit<Envelope, 'validUntil'>

export const signSnapshotStep = step<SignedFile, void>('sign-snapshot', async ({ repo }, file) => {
  const { store } = repo
  const channel = store.channels.find(file.channel)!
  // Two who asked at the same time: the second finds it signed.
  if (isFresh(repo.clock.now(), store, channel.id, file, validForOf(repo.channels, file.channel))) return
  await repo.committer.signSnapshot(channel, file.suiteId, file.publicationId)
})

export interface SignedFilesOptions {
  readonly reader: Store
  readonly jobs: JobsPort
  readonly call: Call
  readonly channels: readonly { readonly name: string; readonly validForSeconds: number | null }[]
  /** Of a slave: whom to ask for what it cannot sign. */
  readonly link: Pick<MasterLink, 'smallFile'> | null
  now(): number
}

/** Clients limit how old a Release may be (`Valid-Until-Max`), so that of a snapshot is renewed at half of that. */
export async function signedFile(
  file: SignedFile,
  options: SignedFilesOptions,
): Promise<{ bytes: Buffer; lastModified: number }> {
  const { reader, jobs, call } = options
  const channel = reader.channels.find(file.channel)!
  const validFor =
    options.link === null
      ? validForOf(options.channels, file.channel)
      : (reader.followed.find(channel.id)?.validForSeconds ?? null)
  const present = () => reader.publications.snapshotEnvelope(channel.id, file.publicationId)
  if (!isFresh(options.now(), reader, channel.id, file, validFor)) {
    try {
      if (options.link === null) await jobs.run(signSnapshotStep, file, call)
      else await fetchSigned(file, options.link, options)
    } catch (error) {
      // What is there may still do.
      if (present() === null) throw error
    }
  }
  const envelope = present()
  if (envelope === null) {
    throw new UusError('JOBS_DIED', 'The snapshot could not be signed just now', {
      hint: 'Ask again in a moment',
    })
  }
  return { bytes: bytesOf(envelope, file.name), lastModified: envelope.date }
}

/** A slave has the master sign it, and believes it if it is signed. */
async function fetchSigned(
  { channel, snapshot, suiteId, publicationId }: SignedFile,
  link: Pick<MasterLink, 'smallFile'>,
  { reader, jobs, call }: SignedFilesOptions,
): Promise<void> {
  const { archive, name } = reader.archives.suite(suiteId)
  const folder = posix.join('/snapshots', channel, snapshot, archive, suiteFolder(name))
  const isRestricted = reader.followed.isRestricted(reader.channels.find(channel)!.id, archive)
  const [inRelease, releaseGpg] = await Promise.all(
    ['InRelease', 'Release.gpg'].map((file) =>
      link.smallFile(posix.join(folder, file), maxSignedBytes, isRestricted),
    ),
  )
  if (!inRelease || !releaseGpg) {
    throw new UusError(
      'SYNC_REFUSED',
      `The master does not sign snapshot ${snapshot} of ${channel} any more`,
      {
        hint: 'It was collected there: see "uus snapshot list" on the master',
      },
    )
  }
  await jobs.run(adoptSnapshotFileStep, { channel, suiteId, publicationId, inRelease, releaseGpg }, call)
}

const maxSignedBytes = 4 << 20

function isFresh(
  now: number,
  store: Store,
  channelId: number,
  { publicationId }: SignedFile,
  validForSeconds: number | null,
): boolean {
  const envelope = store.publications.snapshotEnvelope(channelId, publicationId)
  if (envelope === null || envelope.signedBy !== store.keys.signers(channelId)) return false
  return validForSeconds === null || now - envelope.date < (validForSeconds * 1000) / 2
}

function validForOf(channels: SignedFilesOptions['channels'], name: string): number | null {
  return channels.find((channel) => channel.name === name)?.validForSeconds ?? null
}

function bytesOf(envelope: SnapshotFiles, name: SignedFile['name']): Buffer {
  switch (name) {
    case 'InRelease':
      return envelope.inRelease
    case 'Release':
      return envelope.release
    case 'Release.gpg':
      return envelope.releaseGpg
  }
}
