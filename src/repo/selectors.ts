// Selectors: how people name what is to move. The result is whole source versions.
import { isPackageName, isSecuritySuite, isVersion } from '../debian/names.ts'
import { compareVersions } from '../debian/version.ts'
import { UusError } from '../lib/errors.ts'
import { parseDuration } from '../lib/units.ts'
import type { Channel } from '../store/channels.ts'
import type { Store } from '../store/store.ts'
import { now } from '../store/views.ts'
import type { PendingKind } from './classify.ts'
import { listPending, type PendingItem, type PendingScope, pendingOf } from './pending.ts'

export type Selector =
  | { readonly type: 'all' }
  | { readonly type: 'security' }
  | { readonly type: 'older-than'; readonly seconds: number }
  /** A source name, else a binary name; a glob matches many. */
  | { readonly type: 'name'; readonly pattern: string; readonly version: string | null }

/** Throws USAGE for what is no selector, NO_ADVISORY_DATA for a CVE or USN. */
export function parseSelector(text: string): Selector {
  if (text === '@all') return { type: 'all' }
  if (text === '@security') return { type: 'security' }
  const age = /^@older-than:(.+)$/.exec(text)
  if (age !== null) {
    const seconds = parseDuration(age[1]!)
    if (seconds === null) throw usage(text, 'its age must be a duration like 7d')
    return { type: 'older-than', seconds }
  }
  if (/^(CVE-\d{4}-\d+|USN-\d+-\d+|DSA-\d+-\d+)$/i.test(text)) {
    throw new UusError('NO_ADVISORY_DATA', `${text}: there is no advisory data yet`, {
      hint: 'Name the source package instead',
    })
  }
  const [, pattern, version] = /^([^=]+)(?:=(.+))?$/.exec(text) ?? []
  if (pattern === undefined || !isPackageName(pattern.replace(/[*?]/g, 'x').replace(/\[[^\]]*\]/g, 'x'))) {
    throw usage(text, 'it is neither a package name nor one of @all, @security, @older-than:7d')
  }
  if (version !== undefined && !isVersion(version)) throw usage(text, `"${version}" is no version`)
  return { type: 'name', pattern, version: version ?? null }
}

function usage(text: string, why: string): UusError {
  return new UusError('USAGE', `"${text}" is no selector: ${why}`, {
    hint: 'See "uus promote --help" for examples',
  })
}

/** Kinds that are taken only where they are asked for, or where a name has nothing else. */
const askedForKinds: ReadonlySet<PendingKind> = new Set(['republished', 'downgrade', 'remove'])

export interface Selection {
  /** What was chosen, each once. */
  readonly items: readonly PendingItem[]
  /** Items that a person named, not only a group: for them a refusal is an answer. */
  readonly named: ReadonlySet<PendingItem>
}

export interface SelectionOptions {
  /** Of which releases; empty means: the one there is. */
  readonly releases: readonly string[]
  /** Kinds among republished, downgrade and remove that groups take too. */
  readonly include: readonly PendingKind[]
  /** Milliseconds. */
  readonly now: number
}

/**
 * What waits and is chosen. UNKNOWN_NAME for a name that neither channel knows, whatever else matches;
 * RELEASE_AMBIGUOUS if the choice spans releases and none was named.
 */
export function select(
  selectors: readonly Selector[],
  scope: PendingScope,
  options: SelectionOptions,
): Selection {
  const chooser = new Chooser(scope, options)
  for (const selector of selectors) chooser.add(selector)
  return chooser.selection()
}

class Chooser {
  readonly #scope: PendingScope
  readonly #options: SelectionOptions
  readonly #chosen = new Map<string, PendingItem>()
  readonly #named = new Set<PendingItem>()
  #all: readonly PendingItem[] | undefined

  constructor(scope: PendingScope, options: SelectionOptions) {
    this.#scope = scope
    this.#options = options
  }

