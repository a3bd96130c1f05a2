// What the jobs process does for slaves of this server: manifests, who was in touch, what they told.
import type { ArchiveConfig } from '../config/archives.ts'
import { readTokenDigests } from '../lib/token-file.ts'
import { type AccessOptions, accessRules } from '../repo/access-rules.ts'
import { timesOf } from '../repo/published.ts'
import type { Tx } from '../store/database.ts'
import type { SlaveContact } from '../store/slaves.ts'
import type { Store } from '../store/store.ts'
import { makeManifest } from '../sync/master/make-manifest.ts'
import { addCounts, readCounts, trafficKind } from '../sync/protocol/events.ts'
import type { ManifestAccess, ManifestArchive } from '../sync/protocol/manifest.ts'
import type { EventBatch, SlaveEvent } from '../sync/protocol/messages.ts'
import { quietStep } from './action.ts'

/** Of every channel that slaves may have, or of the named ones. */
export const makeManifestsStep = quietStep<{ readonly channels?: readonly string[] }, void>(
  'make-manifests',
  async ({ repo, config }, { channels: named }) => {
    const { store } = repo
    const rules = accessRules(store.settings)
    const archives = await Promise.all(
      store.archives.list().map(({ name, isLocal }): Promise<ManifestArchive> => {
        const configured = config.archives.find((one) => one.name === name)
        return describeArchive({ name, isLocal }, configured, rules.get(name))
      }),
    )
    const given = new Set(named ?? store.slaves.list().flatMap(({ channels }) => channels))
    for (const channel of store.channels.list())
      if (given.has(channel.name)) {
        const { keepSeconds, validForSeconds } = timesOf(store, config.channels, channel)
        await makeManifest(repo, channel, { keepSeconds, validForSeconds, archives })
      }
  },
)

/** What slaves are to know of an archive, also of one that is not configured any more. */
async function describeArchive(
  archive: Pick<ManifestArchive, 'name' | 'isLocal'>,
  configured: ArchiveConfig | undefined,
  rule: AccessOptions | undefined,
): Promise<ManifestArchive> {
  const uris = configured === undefined ? [] : publicUris(configured)
  return { ...archive, access: rule === undefined ? null : await toldOf(rule), uris }
}

/** Of tokens only digests are told: slaves recognize them, and cannot show them. */
async function toldOf({ networks, tokensFile }: AccessOptions): Promise<ManifestAccess> {
  // A file that cannot be read admits nobody, here as there. It is the server that complains of it.
  const tokens = tokensFile === null ? [] : await readTokenDigests(tokensFile).catch(() => [])
  return { networks, tokens: [...tokens].sort() }
}

/** Addresses that open without credentials: slaves have none, and a password in one is not for others. */
function publicUris({ uris, auth, tls }: ArchiveConfig): ManifestArchive['uris'] {
  if (auth !== null || tls.clientCertificate !== null) return []
  const open = uris.filter(({ uri }) => {
    const { username, password } = new URL(uri)
    return username === '' && password === ''
  })
  return open.map(({ uri, architectures }) => ({ uri, architectures }))
}

export const recordContactsStep = quietStep<readonly SlaveContact[], void>(
  'record-contacts',
  ({ repo }, contacts) => {
    const { store } = repo
    store.db.write((tx) => {
      for (const contact of contacts) store.slaves.recordContact(tx, contact)
    })
  },
)

export interface ReceivedEvents {
  readonly slaveId: number
  readonly name: string
  readonly batch: EventBatch
}

/** Longer than any slave keeps asking whether a batch arrived. */
const batchMemoryMs = 400 * 86_400_000

/** Counts each batch once. A slave passes what came from below on to its own master. */
export const receiveEventsStep = quietStep<ReceivedEvents, { isNew: boolean }>(
  'receive-events',
  ({ repo, config }, { slaveId, name, batch }) => {
    const { store, clock } = repo
    const at = clock.now()
    const isNew = store.db.write((tx) => {
      if (!store.slaves.receive(tx, slaveId, batch.id, at)) return false
      store.slaves.forgetBatches(tx, at - batchMemoryMs)
      for (const event of batch.events) {
        take(tx, store, slaveId, event)
        if (config.role === 'slave') passOn(tx, store, name, event, at)
      }
      return true
    })
    return { isNew }
  },
)

/** Kinds that this version does not know are passed on all the same. */
function take(tx: Tx, store: Store, slaveId: number, { kind, origin, payload }: SlaveEvent): void {
  if (kind === trafficKind) store.slaves.addTraffic(tx, { slaveId, origin, ...readCounts(payload) })
}

function passOn(tx: Tx, store: Store, name: string, event: SlaveEvent, at: number): void {
  const origin = event.origin === '' ? name : `${name}/${event.origin}`
  const merge =
    event.kind === trafficKind
      ? (waiting: SlaveEvent['payload']) => addCounts(waiting, readCounts(event.payload))
      : null
  store.outgoing.add(tx, { ...event, origin }, at, merge)
}
