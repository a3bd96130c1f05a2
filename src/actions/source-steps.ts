// What the jobs process does for slaves of this server: manifests, who was in touch, what they told.
import type { Config } from '../config/config.ts'
import { timesOf } from '../repo/published.ts'
import type { Channel } from '../store/channels.ts'
import type { Tx } from '../store/database.ts'
import type { SlaveContact } from '../store/slaves.ts'
import type { Store } from '../store/store.ts'
import { type ChannelTerms, makeManifest } from '../sync/master/make-manifest.ts'
import { addCounts, readCounts, trafficKind } from '../sync/protocol/events.ts'
import type { ManifestArchive } from '../sync/protocol/manifest.ts'
import type { EventBatch, SlaveEvent } from '../sync/protocol/messages.ts'
import { quietStep } from './action.ts'

/** Of every channel that slaves may have, or of the named ones. */
export const makeManifestsStep = quietStep<{ readonly channels?: readonly string[] }, void>(
  'make-manifests',
  async ({ repo, config }, { channels: named }) => {
    const { store } = repo
    const given = new Set(named ?? store.slaves.list().flatMap(({ channels }) => channels))
    for (const channel of store.channels.list())
      if (given.has(channel.name)) await makeManifest(repo, channel, termsOf(store, config, channel))
  },
)

function termsOf(store: Store, config: Config, channel: Channel): ChannelTerms {
  const { keepSeconds, validForSeconds } = timesOf(store, config.channels, channel)
  return { keepSeconds, validForSeconds, archives: config.archives.map(publicUris) }
}

/** Addresses that open without credentials: slaves have none, and a password in one is not for others. */
function publicUris({ name, uris, auth, tls }: Config['archives'][number]): ManifestArchive {
  const isOpen = auth === null && tls.clientCertificate === null
  const open = uris.filter(({ uri }) => {
    const { username, password } = new URL(uri)
    return isOpen && username === '' && password === ''
  })
  return { name, isLocal: false, uris: open.map(({ uri, architectures }) => ({ uri, architectures })) }
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
