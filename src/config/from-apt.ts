// A first configuration from a host's own apt sources. Pure: what was read comes in, text goes out.
import { stringify } from 'yaml'
import type { AptSource } from '../debian/sources-list.ts'
import { defaultIndexes, isReservedName } from './shape.ts'

/** What is known of the host. */
export interface HostFacts {
  readonly architecture: string
  readonly foreignArchitectures: readonly string[]
  /** VERSION_CODENAME of os-release; null where there is none. */
  readonly codename: string | null
  /** Keyrings of apt's trusted.gpg.d, which count for sources that name none. */
  readonly trustedKeyrings: readonly string[]
  /** Our own address, which a source may name already. */
  readonly ownBaseUrl: string | null
}

export interface DraftArchive {
  name: string
  uris: { uri: string; suites: string[] }[]
  suites: string[]
  components: string[]
  architectures: string[]
  foreignArchitectures: string[]
  signedBy: string[]
  /** A key that stood in the sources entry; to be written to the file that `signedBy` names. */
  embeddedKey: string | null
  release: string | null
  hasSources: boolean
  ignoresValidUntil: boolean
}

export interface Draft {
  readonly archives: readonly DraftArchive[]
  /** One sentence for each source that was left out. */
  readonly skipped: readonly string[]
}

/** `keyFile` tells where an archive's embedded key will be. */
export function draftArchives(
  sources: readonly AptSource[],
  host: HostFacts,
  keyFile: (archive: string) => string,
): Draft {
  const archives: DraftArchive[] = []
  const skipped: string[] = []
  const usable = sources.filter((source) => {
    const why = whyNot(source, host)
    if (why !== null) skipped.push(`${source.place}: ${source.uri} is left out: ${why}`)
    return why === null
  })
  for (const source of regroup(usable)) addSource(archives, source, host, keyFile)
  return { archives, skipped }
}

/**
 * An archive has all its components in all its suites. However the entries of one address are written, they come out
 * as one for the suites that have the same components.
 */
function regroup(sources: readonly AptSource[]): AptSource[] {
  const isAlike = ({ uri, signedBy, architectures }: AptSource) =>
    JSON.stringify([uri, signedBy, architectures])
  return [...Map.groupBy(sources, isAlike).values()].flatMap((alike) => {
    const suites = new Map<string, { components: Set<string>; types: Set<string>; first: AptSource }>()
    for (const source of alike) {
      for (const suite of source.suites) {
        const known = suites.get(suite) ?? { components: new Set(), types: new Set(), first: source }
        for (const component of source.components) known.components.add(component)
        for (const type of source.types) known.types.add(type)
        suites.set(suite, known)
      }
    }
    const groups = Map.groupBy(suites, ([, { components, types }]) =>
      [[...components].sort().join(' '), types.has('deb-src')].join(),
    )
    const wanted = [...groups.values()].filter((group) => group[0]![1].types.has('deb'))
    return wanted.map((group) => {
      const { components, types, first } = group[0]![1]
      return {
        ...first,
        suites: group.map(([suite]) => suite),
        components: [...components],
        types: [...types],
        ignoresValidUntil: alike.some((source) => source.ignoresValidUntil),
      }
    })
  })
}

function whyNot(source: AptSource, host: HostFacts): string | null {
  if (!/^https?:\/\//.test(source.uri)) return `only http and https archives can be mirrored`
  if (host.ownBaseUrl !== null && source.uri.startsWith(host.ownBaseUrl)) return 'it is this very server'
  if (source.isTrusted) return '"Trusted: yes" skips signatures, and UUS does not'
  const hasKeys = source.signedBy.armored !== null || source.signedBy.paths.length > 0
  if (!hasKeys && host.trustedKeyrings.length === 0) return 'no keyring is known for it'
  return null
}

function addSource(
  archives: DraftArchive[],
  source: AptSource,
  host: HostFacts,
  keyFile: (archive: string) => string,
): void {
  const uri = source.uri.replaceAll('$(ARCH)', host.architecture).replace(/\/+$/, '')
  const own =
    source.architectures.length > 0 ? source.architectures : [host.architecture, ...host.foreignArchitectures]
  const draft: DraftArchive = {
    name: nameOf(uri),
    uris: [{ uri, suites: [...source.suites] }],
    suites: [...source.suites],
    components: [...source.components],
    architectures: own.filter((one) => !host.foreignArchitectures.includes(one)),
    foreignArchitectures: own.filter((one) => host.foreignArchitectures.includes(one)),
    signedBy: signersOf(source, host),
    embeddedKey: source.signedBy.armored,
    release: releaseFor(uri, source.suites, host.codename),
    hasSources: source.types.includes('deb-src'),
    ignoresValidUntil: source.ignoresValidUntil,
  }
  if (draft.architectures.length === 0) draft.architectures = draft.foreignArchitectures.splice(0)
  const twin = archives.find((one) => isSameArchive(one, draft, source))
  if (twin !== undefined) {
    merge(twin, draft)
    return
  }
  const taken = new Set(archives.map((one) => one.name))
  for (let number = 2, base = draft.name; taken.has(draft.name); number++) draft.name = `${base}-${number}`
  if (draft.embeddedKey !== null) draft.signedBy = [keyFile(draft.name)]
  archives.push(draft)
}

/** The last part of the path, in the letters that names may have. */
function nameOf(uri: string): string {
  const { pathname, hostname } = new URL(uri)
  const last =
    pathname
      .split('/')
      .filter((part) => part !== '')
      .at(-1) ?? hostname
  const name = decodeURIComponent(last)
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, '-')
    .replace(/\.{2,}/g, '.')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
  if (name === '' || /\.(sources|list|pref|conf)$/.test(name)) return 'archive'
  return isReservedName(name) ? `${name}-archive` : name
}

