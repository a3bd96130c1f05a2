// What somebody should look at: worked out from the present state, kept in a table until it passes.
import { highestVersion } from '../debian/version.ts'
import type { UusError } from '../lib/errors.ts'
import { formatIso } from '../lib/units.ts'
import type { Suite } from '../store/archives.ts'
import type { Channel } from '../store/channels.ts'
import type { Store } from '../store/store.ts'
import type { Placed } from '../store/views.ts'
import { completeArchives } from './follow-channels.ts'
import { localFindings } from './local/findings.ts'
import { isWithdrawn, suiteClassOf } from './pending-item.ts'
import type { Repo } from './repo.ts'
import { unseededIndexes } from './seed.ts'

export interface Finding {
  readonly key: string
  readonly message: string
  readonly hint: string
}

/** How long a suite's Release may be old, by archive and suite; null for suites that rarely move. */
export type MaxAge = (suite: Suite) => number | null

const dayMs = 86_400_000

/** Brings the alarm table up to date; the findings that are new. `troubles` null: nothing of the kind was tried. */
export function refreshAlarms(
  repo: Repo,
  /** Null: nothing is adopted here. */
  maxAge: MaxAge | null,
  troubles: readonly UusError[] | null = null,
  /** What others found. */
  more: readonly Finding[] = [],
): Finding[] {
  const { store, clock } = repo
  const now = clock.now()
  const sources = sourcesToLookAt(store)
  const findings = [
    ...(maxAge === null ? [] : suiteFindings(store, maxAge, now)),
    ...seedFindings(repo),
    ...validityFindings(repo, now),
    ...missingFindings(store),
    ...(troubles ?? []).map(troubleFinding),
    ...sourceFindings(store, sources.names),
    ...auditFindings(store, now),
    ...noticeFindings(store),
    ...localFindings(repo, sources.revision !== sources.lookedAt),
    ...more,
  ]
  const known = new Map(store.alarms.list().map(({ key, message }) => [key, message]))
  const isFound = new Set(findings.map((finding) => finding.key))
  const fresh = findings.filter(({ key }) => !known.has(key))
  const reworded = findings.filter(({ key, message }) => known.has(key) && known.get(key) !== message)
  const passed = [...known.keys()].filter(
    (key) => !isFound.has(key) && (troubles !== null || !key.startsWith(troubleKey)),
  )
  const isChanged = fresh.length > 0 || passed.length > 0 || reworded.length > 0
  if (isChanged || sources.revision !== sources.lookedAt) {
    store.db.write((tx) => {
      for (const key of passed) store.alarms.clear(tx, key)
      for (const finding of findings) store.alarms.raise(tx, { ...finding, raisedAt: now })
      store.settings.set(tx, 'alarms-revision', String(sources.revision))
    })
  }
  return fresh
}

/** Alarms about deliveries are not delivered. */
export const undeliveredPrefix = 'notices-dead:'

function noticeFindings(store: Store): Finding[] {
  return store.notices.deadCounts().map(({ target, count, error }) => ({
    key: `${undeliveredPrefix}${target}`,
    message: `${count} ${count === 1 ? 'notice' : 'notices'} could not be brought to ${target}: ${error ?? 'unknown'}`,
    hint: 'Mend what stands in the way, then run "uus notice retry"; "uus notice list --state dead" shows them',
  }))
}

/**
 * The sources that an alarm may be about: those that changed in any channel since the last look, and those that have
 * one already. Whatever is found of another source was found then, and has an alarm.
 */
function sourcesToLookAt(store: Store): { names: Set<string>; revision: number; lookedAt: number } {
  const lookedAt = Number(store.settings.get('alarms-revision') ?? 0)
  const names = new Set(store.alarms.list().flatMap(({ key }) => sourceKey.exec(key)?.[1] ?? []))
  let revision = lookedAt
  for (const channel of store.channels.list()) {
    const head = store.channels.head(channel.id)?.revision ?? 0
    revision = Math.max(revision, head)
    if (head <= lookedAt) continue
    for (const view of store.views.list(channel.id))
      for (const source of store.views.sourcesChangedSince(view.id, lookedAt)) names.add(source)
  }
  return { names, revision, lookedAt }
}

