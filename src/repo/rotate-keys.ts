// Replacing signing keys without stranding a client: whoever has a channel's key file trusts the active and the standby
// key. A rotation makes the standby active; the key before signs on beside it until it is dropped.
import { UusError } from '../lib/errors.ts'
import type { Actor } from '../store/audit.ts'
import type { Channel } from '../store/channels.ts'
import type { SigningKey } from '../store/keys.ts'
import { renewEnvelopes } from './renew.ts'
import type { Repo } from './repo.ts'

export interface KeyOrder {
  readonly channel: Channel
  readonly reason: string | null
  readonly actor: Actor
}

/** What signs, and what clients must know, after a change. */
export interface KeyChange {
  readonly active: string
  readonly standby: string
  readonly retiring: readonly string[]
}

/** The standby becomes active, the active retiring, and a new standby is made; everything is signed anew. */
export async function rotateKeys(repo: Repo, { channel, reason, actor }: KeyOrder): Promise<KeyChange> {
  const { store, clock, keys } = repo
  const present = store.keys.list(channel.id)
  const active = withRole(present, 'active', channel)
  const standby = withRole(present, 'standby', channel)
  const algorithm = repo.channels.find((one) => one.name === channel.name)?.keyAlgorithm ?? 'ed25519'
  const at = clock.now()
  const made = await keys.makeOne(channel.name, algorithm, 'standby', at)
  store.db.write((tx) => {
    store.keys.setRole(tx, active.fingerprint, 'retiring', at)
    store.keys.setRole(tx, standby.fingerprint, 'active', at)
    store.keys.add(tx, { ...made, channelId: channel.id })
    store.audit.append(tx, {
      at,
      actor,
      action: 'rotate key',
      subject: channel.name,
      reason,
      details: { retiring: active.fingerprint, active: standby.fingerprint, standby: made.fingerprint },
    })
  })
  await renewEnvelopes(repo)
  return keyChange(repo, channel)
}

/**
 * Retires a key at once. GATE_REFUSED unless forced: a client that has only this key refuses the channel from then on.
 * A dropped active key is succeeded by the standby, a dropped standby by a new one.
 */
export async function dropKey(
  repo: Repo,
  order: KeyOrder & { readonly fingerprint: string; readonly isForced: boolean },
): Promise<KeyChange> {
  const { store, clock, keys } = repo
  const { channel, fingerprint } = order
  const present = store.keys.list(channel.id).filter((key) => key.role !== 'retired')
  const key = present.find((one) => one.fingerprint === fingerprint)
  if (key === undefined) {
    throw new UusError('UNKNOWN_NAME', `Channel ${channel.name} has no key ${fingerprint}`, {
      hint: `Its keys are: ${present.map((one) => `${one.fingerprint} (${one.role})`).join(', ')}`,
    })
  }
  if (!order.isForced) throw refusal(channel, key)
  const at = clock.now()
  const made = key.role === 'retiring' ? null : await keys.makeOne(channel.name, key.algorithm, 'standby', at)
  store.db.write((tx) => {
    store.keys.setRole(tx, fingerprint, 'retired', at)
    if (key.role === 'active')
      store.keys.setRole(tx, withRole(present, 'standby', channel).fingerprint, 'active', at)
    if (made !== null) store.keys.add(tx, { ...made, channelId: channel.id })
    store.audit.append(tx, {
      at,
      actor: order.actor,
      action: 'drop key',
      subject: channel.name,
      reason: order.reason,
      details: { fingerprint, role: key.role, ...(made === null ? {} : { standby: made.fingerprint }) },
    })
  })
  await renewEnvelopes(repo)
  await keys.destroy(fingerprint)
  return keyChange(repo, channel)
}

function refusal(channel: Channel, key: SigningKey): UusError {
  const fate =
    key.role === 'standby'
      ? 'nothing is signed by it yet'
      : 'clients that have no other key of the channel refuse it from then on'
  return new UusError('GATE_REFUSED', `Key ${key.fingerprint} is ${key.role} in ${channel.name}: ${fate}`, {
    hint: `Have every client fetch /${channel.name}.sources (or /keys/${channel.name}.gpg) first, then repeat with --force`,
  })
}

function withRole(keys: readonly SigningKey[], role: SigningKey['role'], channel: Channel): SigningKey {
  const key = keys.find((one) => one.role === role)
  if (key !== undefined) return key
  throw new UusError('SIGNING_KEY_MISSING', `Channel ${channel.name} has no ${role} key`, {
    hint: 'Restore a backup',
  })
}

function keyChange({ store }: Repo, channel: Channel): KeyChange {
  const present = store.keys.list(channel.id)
  const named = (role: SigningKey['role']) =>
    present.filter((key) => key.role === role).map((key) => key.fingerprint)
  return { active: named('active')[0]!, standby: named('standby')[0]!, retiring: named('retiring') }
}
