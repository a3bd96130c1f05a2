// What an archive is told to be: upstream's, or one that people fill.
import { type IndexKind, isFlatSuite } from '../debian/index-kinds.ts'
import { releaseOfCodename } from '../debian/names.ts'
import type { Complain } from './problems.ts'
import type { RawArchive, RawConfig } from './shape.ts'

export interface TlsFiles {
  readonly ca: string | null
  readonly clientCertificate: string | null
  readonly clientKey: string | null
}

export interface ArchiveUri {
  /** Ends without a slash. */
  readonly uri: string
  /** Null: all. */
  readonly suites: readonly string[] | null
  readonly architectures: readonly string[] | null
}

/** Of an archive that holds uploads; its keyrings are those of the uploaders. */
export interface LocalConfig {
  readonly origin: string
}

export interface ArchiveConfig {
  readonly name: string
  /** Null for an archive of somebody else. */
  readonly local: LocalConfig | null
  readonly uris: readonly ArchiveUri[]
  readonly suites: readonly string[]
  readonly components: readonly string[]
  /** With the foreign ones. */
  readonly architectures: readonly string[]
  readonly foreignArchitectures: readonly string[]
  readonly kinds: readonly IndexKind[]
  readonly languages: readonly string[]
  readonly keyringFiles: readonly string[]
  readonly keyFingerprints: readonly string[]
  /** The release of a suite, where the configuration tells. */
  releaseOf(suite: string): string | null
  readonly refreshSeconds: number
  readonly checksValidUntil: boolean
  readonly maxAgeSeconds: number
  /** Null: as the addresses have it. */
  readonly snapshotUris: readonly string[] | null
  /** Null: as the archive's size has it. */
  readonly fetchTime: 'on-demand' | 'on-promote' | null
  readonly tls: TlsFiles
  /** Null: it asks for nothing. */
  readonly auth: {
    readonly type: 'bearer' | 'basic'
    readonly user: string
    readonly tokenFile: string
  } | null
  /** Null: everybody gets its files. */
  readonly access: AccessConfig | null
}

export interface AccessConfig {
  readonly networks: readonly string[]
  readonly tokensFile: string | null
}

export type Raw = Record<string, unknown>

export function asObject(value: unknown): Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : {}
}

export function checkArchive(
  archive: Raw,
  at: readonly PropertyKey[],
  names: unknown[],
  complain: Complain,
): void {
  if (names.includes(archive.name)) complain([...at, 'name'], `"${archive.name}" stands twice`)
  names.push(archive.name)
  const suites = [archive.suites].flat()
  const flat = suites.filter((suite) => typeof suite === 'string' && isFlatSuite(suite))
  if (flat.length > 0 && flat.length < suites.length)
    complain([...at, 'suites'], 'mixes flat suites with others; give them an archive of their own')
  else if (flat.length > 0 && archive.components !== undefined)
    complain([...at, 'components'], 'does not go with a flat suite, which has no components')
  else if (flat.length === 0 && archive.components === undefined && archive.local !== true)
    complain([...at, 'components'], 'is missing')
  for (const suite of Object.keys(asObject(archive.release))) {
    if (!suites.includes(suite)) complain([...at, 'release', suite], "is not one of the archive's suites")
  }
  if (archive.auth !== undefined && archive.access === undefined) {
    complain([...at, 'auth'], 'needs "access" beside it: who may have what these credentials open')
  }
  const auth = asObject(archive.auth)
  if (auth.type === 'basic' && auth.user === undefined)
    complain([...at, 'auth'], 'of type basic needs a user')
  const setting = archive.local === true ? 'keyring' : 'signed-by'
  const keys = [archive[setting]].flat().filter((text) => typeof text === 'string')
  if (keys.length > 0 && keys.every(isFingerprint)) {
    complain([...at, setting], 'must name a keyring file beside the fingerprints')
  }
}

function isFingerprint(text: string): boolean {
  return /^(0x)?[0-9a-fA-F]{40}!?$/.test(text)
}

export function buildArchive(
  raw: RawArchive,
  all: RawConfig,
  locate: (file: string) => string,
): ArchiveConfig {
  return raw.local === true ? buildLocal(raw, locate) : buildUpstream(raw, all, locate)
}

type RawUpstream = Exclude<RawArchive, { local: true }>

function buildUpstream(raw: RawUpstream, all: RawConfig, locate: (file: string) => string): ArchiveConfig {
  const pick = (key: 'ca' | 'client-certificate' | 'client-key') => {
    const file = raw[key] ?? all[key]
    return file === undefined ? null : locate(file)
  }
  return {
    name: raw.name,
    local: null,
    uris: raw.uris.map((one) => ({
      uri: one.uri.replace(/\/+$/, ''),
      suites: one.suites ?? null,
      architectures: one.architectures ?? null,
    })),
    suites: raw.suites,
    components: raw.components ?? [],
    architectures: [...new Set([...raw.architectures, ...raw['foreign-architectures']])],
    foreignArchitectures: raw['foreign-architectures'],
    kinds: raw.indexes.flatMap((name) => kindsOf[name]),
    languages: raw.languages,
    ...buildKeys(raw['signed-by'], locate),
    releaseOf: releases(raw),
    refreshSeconds: raw.refresh,
    checksValidUntil: raw['check-valid-until'],
    maxAgeSeconds: raw['max-age'],
    snapshotUris: raw['snapshot-uris']?.map((uri) => uri.replace(/\/+$/, '')) ?? null,
    fetchTime: raw.fetch ?? null,
    auth:
      raw.auth === undefined
        ? null
        : { type: raw.auth.type, user: raw.auth.user, tokenFile: locate(raw.auth['token-file']) },
    access:
      raw.access === undefined
        ? null
        : {
            networks: raw.access.networks,
            tokensFile: raw.access['tokens-file'] === undefined ? null : locate(raw.access['tokens-file']),
          },
    tls: { ca: pick('ca'), clientCertificate: pick('client-certificate'), clientKey: pick('client-key') },
  }
}

function buildLocal(
  raw: Extract<RawArchive, { local: true }>,
  locate: (file: string) => string,
): ArchiveConfig {
  return {
    name: raw.name,
    local: { origin: raw.origin ?? raw.name },
    uris: [],
    suites: raw.suites,
    components: raw.components,
    architectures: [...new Set([...raw.architectures, ...raw['foreign-architectures']])],
    foreignArchitectures: raw['foreign-architectures'],
    kinds: ['packages'],
    languages: [],
    ...buildKeys(raw.keyring ?? [], locate),
    releaseOf: (suite) => releases(raw)(suite) ?? releaseOfCodename(suite),
    refreshSeconds: 0,
    checksValidUntil: false,
    maxAgeSeconds: 0,
    snapshotUris: [],
    fetchTime: null,
    auth: null,
    access: null,
    tls: { ca: null, clientCertificate: null, clientKey: null },
  }
}

function buildKeys(texts: readonly string[], locate: (file: string) => string) {
  return {
    keyringFiles: texts.filter((text) => !isFingerprint(text)).map(locate),
    keyFingerprints: texts.filter(isFingerprint).map((text) => text.replace(/^0x/, '').toUpperCase()),
  }
}

function releases({ release }: Pick<RawArchive, 'release'>): (suite: string) => string | null {
  return (suite) => (typeof release === 'object' ? (release[suite] ?? null) : (release ?? null))
}

const kindsOf: Record<RawUpstream['indexes'][number], readonly IndexKind[]> = {
  packages: ['packages'],
  sources: ['sources'],
  translations: ['translations'],
  cnf: ['commands'],
  dep11: ['components', 'icons'],
  contents: ['contents'],
}
