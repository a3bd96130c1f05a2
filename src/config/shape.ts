// The shape of config.yaml. Every field says here what it means; config.example.yaml shows them all in use.
import { z } from 'zod'
import { isFlatSuite } from '../debian/index-kinds.ts'
import { isArchitecture, isDistributionPath, isSuiteName } from '../debian/names.ts'
import { parseNetwork } from '../lib/networks.ts'
import { parseDuration, parseRate } from '../lib/units.ts'
import { gates, rule } from './gates.ts'
import { notifications } from './notify.ts'
import { dayNames, duration, httpUrl, listen, oneOrMore, parsedBy, size, timeOfDay } from './scalars.ts'

const reservedNames: ReadonlySet<string> = new Set([
  'api',
  'assets',
  'audit',
  'healthz',
  'keys',
  'metrics',
  'mirrors',
  'readyz',
  'snapshots',
  'sync',
  'ui',
  'upload',
  'upstream',
])

/** Taken by our own URLs. */
export function isReservedName(text: string): boolean {
  return reservedNames.has(text)
}

/** Archive and channel names become the first parts of URLs. */
const name = z.string().superRefine((text, context) => {
  if (!/^[a-z0-9][a-z0-9.-]*$/.test(text) || text.includes('..')) {
    context.addIssue('must be lower-case letters, digits, "." and "-", and begin with a letter or digit')
  } else if (/\.(sources|list|pref|conf)$/.test(text)) {
    context.addIssue('must not end in .sources, .list, .pref or .conf')
  } else if (isReservedName(text)) context.addIssue(`is reserved (${[...reservedNames].join(', ')})`)
})

/** Bytes a second; null for no limit. */
const rate = z.string().transform((text, context) => {
  if (text === 'unlimited') return null
  const bytes = parseRate(text)
  if (bytes !== null && bytes > 0) return bytes
  context.addIssue('must be a rate like 10MiB/s, or unlimited')
  return z.NEVER
})

const days = z
  .array(z.enum(dayNames))
  .nonempty()
  .default([...dayNames])

/** A rate for all times, or one that depends on the time of day (UTC). */
const bandwidth = z.union([
  rate.transform((otherwise) => ({ windows: [], otherwise })),
  z
    .array(
      z.strictObject({
        from: timeOfDay.optional(),
        to: timeOfDay.optional(),
        days,
        rate,
      }),
    )
    .nonempty()
    .transform((entries, context) => {
      const windows = entries
        .filter((entry) => entry.from !== undefined || entry.to !== undefined)
        .map(({ from = 0, to = 24 * 60, days, rate: bytesPerSecond }) => {
          return { from, to, days: days.map((day) => dayNames.indexOf(day)), bytesPerSecond }
        })
      const rest = entries.filter((entry) => entry.from === undefined && entry.to === undefined)
      if (rest.length > 1) context.addIssue('must have at most one rate without "from" and "to"')
      return { windows, otherwise: rest[0]?.rate ?? null }
    }),
])

const cache = z.strictObject({
  /** What package files may take; what was not used for the longest time goes first. Default: what the disk has. */
  'max-size': size('200GiB').optional(),
  /** What stays free of the disk that they are on. */
  'min-free': size('5GiB').default(512 << 20),
  /** Memory for small files that are asked for often. */
  memory: size('64MiB').default(64 << 20),
})

const limits = z.strictObject({
  /** At a time, to each upstream host. */
  connections: z.int().min(1).max(100).default(8),
  /** From each upstream host. */
  bandwidth: bandwidth.prefault('unlimited'),
  /** Hosts (with their port, where it is not the usual one) that have a rate of their own. */
  hosts: z.record(z.string().min(1), z.strictObject({ bandwidth })).default({}),
  /** What is slower is given up for the next address. */
  'min-rate': parsedBy(parseRate, 'a rate like 1KiB/s').default(1024),
  /** How long a package file may take in all. */
  deadline: duration('6h').default(6 * 3600),
  /** Files that are fetched before a client asks: how many at a time, and when (UTC). Default: at any time. */
  prefetch: z
    .strictObject({
      files: z.int().min(1).max(100).default(2),
      from: timeOfDay.default(0),
      to: timeOfDay.default(24 * 60),
      days,
    })
    .prefault({}),
})

const suiteName = z
  .string()
  .refine((text) => isSuiteName(text), 'must be a suite as it stands below dists/, like noble-updates')
