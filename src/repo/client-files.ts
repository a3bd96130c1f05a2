// Files for clients: the sources entry that enrols a machine, and the pins for machines ahead of a rollback.
import { compareVersions, highestVersion } from '../debian/version.ts'
import { UusError } from '../lib/errors.ts'
import type { Channel, Snapshot } from '../store/channels.ts'
import type { Store } from '../store/store.ts'
import type { PublishedArchive, PublishedChannel, PublishedSuite } from './published.ts'

export interface SourcesOptions {
  /** Null: the one there is. */
  readonly release: string | null
  /** Ends without a slash. */
  readonly baseUrl: string
  /** A snapshot's id: the entry then leads to that, for ever. Null: to what the channel shows. */
  readonly snapshot: string | null
  /** All public keys of the channel, armored; null for apt before 2.3.10, which wants a keyring file. */
  readonly armoredKeys: string | null
}

/** Where the keyring goes on clients that cannot have it in the sources entry. */
export function keyringPath(channel: string): string {
  return `/usr/share/keyrings/uus-${channel}.gpg`
}

/**
 * deb822 sources for one release of a channel. RELEASE_AMBIGUOUS where several are published and none is named,
 * UNKNOWN_NAME for a release that is not.
 */
export function renderSources(channel: PublishedChannel, options: SourcesOptions): string {
  const release = chooseRelease(channel, options.release)
  const signedBy =
    options.armoredKeys === null ? ` ${keyringPath(channel.name)}` : indent(options.armoredKeys)
  const stanzas: string[] = []
  for (const archive of channel.archives.values()) {
    const suites = archive.suites.filter((suite) => suite.release === release)
    const alikeBy = ({ components, hasSources }: PublishedSuite) => `${components.join(' ')} ${hasSources}`
    for (const alike of Map.groupBy(suites, alikeBy).values()) {
      stanzas.push(renderStanza(channel, archive, alike, options, signedBy))
    }
  }
  return [renderHead(channel, release, options), ...stanzas].join('\n')
}

function chooseRelease(channel: PublishedChannel, wanted: string | null): string {
  const suites = [...channel.archives.values()].flatMap((archive) => archive.suites)
  const releases = [...new Set(suites.map((suite) => suite.release))].sort()
  if (releases.length === 0) {
    throw new UusError('UNKNOWN_NAME', `Channel ${channel.name} is not published yet`, {
      hint: 'Run: uus update',
    })
  }
  if (wanted === null && releases.length > 1) {
    throw new UusError(
      'RELEASE_AMBIGUOUS',
      `Channel ${channel.name} has several releases: ${releases.join(', ')}`,
      {
        hint: `Say which: ?release=${releases[0]} (on the command line: --release ${releases[0]})`,
      },
    )
  }
  const release = wanted ?? releases[0]!
  if (!releases.includes(release)) {
    throw new UusError('UNKNOWN_NAME', `Channel ${channel.name} has no release ${release}`, {
      hint: `It has: ${releases.join(', ')}`,
    })
  }
  return release
}

function renderHead(channel: PublishedChannel, release: string, options: SourcesOptions): string {
  const keys = channel.keys.map((key) => `#   ${key.fingerprint} (${key.role})\n`).join('')
  const keyFile =
    options.armoredKeys === null
      ? `# Needs ${keyringPath(channel.name)}, which is ${options.baseUrl}/keys/${channel.name}.gpg\n`
      : ''
  return `# UUS channel ${channel.name}, release ${release}. It is signed by:\n${keys}${keyFile}`
}

