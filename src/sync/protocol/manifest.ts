// The manifest: one signed description of all that a channel serves. Whoever trusts the channel's key needs nothing else
// to judge everything below it: signed files and lists are named by hash, and those name the rest.
import { isSuiteName } from '../../debian/names.ts'
import { canonicalJson, type Json } from '../../lib/canonical-json.ts'
import { asSha256, type Sha256 } from '../../lib/digest.ts'
import { UusError } from '../../lib/errors.ts'
import { parseNetwork } from '../../lib/networks.ts'
import { formatIso, parseSnapshotId } from '../../lib/units.ts'
import { Decoder } from './decode.ts'

/** Raised when a slave of the version before could misunderstand what is said. */
export const protocolVersion = 1

/** A manifest is made anew so often in any case: slaves tell by it that they are not cut off. */
export const heartbeatMs = 24 * 3_600_000

export interface Manifest {
  readonly channel: string
  /** Milliseconds, whole seconds. Grows with each manifest of a channel, also where no content changes. */
  readonly date: number
  /** When the first of the signed files expires. */
  readonly validUntil: number | null
  readonly snapshot: ManifestSnapshot
  /** How long superseded files are served. */
  readonly keepSeconds: number
  readonly validForSeconds: number | null
  /** Those that clients have: the active one signs, and so do retiring ones. */
  readonly keys: readonly ManifestKey[]
  readonly archives: readonly ManifestArchive[]
  readonly suites: readonly ManifestSuite[]
  /** Package files that are not to be served, whatever names them. */
  readonly blocked: readonly Sha256[]
}

export interface ManifestSnapshot {
  readonly id: string
  /** The one before it; null for the channel's first. */
  readonly previous: string | null
  readonly kind: string
  readonly entered: number
  readonly left: number
}

export interface ManifestKey {
  readonly fingerprint: string
  readonly role: 'active' | 'standby' | 'retiring'
  readonly algorithm: 'ed25519' | 'rsa4096'
  /** Armored. */
  readonly publicKey: string
}

export interface ManifestArchive {
  readonly name: string
  readonly isLocal: boolean
  /** Who may have its files; null: everybody. */
  readonly access: ManifestAccess | null
  /** Where its package files can be had if the master is away: without those that want credentials. */
  readonly uris: readonly { readonly uri: string; readonly architectures: readonly string[] | null }[]
}

/** Clients of these networks, and those who show one of these tokens. `closed`: a rule that this version does not know. */
export type ManifestAccess =
  | { readonly networks: readonly string[]; readonly tokens: readonly Sha256[] }
  | 'closed'

export interface ManifestSuite {
  readonly archive: string
  /** Its path below dists, or a flat suite's folder. */
  readonly suite: string
  readonly release: string
  readonly inRelease: Sha256
  readonly releaseText: Sha256
  readonly releaseSignature: Sha256
  /** The document that says how each served file is made. */
  readonly files: Sha256
}

export function renderManifest(manifest: Manifest): string {
  const { snapshot, keys, archives, suites } = manifest
  return canonicalJson({
    protocol: protocolVersion,
    channel: manifest.channel,
    date: formatIso(manifest.date),
    validUntil: manifest.validUntil === null ? null : formatIso(manifest.validUntil),
    snapshot: { ...snapshot },
    keepSeconds: manifest.keepSeconds,
    validForSeconds: manifest.validForSeconds,
    keys: keys.map((key): Json => ({ ...key })),
    archives: archives.map(
      ({ name, isLocal, access, uris }): Json => ({
        name,
        isLocal,
        access: access === null || access === 'closed' ? access : { ...access },
        uris: uris.map((one): Json => ({ ...one })),
      }),
    ),
    suites: suites.map((suite): Json => ({ ...suite })),
    blocked: manifest.blocked,
  })
}

/** Of a text whose signature was verified: MALFORMED where it is not what we understand. */
export function parseManifest(text: string, what: string): Manifest {
  const decoder = new Decoder(what)
  const raw = decoder.parse(text)
  if (raw.protocol !== protocolVersion) {
    throw new UusError('SYNC_REFUSED', `${what} is of protocol ${String(raw.protocol)}`, {
      hint: `This server speaks protocol ${protocolVersion}: bring master and slave to the same version`,
    })
  }
  const date = readTime(decoder, raw.date, 'date')
  return {
    channel: readName(decoder, raw.channel, 'channel'),
    date,
    validUntil: decoder.orNull(raw.validUntil, 'validUntil', (value, at) => readTime(decoder, value, at)),
    snapshot: readSnapshot(decoder, raw.snapshot),
    keepSeconds: decoder.count(raw.keepSeconds, 'keepSeconds'),
    validForSeconds: decoder.orNull(raw.validForSeconds, 'validForSeconds', (value, at) =>
      decoder.count(value, at),
    ),
    keys: decoder.list(raw.keys, 'keys', (value, at) => readKey(decoder, value, at)),
    archives: decoder.list(raw.archives, 'archives', (value, at) => readArchive(decoder, value, at)),
    suites: decoder.list(raw.suites, 'suites', (value, at) => readSuite(decoder, value, at)),
    blocked: decoder.list(raw.blocked, 'blocked', (value, at) => decoder.digest(value, at)),
  }
}

