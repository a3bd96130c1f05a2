// How `uus status` looks to a person.
import type { AlarmEntry, StatusResult } from '../actions/status.ts'
import { formatSize } from '../lib/units.ts'
import type { Output } from './output.ts'
import { renderArchives, renderChannels } from './render.ts'
import { renderFollows } from './render-tiers.ts'

export function renderStatus(result: StatusResult, out: Output): void {
  if (result.follows !== null) {
    renderFollows(result.follows, out)
    out.line()
  }
  renderChannels(result.channels, out)
  out.line()
  renderArchives(result.archives, out)
  out.line()
  out.line(`${result.dataFolder}: ${formatSize(result.diskFreeBytes)} free`)
  if (result.cache !== null) renderCache(result.cache, out)
  renderFiles(result.files, out)
  out.line()
  renderAlarms(result.alarms, out)
}

function renderCache(cache: NonNullable<StatusResult['cache']>, out: Output): void {
  const { usedBytes, maxBytes, files, evictedBytes } = cache
  const size = usedBytes === null ? 'being looked through' : `${formatSize(usedBytes)}, ${files} files`
  const limit = maxBytes === null ? '' : ` of ${formatSize(maxBytes)}`
  const evicted = evictedBytes === 0 ? '' : `, ${formatSize(evictedBytes)} made room`
  out.line(`Package cache: ${size}${limit}${evicted}`)
  if (cache.restingHosts.length > 0) out.line(`Left alone for now: ${cache.restingHosts.join(', ')}`)
  const sum = (archive: string, pick: (one: (typeof cache.channels)[number]) => number) =>
    cache.channels.filter((one) => one.archive === archive).reduce((total, one) => total + pick(one), 0)
  out.table(
    ['archive', 'hits', 'misses', 'fetched', 'sent', 'saved', 'in flight'],
    cache.archives.map(({ archive, fetchedBytes, savedBytes, inFlight }) => [
      archive,
      String(sum(archive, (one) => one.hits + one.joined)),
      String(sum(archive, (one) => one.misses)),
      formatSize(fetchedBytes),
      formatSize(sum(archive, (one) => one.packageBytes + one.indexBytes)),
      formatSize(savedBytes),
      String(inFlight),
    ]),
  )
}

const shownFiles = 20

function renderFiles(
  { keptFiles, keptBytes, atRisk, lost, ...ahead }: StatusResult['files'],
  out: Output,
): void {
  if (keptFiles > 0)
    out.line(`Kept, because upstream dropped them: ${keptFiles} files, ${formatSize(keptBytes)}`)
  if (ahead.prefetchedFiles + ahead.waitingFiles > 0) {
    const done = `${ahead.prefetchedFiles} files, ${formatSize(ahead.prefetchedBytes)}`
    out.line(`Fetched before clients asked: ${done}; ${ahead.waitingFiles} wait`)
  }
  const rows = [
    ...lost.map((file) => ({ ...file, state: 'lost' })),
    ...atRisk.map((file) => ({ ...file, state: 'at risk' })),
  ]
  if (rows.length === 0) return
  out.line()
  out.table(
    ['upstream dropped', 'needed by', 'source', 'state', 'why'],
    rows
      .slice(0, shownFiles)
      .map(({ archive, path, channel, source, version, state, error }) => [
        `${archive}/${path}`,
        channel,
        `${source} ${version}`,
        out.style(state === 'lost' ? 'red' : 'yellow', state),
        error ?? 'being fetched',
      ]),
  )
  if (rows.length > shownFiles) out.line(`… and ${rows.length - shownFiles} more: uus status --json`)
  out.line('  → Promote newer versions, or name a snapshot service with "snapshot-uris" of the archive')
}

function renderAlarms(alarms: readonly AlarmEntry[], out: Output): void {
  if (alarms.length === 0) {
    out.line(out.style('green', 'No alarm.'))
    return
  }
  for (const alarm of alarms) {
    out.line(`${out.style('red', 'Alarm')} since ${out.time(alarm.since)}: ${alarm.message}`)
    if (alarm.hint !== null && alarm.hint !== '') out.line(`  → ${alarm.hint}`)
  }
}
