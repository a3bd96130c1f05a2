// Bringing the catalogue in line with the configuration: what is new is added, what is gone is frozen.

import { type IndexKind, indexPath, isStanzaKind } from '../debian/index-kinds.ts'
import { renderIdentity } from '../debian/release.ts'
import type { Json } from '../lib/canonical-json.ts'
import { UusError } from '../lib/errors.ts'
import type { Emit } from '../lib/events.ts'
import type { SuiteIndex } from '../store/archives.ts'
import type { Actor } from '../store/audit.ts'
import { type Channel, upstreamName } from '../store/channels.ts'
import type { Head } from '../store/publications.ts'
import type { Store } from '../store/store.ts'
import { goesWith } from './derive.ts'
import { isMissing } from './fsck.ts'
import type { ChannelOptions } from './options.ts'
import { renderVersion } from './publish/publication.ts'
import type { Repo } from './repo.ts'
import { recordRules } from './rules.ts'

/** What the catalogue needs to know of a configured archive. */
export interface ArchiveOptions {
  readonly name: string
  /** Null for an archive of somebody else. */
  readonly local: { readonly origin: string } | null
  readonly suites: readonly string[]
  readonly components: readonly string[]
  readonly architectures: readonly string[]
  readonly kinds: readonly IndexKind[]
  readonly languages: readonly string[]
  releaseOf(suite: string): string | null
}

/** Idempotent; every difference leaves an audit row. What is there before anything was adopted seeds itself. */
export async function configure(
  repo: Repo,
  archives: readonly ArchiveOptions[],
  actor: Actor,
): Promise<void> {
  const isFirst = !hasAdopted(repo.store)
  configureArchives(repo, archives, isFirst, actor)
  await configureChannels(repo, isFirst, actor)
}

/** A local archive is published before anything is adopted. */
function hasAdopted({ archives }: Store): boolean {
  return archives.suites().some((suite) => !suite.isLocal && suite.adopted !== null)
}

function configureArchives(
  repo: Repo,
  archives: readonly ArchiveOptions[],
  isFirst: boolean,
  actor: Actor,
): void {
  const { store, clock } = repo
  const at = clock.now()
  const record = (action: string, subject: string, details: Json = {}) => ({
    at,
    actor,
    action,
    subject,
    reason: null,
    details,
  })
  store.db.write((tx) => {
    if (store.channels.find(upstreamName) === null)
      store.channels.configure(tx, upstreamName, null, true, false)
    for (const archive of archives) {
      const known = store.archives.list().find((one) => one.name === archive.name)
      if (known?.isConfigured !== true) store.audit.append(tx, record('configure archive', archive.name))
      if (known !== undefined && known.isLocal !== (archive.local !== null)) throw otherKind(archive)
      const id = store.archives.configure(tx, archive.name, archive.local !== null)
      for (const suite of archive.suites) {
        const before = store.archives.findSuite(archive.name, suite)
        const release = archive.releaseOf(suite)
        const isNews = before?.isConfigured !== true || (release !== null && release !== before.release)
        store.archives.configureSuite(tx, id, suite, release, isFirst)
        let carriedOver = 0
        if (before?.release != null && release !== null && release !== before.release) {
          store.channels.forgetFollowed(tx)
          carriedOver = store.decisions.carryOver(tx, id, before.release, release, { at, actor: actor.name })
        }
        if (!isNews) continue
        const details = { previousRelease: before?.release ?? null, release, carriedOver }
        store.audit.append(tx, record('configure suite', `${archive.name}/${suite}`, details))
      }
    }
    for (const archive of store.archives.list()) {
      if (!archive.isConfigured || archives.some((one) => one.name === archive.name)) continue
      store.archives.setConfigured(tx, archive.id, false)
      store.audit.append(tx, record('freeze archive', archive.name))
    }
    for (const suite of store.archives.suites()) {
      const isWanted = archives.some((one) => one.name === suite.archive && one.suites.includes(suite.name))
      if (isWanted || !suite.isConfigured) continue
      store.archives.setSuiteConfigured(tx, suite.id, false)
      store.audit.append(tx, record('freeze suite', `${suite.archive}/${suite.name}`))
    }
    for (const index of store.archives.allIndexes()) {
      const archive = archives.find((one) => one.name === index.archive && one.suites.includes(index.suite))
      if (archive !== undefined && isWanted(archive, index)) continue
      if (!isStanzaKind(index.kind)) {
        // It follows from packages, and goes with the next publication.
        store.archives.dropIndex(tx, index.id, at)
        store.audit.append(tx, record('drop index', nameOf(index)))
        continue
      }
      if (index.frozenAt !== null) continue
      store.archives.freezeIndex(tx, index.id, at)
      store.audit.append(tx, record('freeze index', nameOf(index)))
    }
  })
}

