// config.yaml: from bytes to a checked value, or to all its problems at once, each with its line.
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, isAbsolute, resolve } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { type IndexKind, isFlatSuite } from '../debian/index-kinds.ts'
import { systemCode, UusError } from '../lib/errors.ts'
import type { GatesConfig, RuleConfig } from './gates.ts'
import { buildLimits, buildProxy, type CacheConfig, type LimitsConfig, type ProxyConfig } from './limits.ts'
import { describe, lineOf, type Problem } from './problems.ts'
import { configShape, type RawArchive, type RawConfig } from './shape.ts'
import { nearest } from './suggest.ts'
import { buildTiers, checkRole, type TierConfig } from './tiers.ts'

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

export interface ArchiveConfig {
  readonly name: string
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

export interface ChannelConfig {
  readonly name: string
  readonly from: string
  readonly follows: boolean
  readonly compression: readonly ('gz' | 'xz')[]
  /** Null: no Valid-Until. */
  readonly validForSeconds: number | null
  readonly keepSeconds: number
  readonly keyAlgorithm: 'ed25519' | 'rsa4096'
  readonly gates: GatesConfig
  readonly together: readonly (readonly string[])[]
  readonly rules: readonly RuleConfig[]
  readonly prefetch: 'none' | 'used' | 'all'
  /** Null: as its archives have it. */
  readonly fetchTime: 'on-demand' | 'on-promote' | null
}

export interface Config extends TierConfig {
  /** The file it was read from. */
  readonly path: string
  readonly dataFolder: string
  readonly listen: { readonly host: string; readonly port: number }
  /** Ends without a slash. */
  readonly baseUrl: string | null
  /** Ends without a slash; null: clients are told that there are none. */
  readonly snapshotsUrl: string | null
  readonly upstreamProxy: string | null
  /** Null: no forward proxy. */
  readonly proxy: ProxyConfig | null
  readonly cache: CacheConfig
  readonly limits: LimitsConfig
  /** A file's path, true for stdout; null: as the log's format has it. */
  readonly accessLog: string | boolean | null
  readonly archives: readonly ArchiveConfig[]
  /** Parents before children. */
  readonly channels: readonly ChannelConfig[]
}

/** How clients most likely reach a server that listens on `port`. */
export function reachableUrl({ baseUrl, listen, tls }: Config, port: number): string {
  if (baseUrl !== null) return baseUrl
  const { host } = listen
  const isAny = host === '0.0.0.0' || host === '::' || host === ''
  const name = isAny ? hostname() : host.includes(':') ? `[${host}]` : host
  return `${tls !== null && tls.listen === null ? 'https' : 'http'}://${name}:${port}`
}

/** With the address that the command line gives, if it gives one. */
export function withBaseUrl(config: Config, given: string | null): Config {
  if (given === null) return config
  const baseUrl = given.replace(/\/+$/, '')
  const isOwnUrl = config.snapshotsUrl !== null && config.snapshotsUrl !== config.baseUrl
  return { ...config, baseUrl, snapshotsUrl: isOwnUrl ? config.snapshotsUrl : baseUrl }
}

/** Reads and checks a configuration file; CONFIG_INVALID lists every problem. */
export function readConfig(path: string): Config {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const why = systemCode(error) === 'ENOENT' ? 'there is no such file' : (error as Error).message
    throw new UusError('CONFIG_INVALID', `Cannot read the configuration ${path}: ${why}`, {
      cause: error,
      hint: 'Run "uus init", or name the file with --config',
    })
  }
  return parseConfig(text, resolve(path))
}

/** Checks the text of a configuration. `path` is absolute; relative paths in it count from its folder. */
export function parseConfig(text: string, path: string): Config {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  const problems: Problem[] = document.errors.map((error) => ({
    line: lines.linePos(error.pos[0]).line,
    text: error.message,
  }))
  const place = (at: readonly PropertyKey[]) => lineOf(document, lines, at)
  if (problems.length === 0) {
    const raw: unknown = document.toJS() ?? {}
    crossCheck(raw, (at, why) => problems.push({ line: place(at), text: `${at.join('.')} ${why}` }))
    const parsed = configShape.safeParse(raw)
    if (!parsed.success) problems.push(...parsed.error.issues.flatMap((issue) => describe(issue, place)))
    else if (problems.length === 0) return build(parsed.data, path)
  }
  problems.sort((a, b) => a.line - b.line)
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  throw new UusError('CONFIG_INVALID', `${path} has ${count}`, {
    details: problems.map(({ line, text: problem }) => `line ${line}: ${problem}`),
    hint: 'Mend the file; config.example.yaml shows every setting',
  })
}

type Complain = (at: readonly PropertyKey[], why: string) => void

/** The checks that need more than one setting. The shape may still be wrong: each looks only at what is there. */
function crossCheck(raw: unknown, complain: Complain): void {
  const { archives, channels } = asObject(raw)
  checkRole(asObject(raw), complain)
  const names: unknown[] = []
  for (const [index, archive] of (Array.isArray(archives) ? archives : []).entries()) {
    checkArchive(asObject(archive), ['archives', index], names, complain)
  }
  const parents = new Map(
    Object.entries(asObject(channels)).map(([name, value]) => [name, asObject(value).from]),
  )
  for (const [name, from] of parents) {
    if (typeof from !== 'string') continue
    const at = ['channels', name, 'from']
    if (from !== 'upstream' && !parents.has(from)) {
      const guess = nearest(from, ['upstream', ...parents.keys()])
      complain(at, `names an unknown channel "${from}"${guess === null ? '' : `; did you mean "${guess}"?`}`)
    } else if (!endsAtUpstream(name, parents)) complain(at, 'leads in a circle')
  }
}

