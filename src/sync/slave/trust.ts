// Is this manifest to be believed? Signed by a key of the very channel, newer than what is held, and not from the future.
import type { Sha256 } from '../../lib/digest.ts'
import { MalformedError, TrustError, UusError } from '../../lib/errors.ts'
import { formatIso } from '../../lib/units.ts'
import type { Store } from '../../store/store.ts'
import { splitClearSigned } from '../../trust/clearsign.ts'
import { fingerprintOf, type Keyring, readKeyring } from '../../trust/keyring.ts'
import { verifyClearSigned } from '../../trust/verify.ts'
import { type Manifest, type ManifestKey, parseManifest } from '../protocol/manifest.ts'

declare const verifiedBrand: unique symbol

/** A manifest that is to be believed, and the keys that it makes the channel's. */
export interface VerifiedManifest {
  readonly [verifiedBrand]: true
  readonly manifest: Manifest
  readonly bytes: Buffer
  readonly keyring: Keyring
  /** It is the one that is held. */
  readonly isKnown: boolean
}

export interface TrustContext {
  readonly store: Store
  /** Fingerprints that are believed for a channel of which no key is known yet. */
  readonly pinned: readonly string[]
  readonly now: number
}

/** By how much the clocks of master and slave may differ. */
export const clockToleranceMs = 5 * 60_000

/** SYNC_REFUSED, with a sentence, where it is not. `channel` is the one that was asked for. */
export async function verifyManifest(
  bytes: Buffer,
  channel: string,
  context: TrustContext,
): Promise<VerifiedManifest> {
  const what = `The manifest of ${channel}`
  const claimed = readClaimed(bytes, what)
  if (claimed.channel !== channel)
    throw refused(`${what} is that of another channel (${claimed.channel})`, pathHint)
  checkClock(claimed, context.now, what)
  const trusted = await trustedKeys(claimed, context, what)
  const manifest = await verified(bytes, trusted, context.now, what)
  checkOrder(manifest, bytes, context, what)
  const keyring = await readKeys(manifest.keys, what)
  checkOwners(manifest, context, what)
  const known = heldManifest(context.store, channel)
  const isKnown = known?.bytes.equals(bytes) === true
  return { manifest, bytes, keyring, isKnown } as VerifiedManifest
}

/** What it says, before anybody vouched for it: good for nothing but looking for keys. */
function readClaimed(bytes: Buffer, what: string): Manifest {
  try {
    const { signedText } = splitClearSigned(bytes, what)
    return parseManifest(Buffer.from(signedText, 'latin1').toString(), what)
  } catch (error) {
    if (error instanceof TrustError || error instanceof MalformedError)
      throw refused(error.message, pathHint, error)
    throw error
  }
}

/** The keys that are known of the channel; at first those of the configuration, which the manifest itself brings. */
async function trustedKeys(
  claimed: Manifest,
  { store, pinned }: TrustContext,
  what: string,
): Promise<Keyring> {
  const known = store.channels.find(claimed.channel)
  const keys = known === null ? [] : store.keys.list(known.id).filter(({ role }) => role !== 'retired')
  if (keys.length > 0) {
    return readKeyring(
      keys.map(({ fingerprint, publicKey }) => ({ path: fingerprint, bytes: Buffer.from(publicKey) })),
    )
  }
  const wanted = claimed.keys.filter(({ fingerprint }) => pinned.includes(fingerprint))
  if (wanted.length === 0) {
    const offered = claimed.keys.map(({ fingerprint }) => fingerprint).join(', ')
    throw refused(
      `${what} brings none of the keys that "master.key" names (it brings ${offered})`,
      `Compare with "uus key list" on the master; if they are the channel's, name one under "master.key"`,
    )
  }
  return readKeys(wanted, what)
}

async function readKeys(keys: readonly ManifestKey[], what: string): Promise<Keyring> {
  const files = keys.map(({ fingerprint, publicKey }) => ({
    path: fingerprint,
    bytes: Buffer.from(publicKey),
  }))
  const keyrings = await Promise.all(files.map((file) => readKeyring([file])))
  for (const [index, keyring] of keyrings.entries()) {
    const isSame = keyring.keys.length === 1 && fingerprintOf(keyring.keys[0]!) === keys[index]!.fingerprint
    if (!isSame) throw refused(`${what} calls a key ${keys[index]!.fingerprint} that is another`, pathHint)
  }
  return { keys: keyrings.flatMap((one) => one.keys), places: files.map((file) => file.path) }
}

async function verified(bytes: Buffer, keyring: Keyring, now: number, what: string): Promise<Manifest> {
  try {
    const { text } = await verifyClearSigned(bytes, keyring, now + clockToleranceMs, what)
    return parseManifest(text, what)
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    throw refused(error.message, keyHint, error)
  }
}

/** Before the signature, of which one could only say that it is from the future. */
function checkClock({ date }: Manifest, now: number, what: string): void {
  if (date - now <= clockToleranceMs) return
  throw refused(
    `${what} is dated ${formatIso(date)}, and this host's clock says ${formatIso(now)}`,
    'Set the clocks of both hosts (timedatectl)',
  )
}

function checkOrder(manifest: Manifest, bytes: Buffer, { store }: TrustContext, what: string): void {
  const held = heldManifest(store, manifest.channel)
  if (held === null || held.bytes.equals(bytes)) return
  if (manifest.date <= held.date) {
    throw refused(
      `${what} is of ${formatIso(manifest.date)}, but one of ${formatIso(held.date)} is held`,
      'Somebody on the way shows an old state, or the master was restored from a backup: then its next change is taken over',
    )
  }
  const head = store.channels.head(held.channelId)
  if (head !== null && manifest.snapshot.id < head.id) {
    throw refused(
      `${what} goes back from snapshot ${head.id} to ${manifest.snapshot.id}`,
      'Ask on the master: "uus snapshot list". A rollback makes a new snapshot, and is taken over',
    )
  }
}

function heldManifest(store: Store, channel: string) {
  const known = store.channels.find(channel)
  return known === null ? null : store.manifests.find(known.id)
}

/** Each channel has keys of its own: what signs for one does not sign for another. */
function checkOwners({ channel, keys }: Manifest, { store }: TrustContext, what: string): void {
  const channelId = store.channels.find(channel)?.id ?? null
  for (const { fingerprint } of keys) {
    const owner = store.keys.channelOf(fingerprint)
    if (owner === null || owner === channelId) continue
    const name = store.channels.get(owner).name
    throw refused(`${what} brings key ${fingerprint}, which is that of ${name}`, keyHint)
  }
}

/** A document that is named by its hash and is another. */
export function wrongDocument(what: string, digest: Sha256): UusError {
  return refused(`${what} is not what the manifest names (${digest})`, pathHint)
}

const pathHint =
  'Check "master.url", and what lies between this host and the master; nothing was taken over, and it is tried again'
const keyHint =
  'Compare with "uus key list" on the master: a slave believes a new key only if one that it knows vouches for it'

export function refused(message: string, hint: string, cause?: unknown): UusError {
  return new UusError('SYNC_REFUSED', message, { hint, cause })
}