const componentName = z.string().refine((text) => isDistributionPath(text), 'must be a component like main')
const architectureName = z
  .string()
  .refine((text) => isArchitecture(text), 'must be an architecture like amd64')

/** `192.0.2.0/24`, `2001:db8::/32`, or one address. */
const network = z
  .string()
  .refine((text) => parseNetwork(text) !== null, 'must be a network like 192.168.0.0/16 or fd00::/8')

const connectTarget = z.string().transform((text, context) => {
  const match = /^((?:\*\.)?[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(?::(\d{1,5}))?$/.exec(text)
  const port = Number(match?.[2] ?? 443)
  if (match !== null && port > 0 && port <= 65_535) return { host: match[1]!.toLowerCase(), port }
  context.addIssue('must be HOST:PORT or *.DOMAIN:PORT, like esm.ubuntu.com:443')
  return z.NEVER
})

/** One address of an archive; some serve only some suites or architectures. */
const uri = z.union([
  httpUrl.transform((text) => ({ uri: text, suites: undefined, architectures: undefined })),
  z.strictObject({
    uri: httpUrl,
    suites: z.array(suiteName).nonempty().optional(),
    architectures: z.array(architectureName).nonempty().optional(),
  }),
])

const tls = {
  /** Certificates (PEM) that upstream servers may be signed by, beside the system's. */
  ca: z.string().optional(),
  /** What we show to an upstream server that asks (PEM files). */
  'client-certificate': z.string().optional(),
  'client-key': z.string().optional(),
}

/** What may be taken over of an archive. `cnf` is for command-not-found, `dep11` for software centres. */
const indexNames = ['packages', 'sources', 'translations', 'cnf', 'dep11', 'contents'] as const
/** What clients ask for without being told to; `sources` and `contents` are large, and asked for by few. */
export const defaultIndexes = ['packages', 'translations', 'cnf', 'dep11'] as const

/** Services that keep what archives removed: one of the known ones, or a URL with @SNAPSHOTID@ where the time goes. */
const snapshotUri = z.union([
  z.enum(['ubuntu', 'debian', 'ppa']),
  httpUrl.refine((text) => text.includes('@SNAPSHOTID@'), 'must have @SNAPSHOTID@ where the time goes'),
])

const upstreamArchive = z.strictObject({
  local: z.literal(false).optional(),
  /** The archive's identity for ever, and a part of the clients' URLs. */
  name,
  /** Tried in this order. */
  uris: oneOrMore(uri),
  suites: oneOrMore(suiteName),
  /** Not for flat archives (suites that end in a slash), which have none. */
  components: oneOrMore(componentName).optional(),
  architectures: oneOrMore(architectureName),
  /** Architectures that clients of the others have beside their own (i386 on amd64). */
  'foreign-architectures': z.array(architectureName).default([]),
  /** Keyring files, or fingerprints (40 hex digits) that leave only these of their keys. */
  'signed-by': oneOrMore(z.string().min(1)),
  /** Which release the suites belong to; by default told by their codename. */
  release: z.union([z.string().min(1), z.record(suiteName, z.string().min(1))]).optional(),
  /** How often `serve` asks upstream for news. */
  refresh: duration('30m').default(1800),
  /** Which kinds of indexes are taken over, where the archive has them. */
  indexes: z
    .array(z.enum(indexNames))
    .refine((all) => all.includes('packages'), 'must include packages')
    .default([...defaultIndexes]),
  /** Of which translations. */
  languages: oneOrMore(
    z.string().regex(/^[a-z]{2,3}([_@][A-Za-z]+)*$/, 'must be a language like en or pt_BR'),
  ).default(['en']),
  /** False for an archive that is frozen on purpose, whose Valid-Until has passed. */
  'check-valid-until': z.boolean().default(true),
  /** A moving suite whose newest Release is older than this is reported as stale. */
  'max-age': duration('7d').default(7 * 86_400),
  /** Asked for what the archive has no more; none: []. Default: the one of a public archive whose address is used. */
  'snapshot-uris': z
    .union([snapshotUri, z.array(snapshotUri)])
    .transform((value) => [value].flat())
    .optional(),
  /** Whether files are fetched when they are promoted. Default: those of small archives of third parties are. */
  fetch: z.enum(['on-demand', 'on-promote']).optional(),
  /** What the archive's servers are shown. Such an archive needs `access`, too. */
  auth: z
    .strictObject({
      type: z.enum(['bearer', 'basic']),
      /** For basic. */
      user: z.string().min(1).default('bearer'),
      /** Holds the token or password; read at each use. */
      'token-file': z.string().min(1),
    })
    .optional(),
  /** Who gets its files, on channels and through the forward proxy: networks, and who shows a token. Default: all. */
  access: z
    .strictObject({
      networks: z.array(network).default([]),
      /** A token on each line; clients show one as password (any user) or as bearer. */
      'tokens-file': z.string().min(1).optional(),
    })
    .refine(
      (all) => all.networks.length > 0 || all['tokens-file'] !== undefined,
      'must name networks or a tokens-file',
    )
    .optional(),
  ...tls,
})

/** Holds what people upload; nobody is asked for it. */
const localArchive = z.strictObject({
  name,
  local: z.literal(true),
  suites: oneOrMore(suiteName.refine((text) => !isFlatSuite(text), 'must not be a flat suite')),
  /** Packages of no stated component go into the first. */
  components: oneOrMore(componentName).default(['main']),
  architectures: oneOrMore(architectureName),
  'foreign-architectures': z.array(architectureName).default([]),
  /** What clients recognise it by (pins, unattended-upgrades); stays what it was when it was published first. */
  origin: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 ._+-]*$/, 'must be a name of letters, digits, blanks and . _ + -')
    .refine((text) => !/^(ubuntu|debian)$/i.test(text.trim()), 'must not be Ubuntu or Debian: it is yours')
    .optional(),
  /** Keyring files, or fingerprints, of those who may upload signed .changes. Default: nobody. */
  keyring: oneOrMore(z.string().min(1)).optional(),
  /** Which release the suites belong to; by default told by their name. */
  release: z.union([z.string().min(1), z.record(suiteName, z.string().min(1))]).optional(),
})

