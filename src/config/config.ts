// config.yaml: from bytes to a checked value, or to all its problems at once, each with its line.
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, isAbsolute, resolve } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { systemCode, UusError } from '../lib/errors.ts'
import { type ArchiveConfig, asObject, buildArchive, checkArchive } from './archives.ts'
import type { GatesConfig, RuleConfig } from './gates.ts'
import { buildLimits, buildProxy, type CacheConfig, type LimitsConfig, type ProxyConfig } from './limits.ts'
import { buildTargets, type NoticeTarget } from './notify.ts'
import { type Complain, describe, lineOf, type Problem } from './problems.ts'
import { configShape, type RawConfig } from './shape.ts'
import { nearest } from './suggest.ts'
import { buildTiers, checkRole, type TierConfig } from './tiers.ts'

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

export interface UploadsConfig {
  readonly maxBytes: number
  readonly waitSeconds: number
}

export interface Config extends TierConfig {
  /** The file it was read from. */
  readonly path: string
  readonly dataFolder: string
  readonly listen: { readonly host: string; readonly port: number }
  /** Null: administrators come in where clients do. */
  readonly adminListen: { readonly host: string; readonly port: number } | null
  /** Connections of one address. */
  readonly clients: { readonly connections: number }
  /** Ends without a slash. */
  readonly baseUrl: string | null
  /** Ends without a slash; null: clients are told that there are none. */
  readonly snapshotsUrl: string | null
  readonly upstreamProxy: string | null
  /** Null: no forward proxy. */
  readonly proxy: ProxyConfig | null
  readonly cache: CacheConfig
  readonly limits: LimitsConfig
  readonly uploads: UploadsConfig
  readonly api: { readonly allowsHttp: boolean }
  /** Who is told of what happens. */
  readonly notices: readonly NoticeTarget[]
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

function endsAtUpstream(name: string, parents: ReadonlyMap<string, unknown>): boolean {
  let at: unknown = name
  for (let steps = 0; steps <= parents.size; steps++) {
    if (at === 'upstream' || !parents.has(at as string)) return true
    at = parents.get(at as string)
  }
  return false
}

/** The checked configuration in its final form. */
function build(raw: RawConfig, path: string): Config {
  const folder = dirname(path)
  const locate = (file: string) => (isAbsolute(file) ? file : resolve(folder, file))
  return {
    path,
    dataFolder: locate(raw.data),
    listen: raw.listen,
    adminListen: raw['admin-listen'] ?? null,
    clients: raw.clients,
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
    uploads: { maxBytes: raw.uploads['max-size'], waitSeconds: raw.uploads.wait },
    api: { allowsHttp: raw.api['allow-http'] },
    notices: buildTargets(raw.notifications, locate),
    accessLog:
      typeof raw['access-log'] === 'string' ? locate(raw['access-log']) : (raw['access-log'] ?? null),
    archives: (raw.archives ?? []).map((archive) => buildArchive(archive, raw, locate)),
    channels: buildChannels(raw.channels ?? {}),
    ...buildTiers(raw, locate),
  }
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
