// Opening a data directory in its role: a master's and a slave's are not of one another's kind.
import { randomUUID } from 'node:crypto'
import { UusError } from '../../lib/errors.ts'
import type { Repo } from '../../repo/repo.ts'
import type { Store } from '../../store/store.ts'
import { readOwnManifest } from '../protocol/documents.ts'
import { recordFollowed } from './flip.ts'

/** By it servers know one another, and notice if they follow each other in a circle. */
export function ensureServerId(store: Store): void {
  if (store.settings.get('server-id') !== null) return
  store.db.write((tx) => store.settings.set(tx, 'server-id', randomUUID()))
}

/** DATA_UNUSABLE if the data is a master's: it would be lost among what another master says. */
export async function prepareSlave({ store, generated }: Pick<Repo, 'store' | 'generated'>): Promise<void> {
  const isMasters = store.channels
    .list()
    .some(({ id, parentId }) => parentId !== null && store.followed.find(id) === null)
  if (isMasters) {
    throw new UusError('DATA_UNUSABLE', 'This data directory is that of a master', {
      hint: 'Give the slave a directory of its own with "data", or set "role: master"',
    })
  }
  readManifestsAgain(store)
  await forgetLostPacks(store, generated)
}

/** A version before may have passed over what this one understands. */
function readManifestsAgain(store: Store): void {
  for (const { id } of store.channels.list()) {
    const held = store.manifests.find(id)
    if (held === null) continue
    store.db.write((tx) => recordFollowed(tx, readOwnManifest(held.bytes), store, id))
  }
}

/** DATA_UNUSABLE if the data is a slave's, which has no keys to sign with. */
export function refuseSlavesData(store: Store): void {
  if (!store.channels.list().some(({ id }) => store.followed.find(id) !== null)) return
  throw new UusError('DATA_UNUSABLE', 'This data directory is that of a slave', {
    hint: 'Give the master a directory of its own with "data", or set "role: slave"',
  })
}

/** What the disk lost since is fetched again. */
async function forgetLostPacks(store: Store, { packs }: Repo['generated']): Promise<void> {
  for (const { sha256 } of store.garbage.packs()) {
    if ((await packs.sizeOf(sha256)) !== null) continue
    const blocks = store.garbage.blocksIn(sha256)
    store.db.write((tx) => {
      for (const { blockId, encoder } of blocks) store.texts.forgetPacked(tx, blockId, encoder)
    })
  }
}