/** What waits for its .changes. */
const uploads = z.strictObject({
  /** What all files together may take that wait. */
  'max-size': size('4GiB').default(4 * 2 ** 30),
  /** How long a file waits. */
  wait: duration('6h').default(6 * 3600),
})

const channel = z.strictObject({
  /** The channel it is fed from; `upstream` is what the archives offer. */
  from: z.string(),
  /** Takes over what `from` has by itself. Default: yes if that is upstream. */
  follow: z.boolean().optional(),
  /** How published indexes are packed. */
  compression: z
    .array(z.enum(['gz', 'xz']))
    .nonempty()
    .default(['gz']),
  /** How long clients accept a published state; refreshed daily. `none`: for ever. */
  'valid-for': z
    .string()
    .transform((text, context) => {
      if (text === 'none') return null
      const seconds = parseDuration(text)
      if (seconds !== null && seconds > 0) return seconds
      context.addIssue('must be a duration like 45d, or none')
      return z.NEVER
    })
    .default(45 * 86_400),
  /** How long superseded files are still served. */
  keep: duration('7d').default(7 * 86_400),
  /** The kind of key that is made for the channel. */
  'signing-key': z.enum(['ed25519', 'rsa4096']).default('ed25519'),
  /** Of a gated channel: what every change has to pass. */
  gates: gates.prefault({}),
  /** Groups of sources (globs) that move as one; the kernel's own stand built in. */
  together: z.array(z.array(z.string().min(1)).min(1)).default([]),
  /** Of a gated channel: what becomes of waiting items by itself. The first that matches counts. */
  rules: z.array(rule).default([]),
  /** What is fetched when it enters the channel: new versions of what its clients asked for before, or all. */
  prefetch: z.enum(['none', 'used', 'all']).default('none'),
  /** Overrides that of the archives, in a gated channel. */
  fetch: z.enum(['on-demand', 'on-promote']).optional(),
})

/** A certificate of our own (PEM files, read anew when they change): clients are served over TLS. */
const serverTls = z.strictObject({
  cert: z.string().min(1),
  key: z.string().min(1),
  /** A port of its own for TLS, beside `listen`. Default: TLS on `listen` itself. */
  listen: listen.optional(),
})

/** Of a slave: whom it follows. */
const master = z.strictObject({
  /** The master, or another slave. */
  url: httpUrl,
  /** The file with the token that "uus slave add" gave out. */
  'token-file': z.string().min(1),
  /** Fingerprints of the channels' keys, one for each channel: whom to believe at first. */
  key: oneOrMore(
    z
      .string()
      .regex(/^(0x)?[0-9a-fA-F]{40}$/, "must be a key's fingerprint, 40 hex digits")
      .transform((text) => text.replace(/^0x/, '').toUpperCase()),
  ),
  /** Certificates (PEM) that the master may be signed by, beside the system's. */
  ca: z.string().optional(),
  /** The token may go over plain http, where everybody on the way can read it. */
  'allow-http': z.boolean().default(false),
  /** Package files that are fetched before anybody asks: none, all, or new versions of what was asked for. */
  prefetch: z.enum(['none', 'used', 'all']).default('none'),
})

