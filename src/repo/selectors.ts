// Selectors: how people name what is to move. The result is whole source versions.
import { isPackageName, isSecuritySuite, isVersion } from '../debian/names.ts'
import { compareVersions } from '../debian/version.ts'
import { UusError } from '../lib/errors.ts'
import { parseDuration } from '../lib/units.ts'
import type { Channel } from '../store/channels.ts'
import type { Store } from '../store/store.ts'
import { now } from '../store/views.ts'
import { bringsVersion, type PendingKind } from './classify.ts'
import { Waiting } from './pending.ts'
import { type PendingItem, type PendingScope, pendingKey, subjectKey } from './pending-item.ts'

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

/** Kinds that take something from clients, or change what they have: taken only where they are asked for. */
const askedForKinds: ReadonlySet<PendingKind> = new Set(['republished', 'downgrade', 'remove'])

export interface Selection {
  /** What was chosen, each once. */
  readonly items: readonly PendingItem[]
  /** Items that a person named, not only a group: for them a refusal is an answer. */
  readonly named: ReadonlySet<PendingItem>
  /** Items that a person named and that have to be asked for by their kind. */
  readonly unasked: readonly PendingItem[]
}

export interface SelectionOptions {
  /** Of which releases; empty means: the one there is. */
  readonly releases: readonly string[]
  /** Kinds among republished, downgrade and remove that are asked for. */
  readonly include: readonly PendingKind[]
  /** Milliseconds. */
  readonly now: number
  /** Instead of a version that must still soak, the newest older one that need not. */
  readonly takesRipe?: boolean
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
  refuseUnknownReleases(scope.store, options.releases)
  const chooser = new Chooser(scope, options)
  chooser.expect(
    selectors.flatMap((one) => (one.type === 'name' && !isPattern(one.pattern) ? [one.pattern] : [])),
  )
  for (const selector of selectors) chooser.add(selector)
  return chooser.selection()
}

/** UNKNOWN_NAME for a release that no suite belongs to. */
export function refuseUnknownReleases(store: Store, releases: readonly string[]): void {
  const known = [...new Set(store.archives.suites().flatMap((suite) => suite.release ?? []))].sort()
  const unknown = releases.find((release) => !known.includes(release))
  if (unknown === undefined) return
  throw new UusError('UNKNOWN_NAME', `There is no release "${unknown}"`, {
    hint: `Releases are: ${known.join(', ')}; nothing was done`,
  })
}

class Chooser {
  readonly #scope: PendingScope
  readonly #waiting: Waiting
  readonly #options: SelectionOptions
  readonly #chosen = new Map<string, PendingItem>()
  readonly #named = new Set<PendingItem>()
  readonly #unasked: PendingItem[] = []
  #all: readonly PendingItem[] | undefined

  constructor(scope: PendingScope, options: SelectionOptions) {
    this.#scope = scope
    this.#waiting = new Waiting(scope)
    this.#options = options
  }

  /** Names that will be added. */
  expect(names: readonly string[]): void {
    this.#waiting.expect(names)
  }