/** Its name is its identity: clients pin to it, and know whose packages these are. */
function otherKind({ name, local }: ArchiveOptions): UusError {
  const [is, was] = local === null ? ["somebody else's", 'local'] : ['local', "somebody else's"]
  return new UusError('CONFIG_INVALID', `Archive ${name} was ${was}, and cannot become ${is}`, {
    hint: 'Give it another name',
  })
}

function nameOf(index: SuiteIndex): string {
  const kind = index.kind === 'packages' ? '' : ` (${index.kind})`
  return `${index.archive}/${index.suite} ${index.component} ${index.architecture}${kind}`
}

function isWanted(archive: ArchiveOptions, { kind, component, architecture }: SuiteIndex): boolean {
  if (!archive.kinds.includes(kind)) return false
  if (component !== '' && !archive.components.includes(component)) return false
  if (kind === 'translations') return archive.languages.includes(architecture)
  if (kind === 'sources' || kind === 'icons') return true
  // Some archives keep `all` apart, and flat ones have one index for `any`.
  return ['all', 'any', ...archive.architectures].includes(architecture)
}

async function configureChannels(repo: Repo, isFirst: boolean, actor: Actor): Promise<void> {
  const { store, clock, channels, keys } = repo
  store.db.write((tx) => {
    for (const { name, rules } of channels) recordRules(tx, store.settings, name, rules, clock.now())
  })
  for (const options of channels) {
    const parent = store.channels.find(options.from)!
    const known = store.channels.find(options.name)
    const isSame =
      known?.isConfigured === true && known.parentId === parent.id && known.follows === options.follows
    if (isSame && store.keys.list(known.id).length > 0) continue
    const hasKeys = known !== null && store.keys.list(known.id).length > 0
    const made = hasKeys ? null : await keys.make(options.name, options.keyAlgorithm, clock.now())
    store.db.write((tx) => {
      const id = store.channels.configure(tx, options.name, parent.id, options.follows, isFirst)
      const fingerprints = made?.record(tx, id).map((key) => `${key.fingerprint} ${key.role}`) ?? []
      store.audit.append(tx, {
        at: clock.now(),
        actor,
        action: 'configure channel',
        subject: options.name,
        reason: null,
        details: { from: options.from, follows: options.follows, keys: fingerprints },
      })
    })
  }
  const gone = store.channels
    .list()
    .filter(
      (one) =>
        one.parentId !== null && one.isConfigured && !channels.some((options) => options.name === one.name),
    )
  for (const channel of gone) {
    store.db.write((tx) => {
      store.channels.setConfigured(tx, channel.id, false)
      store.audit.append(tx, {
        at: clock.now(),
        actor,
        action: 'freeze channel',
        subject: channel.name,
        reason: null,
        details: {},
      })
    })
  }
}

/**
 * Publishes anew what was published in another form than it would be now (other packing, or other rendering), and what
 * parts are missing of.
 */