const sourceKey = /^(?:withdrawn|republished):[^:]+:[^:]+:(.+)$/

function suiteFindings(store: Store, maxAge: MaxAge, now: number): Finding[] {
  return store.archives
    .suites()
    .filter((suite) => suite.isConfigured && !suite.isLocal)
    .flatMap((suite) => suiteFinding(suite, maxAge(suite), now) ?? [])
}

function suiteFinding(suite: Suite, maxAgeSeconds: number | null, now: number): Finding | null {
  const name = `${suite.archive}/${suite.name}`
  const { failure, adopted, checkedAt } = suite
  if (failure !== null) {
    return {
      key: `suite:${name}`,
      message: `${name}: ${failure.error.message}`,
      hint: failure.error.hint ?? '',
    }
  }
  if (adopted === null || checkedAt === null) return null
  if (now - checkedAt > dayMs) {
    return {
      key: `suite:${name}`,
      message: `${name}: no mirror has shown the present Release or a newer one since ${formatIso(checkedAt)}`,
      hint: `Run "uus update ${suite.archive}", or name another mirror`,
    }
  }
  if (adopted.validUntil !== null && adopted.validUntil < now) {
    return {
      key: `stale:${name}`,
      message: `${name}: upstream's Release expired on ${formatIso(adopted.validUntil)}; it is served all the same`,
      hint: 'Name a mirror that is up to date',
    }
  }
  if (maxAgeSeconds !== null && now - adopted.date > maxAgeSeconds * 1000) {
    return {
      key: `stale:${name}`,
      message: `${name}: upstream's newest Release is of ${formatIso(adopted.date)}`,
      hint: 'Check the mirror; or, if the suite moves so rarely, raise "max-age"',
    }
  }
  return null
}

/** Signed files are renewed daily: one that has lived half its time is not. */
function validityFindings({ store }: Repo, now: number): Finding[] {
  const late = store.publications.heads().filter(({ date, validUntil }) => {
    return validUntil !== null && now > date + (validUntil - date) / 2 + dayMs
  })
  return [...Map.groupBy(late, (head) => head.channelId)].map(([channelId, heads]) => {
    const { name } = store.channels.get(channelId)
    const validUntil = Math.min(...heads.map((head) => head.validUntil!))
    const isOver = validUntil <= now
    return {
      key: `validity:${name}`,
      message: isOver
        ? `${name}: clients refuse it since ${formatIso(validUntil)}, when its signed files expired`
        : `${name}: its signed files are not renewed; clients will refuse it from ${formatIso(validUntil)} on`,
      hint:
        store.followed.find(channelId) === null
          ? 'Find what keeps it from being signed: uus doctor'
          : 'See what keeps this slave from its master, and whether that signs: uus status, on both',
    }
  })
}

/** Files of gated channels that upstream dropped before they were fetched. */
function missingFindings(store: Store): Finding[] {
  const missing = store.supplies.missing()
  return [...Map.groupBy(missing, (file) => file.channel)].map(([channel, files]) => {
    const names = [...new Set(files.map(({ source, version }) => `${source} ${version}`))]
    const some = names.slice(0, 3).join(', ') + (names.length > 3 ? `, and ${names.length - 3} more` : '')
    const lost = files.filter(({ isFinal }) => isFinal).length
    const fate =
      lost === 0
        ? 'are not here yet'
        : lost === files.length
          ? 'are lost'
          : `are not here, ${lost} of them lost`
    return {
      key: `files:${channel}`,
      message: `${channel}: ${files.length} package file${files.length === 1 ? '' : 's'} that upstream does not offer any more ${files.length === 1 ? fate.replace('are', 'is') : fate}: ${some}`,
      hint: '"uus status" lists them; promote newer versions, or name a snapshot service with "snapshot-uris"',
    }
  })
}

const troubleKey = 'upkeep:'

/** What failed of the work that is done now and then. */
function troubleFinding({ code, message, hint }: UusError): Finding {
  return { key: `upkeep:${code}`, message, hint: hint ?? 'See the log' }
}