  add(selector: Selector): void {
    if (selector.type === 'name') {
      this.#addNamed(selector)
      return
    }
    this.#all ??= listPending(this.#scope)
    for (const items of Map.groupBy(
      this.#all.filter((item) => this.#isInRelease(item)),
      groupKey,
    ).values()) {
      for (const item of newestPerSuite(items.filter((one) => this.#isTaken(one, selector)))) this.#take(item)
    }
  }

  selection(): Selection {
    const items = [...this.#chosen.values()]
    const releases = [...new Set(items.map((item) => item.release))].sort()
    if (releases.length > 1 && this.#options.releases.length === 0) {
      throw new UusError(
        'RELEASE_AMBIGUOUS',
        `The selection is in several releases: ${releases.join(', ')}`,
        {
          hint: `Say which: --release ${releases[0]} (or all of them: ${releases.map((name) => `--release ${name}`).join(' ')})`,
        },
      )
    }
    return { items, named: this.#named }
  }

  #isTaken(item: PendingItem, selector: Exclude<Selector, { type: 'name' }>): boolean {
    if (askedForKinds.has(item.kind) && !this.#options.include.includes(item.kind)) return false
    switch (selector.type) {
      case 'all':
        return true
      case 'security':
        return isSecuritySuite(...item.suites)
      case 'older-than':
        return item.since !== null && item.since <= this.#options.now - selector.seconds * 1000
    }
  }

  #addNamed(selector: Selector & { type: 'name' }): void {
    const { store, target, feeding, revision } = this.#scope
    const sources = findSources(store, [feeding, target], selector.pattern, revision)
    if (sources.length === 0) throw this.#unknown(selector.pattern)
    const isPattern = /[*?[]/.test(selector.pattern)
    const waiting = pendingOf(this.#scope, sources).filter((item) => this.#isInRelease(item))
    const matching = selector.version === null ? waiting : this.#ofVersion(waiting, sources, selector.version)
    for (const items of Map.groupBy(matching, groupKey).values()) {
      const usual = items.filter(
        (item) => !askedForKinds.has(item.kind) || this.#options.include.includes(item.kind),
      )
      const chosen = selector.version !== null ? items : usual.length > 0 ? newestPerSuite(usual) : items
      for (const item of chosen) {
        const taken = this.#take(item)
        if (!isPattern) this.#named.add(taken)
      }
    }
  }

  /** A version that waits now, or one that the feeding channel had before it moved on. */
  #ofVersion(waiting: readonly PendingItem[], sources: readonly string[], version: string): PendingItem[] {
    const found = waiting.filter((item) => compareVersions(item.version, version) === 0)
    if (found.length > 0 || this.#scope.revision !== undefined) return found
    const { store, feeding } = this.#scope
    for (const source of sources) {
      const revision = store.views.lastRevisionOf(feeding.id, source, version)
      if (revision === null) continue
      found.push(
        ...pendingOf({ ...this.#scope, revision }, [source]).filter(
          (item) => compareVersions(item.version, version) === 0 && this.#isInRelease(item),
        ),
      )
    }
    return found
  }

  #isInRelease(item: PendingItem): boolean {
    return this.#options.releases.length === 0 || this.#options.releases.includes(item.release)
  }

  #take(item: PendingItem): PendingItem {
    const key = `${groupKey(item)} ${item.version} ${item.kind}`
    const known = this.#chosen.get(key)
    if (known === undefined) this.#chosen.set(key, item)
    return known ?? item
  }

  #unknown(name: string): UusError {
    const { target, feeding } = this.#scope
    return new UusError(
      'UNKNOWN_NAME',
      `No package is called ${name}, neither in ${feeding.name} nor in ${target.name}`,
      {
        hint: `"uus pending ${target.name}" lists what waits; nothing was done`,
      },
    )
  }
}

/**
 * The sources that a pattern means in any of the channels: by their own name, else by that of a binary package.
 * A glob matches both.
 */
export function findSources(
  store: Store,
  channels: readonly Channel[],
  pattern: string,
  revision: number = now,
): string[] {
  const find = (query: (channelId: number) => string[]) =>
    [...new Set(channels.flatMap((channel) => query(channel.id)))].sort()
  if (/[*?[]/.test(pattern)) {
    return find((id) => [
      ...store.views.sourcesLike(id, pattern),
      ...store.views.sourcesOfBinariesLike(id, pattern),
    ])
  }
  const isSource = channels.some(
    ({ id }) =>
      store.views.bySource(id, pattern).length > 0 || store.views.bySource(id, pattern, revision).length > 0,
  )
  if (isSource) return [pattern]
  return find((id) => store.views.byName(id, pattern, revision).map((stanza) => stanza.source))
}

function groupKey(item: PendingItem): string {
  return `${item.release} ${item.archiveId} ${item.source}`
}

/** Of several waiting versions of a source the newest in each suite; what is not a version's entry stays. */
function newestPerSuite(items: readonly PendingItem[]): PendingItem[] {
  const best = new Map<string, string>()
  const entering = items.filter((item) => item.kind === 'update' || item.kind === 'new')
  for (const item of entering) {
    for (const suite of item.suites) {
      const known = best.get(suite)
      if (known === undefined || compareVersions(item.version, known) > 0) best.set(suite, item.version)
    }
  }
  return items.filter(
    (item) => !entering.includes(item) || item.suites.some((suite) => best.get(suite) === item.version),
  )
}