export async function republishOutdated(repo: Repo, actor: Actor, emit: Emit): Promise<void> {
  const { store } = repo
  const isOtherRendering = store.settings.get('render-version') !== renderVersion
  for (const channel of store.channels.list()) {
    const heads = store.publications.heads().filter((head) => head.channelId === channel.id)
    const options = repo.channels.find((one) => one.name === channel.name)
    const missing = await filterAsync(heads, (head) => isMissing(repo, head.publicationId))
    const outdated = heads.filter(
      (head) => isOtherRendering || missing.includes(head) || isOtherwisePacked(repo, head, options),
    )
    const rendersAnew = isOtherRendering || missing.length > 0
    if (outdated.length > 0) await republish(repo, channel, outdated, rendersAnew, actor, emit)
  }
  if (isOtherRendering) store.db.write((tx) => store.settings.set(tx, 'render-version', renderVersion))
}

/** Publishes suites whose Release would say something else, or list other indexes, though no package changed. */
export async function republishStale(repo: Repo, actor: Actor, emit: Emit): Promise<void> {
  const { store } = repo
  const suites = new Map(store.archives.suites().map((suite) => [suite.id, suite]))
  const outdated = store.publications.heads().filter((head) => {
    const identity = suites.get(head.suiteId)?.adopted?.identity
    if (identity === undefined) return false
    return (
      hasOtherIndexes(store, head) ||
      !store.publications.body(head.publicationId).startsWith(`${renderIdentity(identity)}Acquire-By-Hash:`)
    )
  })
  for (const [channelId, heads] of Map.groupBy(outdated, (head) => head.channelId))
    await republish(repo, store.channels.get(channelId), heads, false, actor, emit)
}

/** Contents are refreshed apart. */
function hasOtherIndexes(store: Store, { channelId, suiteId, publicationId }: Head): boolean {
  const isContents = (path: string) => /(^|\/)Contents-[^/]+$/.test(path)
  const plain = (path: string) => path.replace(/\.(gz|xz|zst)$/, '')
  const published = store.publications.files(publicationId).map(({ path }) => plain(path))
  const live = new Set(
    store.views
      .list(channelId)
      .filter((view) => view.liveSince !== null)
      .map((view) => view.indexId),
  )
  const all = store.archives.allIndexes().filter((index) => index.suiteId === suiteId)
  const shown = all.filter((index) => live.has(index.id))
  const further = all.filter(
    (index) => shown.some((one) => goesWith(index, one)) && hasUpstream(store, index),
  )
  const expected = [...shown, ...further].map(indexPath)
  const difference = new Set(published).symmetricDifference(new Set(expected))
  return [...difference].some((path) => !isContents(path))
}

function hasUpstream(store: Store, index: SuiteIndex): boolean {
  if (index.kind === 'icons') return store.archives.upstreamFile(index.id) !== null
  return store.views.find(store.channels.upstream().id, index.id)?.liveSince != null
}

function isOtherwisePacked(repo: Repo, head: Head, options: ChannelOptions | undefined): boolean {
  if (options === undefined) return false
  const forms = new Set(
    repo.store.publications
      .files(head.publicationId)
      .flatMap((file) => /(?:^|\/)Packages\.([a-z]+)$/.exec(file.path)?.[1] ?? []),
  )
  return forms.size !== options.compression.length || options.compression.some((form) => !forms.has(form))
}

async function filterAsync<T>(items: readonly T[], holds: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept: T[] = []
  for (const item of items) if (await holds(item)) kept.push(item)
  return kept
}

async function republish(
  repo: Repo,
  channel: Channel,
  heads: readonly Head[],
  rendersAnew: boolean,
  actor: Actor,
  emit: Emit,
): Promise<void> {
  const options = repo.channels.find((one) => one.name === channel.name)
  await repo.committer.commit(
    {
      channel,
      changes: new Map(),
      alsoPublish: heads.map((head) => head.suiteId),
      rendersAnew,
      kind: 'configure',
      reason: null,
      audit: {
        actor,
        action: 'publish anew',
        subject: channel.name,
        details: { compression: options?.compression ?? [], renderVersion },
      },
      alongside: (tx) => {
        if (rendersAnew) for (const { suiteId } of heads) repo.store.archives.forgetWholeFiles(tx, suiteId)
      },
    },
    emit,
  )
}