/** The audit log should be signed daily. */
function auditFindings(store: Store, now: number): Finding[] {
  if (store.checkpoints.keys().length === 0) return [] // a slave signs nothing
  const since = store.audit.timeAfter(store.checkpoints.newest()?.sequence ?? 0)
  if (since === null || now - since <= 2 * dayMs) return []
  return [
    {
      key: 'audit',
      message: `The audit log was not signed since ${formatIso(since)}`,
      hint: 'Restore the data directory\'s "keys" folder from your backup',
    },
  ]
}

/** Archives of which a suite is still to come cannot be seeded: that is what they wait for, and it is told apart. */
function seedFindings(repo: Repo): Finding[] {
  const { store } = repo
  const complete = completeArchives(store)
  const ready = new Set(
    store.archives.indexes().flatMap(({ id, archive }) => (complete.has(archive) ? id : [])),
  )
  return store.channels.list().flatMap((channel) => {
    const waiting = unseededIndexes(repo, channel).filter((id) => ready.has(id)).length
    if (waiting === 0) return []
    return {
      key: `seed:${channel.name}`,
      message: `${channel.name}: ${waiting} index${waiting === 1 ? '' : 'es'} wait${waiting === 1 ? 's' : ''} for a seed`,
      hint: `Fill with the present state: uus channel seed ${channel.name} --reason "…" (or --empty)`,
    }
  })
}

function sourceFindings(store: Store, sources: ReadonlySet<string>): Finding[] {
  const channels = store.channels.list().filter((channel) => channel.parentId !== null)
  const classes = new Map(store.archives.suites().map((suite) => [suite.id, suiteClassOf(suite)]))
  const place = (stanza: Placed) => `${stanza.release} ${classes.get(stanza.suiteId)}`
  return [...sources].sort().flatMap((source) => {
    const offered = Map.groupBy(store.views.bySource(store.channels.upstream().id, source), place)
    return channels.flatMap((channel) => {
      const shown = [...Map.groupBy(store.views.bySource(channel.id, source), place)]
      return shown.flatMap(([where, stanzas]) => [
        ...withdrawnFindings(channel, stanzas, offered.get(where) ?? []),
        ...republishedFindings(store, channel, stanzas),
      ])
    })
  })
}

/** The highest version that clients of a channel see was taken back upstream. */
function withdrawnFindings(
  channel: Channel,
  shown: readonly Placed[],
  offered: readonly Placed[],
): Finding[] {
  const { source, release } = shown[0]!
  const version = highestVersion(shown.map((stanza) => stanza.sourceVersion))!
  const versions = offered.map((stanza) => stanza.sourceVersion)
  if (!isWithdrawn(versions, version)) return []
  const cure =
    versions.length === 0
      ? `uus promote ${source} --to ${channel.name} --include remove`
      : `uus promote ${source}=${highestVersion(versions)} --to ${channel.name}`
  return [
    {
      key: `withdrawn:${channel.name}:${release}:${source}`,
      message: `${source} ${version} was withdrawn upstream (${release}), and ${channel.name} still has it`,
      hint: `See why, then "uus snapshot rollback" or "${cure}"`,
    },
  ]
}

/** The feeding channel has other files under a name and version that a gated channel shows. */
function republishedFindings(store: Store, channel: Channel, shown: readonly Placed[]): Finding[] {
  if (channel.follows) return []
  const { source, release } = shown[0]!
  const fed = store.views.bySource(channel.parentId!, source)
  const changed = shown.find((stanza) =>
    fed.some(
      (one) =>
        one.indexId === stanza.indexId &&
        one.name === stanza.name &&
        one.version === stanza.version &&
        one.architecture === stanza.architecture &&
        one.sha256 !== stanza.sha256,
    ),
  )
  if (changed === undefined) return []
  const version = changed.sourceVersion
  return [
    {
      key: `republished:${channel.name}:${release}:${source}`,
      message: `${source} ${version}: upstream changed the bytes of a known version (${release}); ${channel.name} keeps the old ones`,
      hint: `Ask the archive why; then "uus promote ${source}=${version} --to ${channel.name}" or "uus decline" it`,
    },
  ]
}
