// What somebody should look at: worked out from the present state, kept in a table until it passes.
import { compareVersions, highestVersion } from '../debian/version.ts'
import { formatIso } from '../lib/units.ts'
import type { Suite } from '../store/archives.ts'
import type { Channel } from '../store/channels.ts'
import type { Store } from '../store/store.ts'
import { isWithdrawn } from './pending.ts'
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

/** Brings the alarm table up to date; the findings that are new. */
export function refreshAlarms(repo: Repo, maxAge: MaxAge): Finding[] {
  const { store, clock } = repo
  const now = clock.now()
  const findings = [...suiteFindings(store, maxAge, now), ...channelFindings(repo)]
  const isOn = new Set(store.alarms.list().map((alarm) => alarm.key))
  const isFound = new Set(findings.map((finding) => finding.key))
  const fresh = findings.filter((finding) => !isOn.has(finding.key))
  const passed = [...isOn].filter((key) => !isFound.has(key))
  if (fresh.length > 0 || passed.length > 0) {
    store.db.write((tx) => {
      for (const key of passed) store.alarms.clear(tx, key)
      for (const finding of findings) store.alarms.raise(tx, { ...finding, raisedAt: now })
    })
  }
  return fresh
}

function suiteFindings(store: Store, maxAge: MaxAge, now: number): Finding[] {
  return store.archives
    .suites()
    .filter((suite) => suite.isConfigured)
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

function channelFindings(repo: Repo): Finding[] {
  const { store } = repo
  const findings: Finding[] = []
  for (const channel of store.channels.list()) {
    if (channel.parentId === null) continue
    const waiting = unseededIndexes(repo, channel).length
    if (waiting > 0) {
      findings.push({
        key: `seed:${channel.name}`,
        message: `${channel.name}: ${waiting} index${waiting === 1 ? '' : 'es'} wait${waiting === 1 ? 's' : ''} for a seed`,
        hint: `Fill with the present state: uus channel seed ${channel.name} --reason "…" (or --empty)`,
      })
    }
    for (const one of withdrawnFrom(store, channel)) {
      findings.push({
        key: `withdrawn:${channel.name}:${one.source}`,
        message: `${one.source} ${one.version} was withdrawn upstream, and ${channel.name} still has it`,
        hint: `See why, then "uus snapshot rollback" or "uus promote ${one.source} --to ${channel.name}"`,
      })
    }
    for (const { source, version } of republishedFor(store, channel)) {
      findings.push({
        key: `republished:${channel.name}:${source}`,
        message: `${source} ${version}: upstream changed the bytes of a known version; ${channel.name} keeps the old ones`,
        hint: `Ask the archive why; then "uus promote ${source}=${version} --to ${channel.name}" or "uus decline" it`,
      })
    }
  }
  return findings
}

/** Source versions of which the feeding channel has other files than a gated channel. */
function republishedFor(store: Store, channel: Channel): { source: string; version: string }[] {
  if (channel.follows) return []
  return store.views.list(channel.id).flatMap((view) => {
    const from = view.liveSince === null ? null : store.views.find(channel.parentId!, view.indexId)
    return from === null ? [] : store.views.otherFiles(from.id, view.id)
  })
}

/** Source versions that a channel shows though upstream took them back. */
export function withdrawnFrom(store: Store, channel: Channel): { source: string; version: string }[] {
  const upstream = store.channels.upstream()
  const suspects = new Set<string>()
  for (const view of store.views.list(channel.id)) {
    const offered = store.views.find(upstream.id, view.indexId)
    if (offered === null || view.liveSince === null) continue
    for (const source of store.views.sourcesOf(store.views.missing(view.id, offered.id))) suspects.add(source)
  }
  const found: { source: string; version: string }[] = []
  for (const source of [...suspects].sort()) {
    const shown = store.views.bySource(channel.id, source)
    for (const stanzas of Map.groupBy(shown, (stanza) => `${stanza.release} ${stanza.archiveId}`).values()) {
      const version = highestVersion(stanzas.map((stanza) => stanza.sourceVersion))!
      const { release, archiveId } = stanzas[0]!
      if (isWithdrawn(store, { release, archiveId, source, version })) found.push({ source, version })
    }
  }
  return found.sort((a, b) => (a.source < b.source ? -1 : 1) || compareVersions(a.version, b.version))
}