  add(selector: Selector): void {
    if (selector.type === 'name') {
      this.#addNamed(selector)
      return
    }
    this.#all ??= this.#waiting.all()
    for (const items of Map.groupBy(
      this.#all.filter((item) => this.#isInRelease(item)),
      subjectKey,
    ).values()) {
      const taken = items.filter((one) => this.#isTaken(one, selector))
      for (const item of this.#ripe(newestPerSuite(withoutDeclined(taken)))) this.#take(item)
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
    return { items, named: this.#named, unasked: this.#unasked }
  }

  #isTaken(item: PendingItem, selector: Exclude<Selector, { type: 'name' }>): boolean {
    if (!this.#isAskedFor(item) || isBarredByRule(item)) return false
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
    const isExact = !isPattern(selector.pattern)
    const waiting = this.#waiting.of(sources).filter((item) => this.#isInRelease(item))
    const matching = selector.version === null ? waiting : this.#ofVersion(waiting, sources, selector)
    for (const items of Map.groupBy(matching, subjectKey).values()) {
      const usual = items.filter((item) => this.#isAskedFor(item) && (isExact || !isBarredByRule(item)))
      if (usual.length > 0) {
        const chosen = selector.version === null ? this.#ripe(newestPerSuite(withoutDeclined(usual))) : usual
        for (const item of chosen) {
          const taken = this.#take(item)
          if (isExact) this.#named.add(taken)
        }
      } else if (isExact) this.#addUnusual(items, selector.version !== null)
    }
  }

  /** A name with its version asks for the downgrade to it, or for other bytes under it; nothing asks for a removal. */
  #addUnusual(items: readonly PendingItem[], isExact: boolean): void {
    for (const item of items) {
      if (isExact && item.kind !== 'remove') this.#named.add(this.#take(item))
      else this.#unasked.push(item)
    }
  }

  #ripe(items: readonly PendingItem[]): readonly PendingItem[] {
    if (this.#options.takesRipe !== true || this.#scope.revision !== undefined) return items
    const ripe = this.#waiting.ripeInstead(items)
    if (ripe.length === 0) return items
    const isReplaced = (item: PendingItem) => ripe.some((one) => subjectKey(one) === subjectKey(item))
    return [...items.filter((item) => !isReplaced(item)), ...ripe]
  }

  #isAskedFor(item: PendingItem): boolean {
    return !askedForKinds.has(item.kind) || this.#options.include.includes(item.kind)
  }

  /** A version that waits now, or one that the feeding channel had before it moved on. */
  #ofVersion(
    waiting: readonly PendingItem[],
    sources: readonly string[],
    selector: Selector & { type: 'name' },
  ): PendingItem[] {
    const version = selector.version!
    const found = waiting.filter((item) => compareVersions(item.version, version) === 0)
    const { store, feeding, target } = this.#scope
    const isKnown = [feeding.id, target.id].some((id) =>
      sources.some((source) => store.history.lastRevisionOf(id, source, version) !== null),
    )
    if (found.length === 0 && !isKnown) throw this.#unknownVersion(selector.pattern, version)
    if (found.length > 0 || this.#scope.revision !== undefined) return found
    for (const source of sources) {
      const revision = store.history.lastRevisionOf(feeding.id, source, version)
      if (revision === null) continue
      found.push(
        ...this.#waiting
          .of([source], revision)
          .filter((item) => compareVersions(item.version, version) === 0 && this.#isInRelease(item)),
      )
    }
    return found
  }

  #isInRelease(item: PendingItem): boolean {
    return this.#options.releases.length === 0 || this.#options.releases.includes(item.release)
  }

  #take(item: PendingItem): PendingItem {
    const key = pendingKey(item)
    const known = this.#chosen.get(key)
    if (known === undefined) this.#chosen.set(key, item)
    return known ?? item
  }

  #unknownVersion(name: string, version: string): UusError {
    const { target, feeding } = this.#scope
    return new UusError(
      'UNKNOWN_NAME',
      `There never was a version ${version} of ${name}, neither in ${feeding.name} nor in ${target.name}`,
      { hint: `"uus explain ${name}" shows what waits of it; nothing was done` },
    )
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

function isPattern(name: string): boolean {
  return /[*?[]/.test(name)
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
  if (isPattern(pattern)) {
    return find((id) => [
      ...store.views.sourcesLike(id, pattern),
      ...store.views.sourcesOfBinariesLike(id, pattern),
    ])
  }
  const isSource = channels.some(
    ({ id }) =>
      store.views.bySource(id, pattern).length > 0 ||
      (revision !== now && store.views.bySource(id, pattern, revision).length > 0),
  )
  if (isSource) return [pattern]
  return find((id) => store.views.byName(id, pattern, revision).map((stanza) => stanza.source))
}

/** What a rule declines or ignores has to be named, or approved before: a group does not bring it along. */
function isBarredByRule({ rule, decision }: PendingItem): boolean {
  if (rule?.acts !== true || decision?.verb === 'approve') return false
  return rule.rule.action === 'decline' || rule.rule.action === 'ignore'
}

/** A declined version hides no other; where there is none, it stays to say why nothing moves. */
function withoutDeclined(items: readonly PendingItem[]): readonly PendingItem[] {
  const free = items.filter((item) => item.decision?.verb !== 'decline')
  return free.length > 0 ? free : items
}

/** Of several waiting versions of a source the newest in each suite; what is not a version's entry stays. */
export function newestPerSuite(items: readonly PendingItem[]): PendingItem[] {
  const best = new Map<string, string>()
  const entering = items.filter((item) => bringsVersion(item.kind))
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