function renderStanza(
  channel: PublishedChannel,
  archive: PublishedArchive,
  suites: readonly PublishedSuite[],
  { baseUrl, snapshot }: SourcesOptions,
  signedBy: string,
): string {
  const place = snapshot === null ? channel.name : `snapshots/${channel.name}/${snapshot}`
  const architectures = [...new Set(suites.flatMap((suite) => suite.architectures))]
  return [
    `Types: deb${suites[0]!.hasSources ? ' deb-src' : ''}\n`,
    `URIs: ${baseUrl}/${place}/${archive.name}\n`,
    `Suites: ${suites.map((suite) => suite.name).join(' ')}\n`,
    suites[0]!.components.length === 0 ? '' : `Components: ${suites[0]!.components.join(' ')}\n`,
    // With several, the client's own architectures decide; with one, apt need not ask for its others.
    architectures.length === 1 ? `Architectures: ${architectures[0]}\n` : '',
    channel.validForSeconds === null ? '' : `Valid-Until-Max: ${channel.validForSeconds}\n`,
    `Signed-By:${signedBy}\n`,
  ].join('')
}

/**
 * Snippets for apt.conf.d: where this server's snapshots are (a slave's clients must not go to its master for them),
 * and local archives for unattended-upgrades, which knows only the distribution's own.
 */
export function renderAptConf(channel: PublishedChannel, baseUrl: string): string {
  const suites = [...channel.archives.values()].flatMap((archive) => archive.suites)
  const origins = [...new Set(suites.flatMap((suite) => suite.origin ?? []))].sort()
  const { hostname } = new URL(baseUrl)
  // A machine's very first update knows no Release, and so no Origin yet: without its host's entry, apt takes the
  // present for the snapshot. An IPv6 address cannot be named there.
  const keys = [
    ...(hostname.includes(':') ? [] : [`Host::${hostname}`]),
    ...origins.map((origin) => `Override::Origin::${origin}`),
  ]
  const lines = keys.map(
    (key) => `Acquire::Snapshots::URI::${key} "${baseUrl}/snapshots/@PATH@/@SNAPSHOTID@/";\n`,
  )
  const local = [...channel.archives.values()].filter((archive) => archive.isLocal)
  const patterns = local.flatMap((archive) =>
    archive.suites.map((suite) => `  "origin=${suite.origin ?? ''},codename=${suite.codename ?? ''}";\n`),
  )
  return [
    `// UUS channel ${channel.name}: for /etc/apt/apt.conf.d/\n`,
    ...lines,
    ...(patterns.length === 0 ? [] : ['Unattended-Upgrade::Origins-Pattern {\n', ...patterns, '};\n']),
  ].join('')
}

/** Continuation lines; apt wants the armor's blank line as ` .`. */
function indent(armored: string): string {
  const lines = armored.trimEnd().split('\n')
  return lines.map((line) => `\n ${line === '' ? '.' : line}`).join('')
}

/**
 * Pins (priority 1001: apt downgrades to them) for the packages of which a client of the channel may have a higher
 * version than a snapshot shows: one that the channel showed since.
 */
export function renderPins(store: Store, channel: Channel, snapshot: Snapshot): string {
  const since = snapshot.restores ?? snapshot.revision
  const indexes = new Map(store.archives.indexes().map((index) => [index.id, index]))
  const pins = new Map<string, Set<string>>()
  for (const view of store.views.list(channel.id)) {
    const index = indexes.get(view.indexId)!
    if (index.kind !== 'packages') continue
    const others = store.views
      .shownSince(view.id, since, snapshot.revision)
      .map((id) => store.records.get(id))
    for (const [name, records] of Map.groupBy(others, (record) => record.name)) {
      // What apt would choose among all suites of the release, were it not for what is installed.
      const shown = highestVersion(
        store.views
          .byName(channel.id, name, snapshot.revision)
          .filter((one) => one.release === index.release && one.indexArchitecture === index.architecture)
          .map((one) => one.version),
      )
      if (shown === undefined || !records.some((record) => compareVersions(record.version, shown) > 0))
        continue
      pins.set(shown, (pins.get(shown) ?? new Set()).add(name))
    }
  }
  const head =
    `# UUS channel ${channel.name}: back to snapshot ${snapshot.id}.\n` +
    '# For /etc/apt/preferences.d/; then "apt-get dist-upgrade --allow-downgrades". Remove it afterwards.\n'
  const stanzas = [...pins].map(
    ([version, names]) =>
      `\nPackage: ${[...names].sort().join(' ')}\nPin: version ${version}\nPin-Priority: 1001\n`,
  )
  return head + stanzas.join('')
}