/** What slaves are given here. */
const sync = z.strictObject({
  /** How slaves reach this server, if that is not the base-url. */
  url: httpUrl.optional(),
  /** Tokens are taken over plain http too. */
  'allow-http': z.boolean().default(false),
})

/** A slave as mirror lists name it. */
const publicSlave = z.strictObject({
  /** How clients reach it. */
  url: httpUrl,
  /** Clients from these networks are sent there first. */
  networks: oneOrMore(
    z.string().refine((text) => parseNetwork(text) !== null, 'must be a network like 10.1.0.0/16'),
  ).default([]),
  /** Clients that ask for one of these (`?country=no`) are sent there first. */
  country: oneOrMore(
    z.string().regex(/^[a-z]{2}$/, 'must be a country like no, in two small letters'),
  ).default([]),
})

/** What one client may take. */
const clients = z.strictObject({
  /** Connections of one address at a time; a site may stand behind one. */
  connections: z.int().min(1).max(100_000).default(4000),
})

const api = z.strictObject({
  /** Tokens and passwords are taken over plain http too, from other hosts. */
  'allow-http': z.boolean().default(false),
})

export const configShape = z.strictObject({
  /** The folder that holds everything UUS makes; relative to this file. */
  data: z.string().min(1),
  /** Address and port; port 0 takes a free one. */
  listen: listen.default({ host: '0.0.0.0', port: 8080 }),
  tls: serverTls.optional(),
  /** Where the API and the metrics are, instead of on `listen`; over TLS if there is a certificate. */
  'admin-listen': listen.optional(),
  clients: clients.prefault({}),
  /** How clients reach this server; goes into generated files. Default: as each client asked. */
  'base-url': httpUrl.optional(),
  /** Where clients find snapshots by URL, if that is not the base-url. */
  'snapshots-url': httpUrl.optional(),
  /** An HTTP proxy for hosts whose sources name upstream; off unless set. By convention port 3142. */
  'proxy-listen': listen.optional(),
  /** Whether it also serves archives that a gated channel shows: what it serves is upstream's own, ungated. */
  'proxy-gate': z.enum(['open', 'refuse']).default('open'),
  /** Who may use it: networks. Default: everybody who reaches it. */
  'proxy-networks': z.array(network).nonempty().optional(),
  /** What it passes on unseen (CONNECT, for https): HOST:PORT or *.DOMAIN:PORT. */
  'proxy-connect': z.array(connectTarget).default([]),
  /** A master decides and signs; a slave serves what its master has. */
  role: z.enum(['master', 'slave']).default('master'),
  /** Of a slave only: whom it follows. */
  master: master.optional(),
  sync: sync.prefault({}),
  /** The slaves of mirror lists, by the names that "uus slave add" gave them. */
  slaves: z.record(name, publicSlave).default({}),
  /** A proxy for all requests to upstream. */
  'upstream-proxy': httpUrl.optional(),
  ...tls,
  /** Where package files are kept once they were fetched. */
  cache: cache.prefault({}),
  /** How upstream servers are asked for package files. */
  limits: limits.prefault({}),
  /** The HTTP interface for programs. */
  api: api.prefault({}),
  /** Who is told of what happens. */
  notifications: notifications.prefault({}),
  /** One JSON line for each answer: to stdout (true), to a file, or not at all. Default: with `--log json`. */
  'access-log': z.union([z.boolean(), z.string().min(1)]).optional(),
  /** What arrives over HTTP before the .changes that it belongs to. */
  uploads: uploads.prefault({}),
  /** Of a master only: a slave has the archives and channels of its master. */
  archives: z
    .array(z.discriminatedUnion('local', [upstreamArchive, localArchive]))
    .min(1, 'must name an archive')
    .optional(),
  channels: z
    .record(name, channel)
    .refine((all) => Object.keys(all).length > 0, 'must name a channel')
    .optional(),
})

export type RawConfig = z.output<typeof configShape>
export type RawArchive = NonNullable<RawConfig['archives']>[number]