function readTime(decoder: Decoder, value: unknown, where: string): number {
  const time = Date.parse(decoder.text(value, where))
  return Number.isNaN(time) ? decoder.fail(where, 'is no time') : time
}

/** Names become parts of URLs and rows of tables. */
function readName(decoder: Decoder, value: unknown, where: string): string {
  const name = decoder.text(value, where)
  return /^[a-z0-9][a-z0-9.-]{0,99}$/.test(name) && !name.includes('..')
    ? name
    : decoder.fail(where, 'is no name')
}

function readSnapshot(decoder: Decoder, value: unknown): ManifestSnapshot {
  const raw = decoder.object(value, 'snapshot')
  const readId = (id: unknown, where: string) => {
    const text = decoder.text(id, where)
    return parseSnapshotId(text) === null ? decoder.fail(where, 'is no snapshot') : text
  }
  return {
    id: readId(raw.id, 'snapshot.id'),
    previous: decoder.orNull(raw.previous, 'snapshot.previous', readId),
    kind: decoder.text(raw.kind, 'snapshot.kind'),
    entered: decoder.count(raw.entered, 'snapshot.entered'),
    left: decoder.count(raw.left, 'snapshot.left'),
  }
}

function readKey(decoder: Decoder, value: unknown, where: string): ManifestKey {
  const raw = decoder.object(value, where)
  const role = decoder.text(raw.role, where)
  const algorithm = decoder.text(raw.algorithm, where)
  if (role !== 'active' && role !== 'standby' && role !== 'retiring')
    return decoder.fail(where, 'has an odd role')
  if (algorithm !== 'ed25519' && algorithm !== 'rsa4096') return decoder.fail(where, 'has an odd algorithm')
  const fingerprint = decoder.text(raw.fingerprint, where)
  if (!/^[0-9A-F]{40}$/.test(fingerprint)) return decoder.fail(where, 'has an odd fingerprint')
  return { fingerprint, role, algorithm, publicKey: decoder.text(raw.publicKey, where) }
}

function readArchive(decoder: Decoder, value: unknown, where: string): ManifestArchive {
  const raw = decoder.object(value, where)
  return {
    name: readName(decoder, raw.name, `${where}.name`),
    isLocal: decoder.flag(raw.isLocal, `${where}.isLocal`),
    access: readAccess(raw.access),
    uris: decoder.list(raw.uris, `${where}.uris`, (item, at) => {
      const one = decoder.object(item, at)
      const uri = decoder.text(one.uri, at)
      if (!/^https?:$/.test(URL.parse(uri)?.protocol ?? '')) return decoder.fail(at, 'is no http address')
      const architectures = decoder.orNull(one.architectures, at, (list, place) =>
        decoder.list(list, place, (text, itsPlace) => decoder.text(text, itsPlace)),
      )
      return { uri, architectures }
    }),
  }
}

/** Whatever is not understood, in whole or in part, could forbid something. */
function readAccess(value: unknown): ManifestAccess | null {
  // Masters of before know no rules.
  if (value === undefined || value === null) return null
  if (typeof value !== 'object') return 'closed'
  const { networks, tokens, ...more } = value as Record<string, unknown>
  if (!Array.isArray(networks) || !Array.isArray(tokens) || Object.keys(more).length > 0) return 'closed'
  const digests = tokens.map((one) => (typeof one === 'string' ? asSha256(one) : null))
  const areNetworks = networks.every((one) => typeof one === 'string' && parseNetwork(one) !== null)
  if (!areNetworks || digests.includes(null)) return 'closed'
  return { networks: networks as string[], tokens: digests.map((digest) => digest!) }
}

function readSuite(decoder: Decoder, value: unknown, where: string): ManifestSuite {
  const raw = decoder.object(value, where)
  const suite = decoder.text(raw.suite, `${where}.suite`)
  if (!isSuiteName(suite)) return decoder.fail(`${where}.suite`, 'is no suite')
  return {
    archive: readName(decoder, raw.archive, `${where}.archive`),
    suite,
    release: decoder.text(raw.release, `${where}.release`),
    inRelease: decoder.digest(raw.inRelease, `${where}.inRelease`),
    releaseText: decoder.digest(raw.releaseText, `${where}.releaseText`),
    releaseSignature: decoder.digest(raw.releaseSignature, `${where}.releaseSignature`),
    files: decoder.digest(raw.files, `${where}.files`),
  }
}

/** The documents that a manifest names itself. Release is made of InRelease where that is possible. */
export function namedDocuments({ suites }: Manifest): Sha256[] {
  return suites.flatMap(({ inRelease, releaseSignature, files }) => [inRelease, releaseSignature, files])
}