function signersOf({ signedBy }: AptSource, host: HostFacts): string[] {
  const files = signedBy.paths.filter((path) => path.startsWith('/'))
  const fingerprints = signedBy.paths.filter((path) => !path.startsWith('/'))
  return [...(files.length > 0 ? files : host.trustedKeyrings), ...fingerprints]
}

/** A vendor's suites belong to the host's release; those of a distribution tell theirs by their codename. */
function releaseFor(uri: string, suites: readonly string[], codename: string | null): string | null {
  if (codename === null) return null
  const isDistribution =
    /\/(debian|ubuntu)(-security|-ports)?$/.test(uri) ||
    suites.some((suite) => suite === codename || suite.startsWith(`${codename}-`))
  return isDistribution ? null : codename
}

/**
 * Entries of one archive: the same address, or the same name and the very same keyring (Ubuntu's archive and
 * security hosts).
 */
function isSameArchive(a: DraftArchive, b: DraftArchive, source: AptSource): boolean {
  const isSameSigner = a.embeddedKey === b.embeddedKey && a.signedBy.join() === b.signedBy.join()
  if (!isSameSigner || a.release !== b.release) return false
  if (!isSameSet(a.components, b.components) || a.hasSources !== b.hasSources) return false
  if (a.uris.some((one) => one.uri === b.uris[0]!.uri)) return true
  const isNamedKey = source.signedBy.paths.length > 0
  return isNamedKey && a.name === b.name && !a.suites.some((suite) => b.suites.includes(suite))
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one))
}

function merge(into: DraftArchive, from: DraftArchive): void {
  const add = (list: string[], more: readonly string[]) => {
    for (const one of more) if (!list.includes(one)) list.push(one)
  }
  const known = into.uris.find((one) => one.uri === from.uris[0]!.uri)
  if (known === undefined) into.uris.push(...from.uris)
  else add(known.suites, from.suites)
  add(into.suites, from.suites)
  add(into.components, from.components)
  add(into.architectures, from.architectures)
  add(into.foreignArchitectures, from.foreignArchitectures)
  into.ignoresValidUntil ||= from.ignoresValidUntil
}

export interface DraftSettings {
  readonly data: string
  readonly listen: string
  readonly baseUrl: string | null
}

/** The text of a config.yaml. */
export function renderConfig(settings: DraftSettings, archives: readonly DraftArchive[]): string {
  const head = [
    '# UUS configuration, made from this host\'s apt sources by "uus init --from-apt".',
    '# config.example.yaml explains every setting.',
    '',
    stringify({
      data: settings.data,
      listen: settings.listen,
      ...(settings.baseUrl === null ? {} : { 'base-url': settings.baseUrl }),
    }).trimEnd(),
    '',
    'archives:',
  ]
  const items = archives.map((archive) =>
    indent(stringify([describe(archive)], { flowCollectionPadding: false })),
  )
  const tail = ['channels:', '  testing: {from: upstream}', '  approved: {from: testing}', '']
  return [...head, ...items, ...tail].join('\n')
}

function describe(archive: DraftArchive): Record<string, unknown> {
  const isSplit = archive.uris.length > 1
  return {
    name: archive.name,
    uris: archive.uris.map((one) => (isSplit ? { uri: one.uri, suites: one.suites } : one.uri)),
    suites: archive.suites,
    ...(archive.components.length === 0 ? {} : { components: archive.components }),
    architectures: archive.architectures,
    ...(archive.foreignArchitectures.length === 0
      ? {}
      : { 'foreign-architectures': archive.foreignArchitectures }),
    'signed-by': archive.signedBy,
    ...(archive.release === null ? {} : { release: archive.release }),
    ...(archive.hasSources ? { indexes: [...defaultIndexes, 'sources'] } : {}),
    ...(archive.ignoresValidUntil ? { 'check-valid-until': false } : {}),
  }
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}