function checkArchive(archive: Raw, at: readonly PropertyKey[], names: unknown[], complain: Complain): void {
  if (names.includes(archive.name)) complain([...at, 'name'], `"${archive.name}" stands twice`)
  names.push(archive.name)
  const suites = [archive.suites].flat()
  const flat = suites.filter((suite) => typeof suite === 'string' && isFlatSuite(suite))
  if (flat.length > 0 && flat.length < suites.length)
    complain([...at, 'suites'], 'mixes flat suites with others; give them an archive of their own')
  else if (flat.length > 0 && archive.components !== undefined)
    complain([...at, 'components'], 'does not go with a flat suite, which has no components')
  else if (flat.length === 0 && archive.components === undefined)
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
  const signedBy = [archive['signed-by']].flat().filter((text) => typeof text === 'string')
  if (signedBy.length > 0 && signedBy.every(isFingerprint)) {
    complain([...at, 'signed-by'], 'must name a keyring file beside the fingerprints')
  }
}

type Raw = Record<string, unknown>

function asObject(value: unknown): Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : {}
}

function endsAtUpstream(name: string, parents: ReadonlyMap<string, unknown>): boolean {
  let at: unknown = name
  for (let steps = 0; steps <= parents.size; steps++) {
    if (at === 'upstream' || !parents.has(at as string)) return true
    at = parents.get(at as string)
  }
  return false
}

function isFingerprint(text: string): boolean {
  return /^(0x)?[0-9a-fA-F]{40}!?$/.test(text)
}

/** The checked configuration in its final form. */
function build(raw: RawConfig, path: string): Config {
  const folder = dirname(path)
  const locate = (file: string) => (isAbsolute(file) ? file : resolve(folder, file))
  return {
    path,
    dataFolder: locate(raw.data),
    listen: raw.listen,
    baseUrl: raw['base-url']?.replace(/\/+$/, '') ?? null,
    snapshotsUrl: (raw['snapshots-url'] ?? raw['base-url'])?.replace(/\/+$/, '') ?? null,
    upstreamProxy: raw['upstream-proxy'] ?? null,
    proxy: buildProxy(raw),
    cache: {
      maxBytes: raw.cache['max-size'] ?? null,
      minFreeBytes: raw.cache['min-free'],
      memoryBytes: raw.cache.memory,
    },
    limits: buildLimits(raw.limits),
    accessLog:
      typeof raw['access-log'] === 'string' ? locate(raw['access-log']) : (raw['access-log'] ?? null),
    archives: (raw.archives ?? []).map((archive) => buildArchive(archive, raw, locate)),
    channels: buildChannels(raw.channels ?? {}),
    ...buildTiers(raw, locate),
  }
}

function buildArchive(raw: RawArchive, all: RawConfig, locate: (file: string) => string): ArchiveConfig {
  const { release } = raw
  const pick = (key: 'ca' | 'client-certificate' | 'client-key') => {
    const file = raw[key] ?? all[key]
    return file === undefined ? null : locate(file)
  }
  return {
    name: raw.name,
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
    keyringFiles: raw['signed-by'].filter((text) => !isFingerprint(text)).map(locate),
    keyFingerprints: raw['signed-by']
      .filter(isFingerprint)
      .map((text) => text.replace(/^0x/, '').toUpperCase()),
    releaseOf: (suite) => (typeof release === 'object' ? (release[suite] ?? null) : (release ?? null)),
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

const kindsOf: Record<RawArchive['indexes'][number], readonly IndexKind[]> = {
  packages: ['packages'],
  sources: ['sources'],
  translations: ['translations'],
  cnf: ['commands'],
  dep11: ['components', 'icons'],
  contents: ['contents'],
}

/** What a channel is fed from is kept as long as anything may have to wait in it, and a week more. */
function soakOf(raw: NonNullable<RawConfig['channels']>, name: string): number {
  const fed = Object.values(raw).filter((channel) => channel.from === name)
  const soaks = fed.flatMap(({ gates, rules }) => [
    ...gates.soak.map(({ seconds }) => seconds),
    ...rules.flatMap(({ soakSeconds }) => soakSeconds ?? []),
  ])
  const longest = Math.max(0, ...soaks)
  return longest === 0 ? 0 : longest + 7 * 86_400
}

/** Parents before children. */
function buildChannels(raw: NonNullable<RawConfig['channels']>): ChannelConfig[] {
  const ordered: ChannelConfig[] = []
  const visit = (parent: string) => {
    for (const [name, channel] of Object.entries(raw)) {
      if (channel.from !== parent) continue
      ordered.push({
        name,
        from: channel.from,
        follows: channel.follow ?? channel.from === 'upstream',
        compression: channel.compression,
        validForSeconds: channel['valid-for'],
        keepSeconds: Math.max(channel.keep, soakOf(raw, name)),
        keyAlgorithm: channel['signing-key'],
        gates: channel.gates,
        together: channel.together,
        rules: channel.rules,
        prefetch: channel.prefetch,
        fetchTime: channel.fetch ?? null,
      })
      visit(name)
    }
  }
  visit('upstream')
  return ordered
}
