// How each action's result looks to a person.
import type { ArchiveSuiteEntry, DropResult } from '../actions/archives.ts'
import type {
  ChannelDetails,
  ChannelEntry,
  DiffResult,
  SeedResult,
  SourceDifference,
} from '../actions/channels.ts'
import type { SourcesResult } from '../actions/client-files.ts'
import type { KeyExport } from '../actions/keys.ts'
import type { RemoveResult } from '../actions/remove.ts'
import type {
  KeepResult,
  RollbackResult,
  SnapshotDetails,
  SnapshotDiffResult,
  SnapshotEntry,
} from '../actions/snapshots.ts'
import type { UpdateResult } from '../actions/update.ts'
import type { Output } from './output.ts'
import { renderChannelSyncs } from './render-tiers.ts'

export function renderUpdate(result: UpdateResult, out: Output): void {
  if (result.channels !== undefined) {
    renderChannelSyncs(result.channels, out)
    return
  }
  out.table(
    ['suite', 'result', 'in', 'out'],
    result.items.map((item) => [
      `${item.archive}/${item.suite}`,
      item.outcome === 'failed' ? out.style('red', 'failed') : item.outcome,
      item.outcome === 'adopted' ? String(item.entered) : '',
      item.outcome === 'adopted' ? String(item.left) : '',
    ]),
  )
}

export function renderChannels(channels: readonly ChannelEntry[], out: Output): void {
  out.table(
    ['channel', 'from', 'mode', 'packages', 'snapshot', 'made', 'valid until'],
    channels.map((channel) => [
      out.bold(channel.name),
      channel.from ?? '',
      (channel.isConfigured ? channel.mode : 'frozen') +
        (channel.unseeded > 0 ? out.style('yellow', ` (${channel.unseeded} unseeded)`) : ''),
      String(channel.packages),
      channel.snapshot ?? '-',
      out.ago(channel.at),
      channel.validUntil === null ? '-' : out.ago(channel.validUntil),
    ]),
  )
}

export function renderArchives(archives: readonly ArchiveSuiteEntry[], out: Output): void {
  out.table(
    ['archive', 'suite', 'release', 'state', 'released', 'checked'],
    archives.map((suite) => [
      suite.archive,
      suite.suite,
      suite.release ?? '-',
      suite.state === 'current' ? suite.state : out.style('yellow', suite.state),
      out.time(suite.date),
      out.ago(suite.checkedAt),
    ]),
  )
  for (const suite of archives) {
    if (suite.error === null) continue
    out.line(`${suite.archive}/${suite.suite}: ${suite.error}`)
    if (suite.hint !== null) out.line(`  → ${suite.hint}`)
  }
  const frozen = archives.filter((suite) => suite.frozen.length > 0)
  for (const suite of frozen) out.line(`${suite.archive}/${suite.suite}: frozen ${suite.frozen.join(', ')}`)
}

export function renderChannel(result: ChannelDetails, out: Output): void {
  renderChannels([result], out)
  out.line()
  out.table(
    ['archive', 'suite', 'release', 'component', 'arch', 'packages', 'state'],
    result.items.map((item) => [
      item.archive,
      item.suite,
      item.release ?? '-',
      item.component,
      item.architecture,
      String(item.packages),
      item.state,
    ]),
  )
  if (result.holds.length === 0) return
  out.line()
  out.table(
    ['on hold', 'release', 'archive', 'by', 'since', 'reason'],
    result.holds.map((hold) => [
      hold.source,
      hold.release,
      hold.archive,
      hold.by,
      out.time(hold.at),
      hold.reason ?? '',
    ]),
  )
}

export function renderDifferences(items: readonly SourceDifference[], out: Output): void {
  out.table(
    ['source', 'change', 'from', 'to', 'suites', 'packages'],
    items.map((item) => [
      out.bold(item.source),
      item.change,
      item.from ?? '-',
      item.to ?? '-',
      item.suites.join(' '),
      `+${item.entered.length} -${item.left.length}`,
    ]),
  )
}

export function renderDiff(result: DiffResult | SnapshotDiffResult, out: Output): void {
  if (result.items.length === 0)
    out.line(`No difference between ${result.from} and ${result.to ?? 'the present'}.`)
  else renderDifferences(result.items, out)
}

export function renderSeed(result: SeedResult, out: Output): void {
  if (result.snapshot === null) out.line(`Nothing in ${result.channel} waits for a seed.`)
  else out.line(`${result.channel} is seeded: ${result.entered} packages, snapshot ${result.snapshot}.`)
}

export function renderRemove(result: RemoveResult, out: Output): void {
  for (const item of result.items)
    out.line(`${out.bold(item.source)} ${item.version} (${item.release}): ${item.packages.join(', ')}`)
  if (result.status === 'refused') {
    for (const why of result.objections)
      out.line(`${out.style('red', 'refused')} ${why}. If it is meant so: --force`)
    out.line('Nothing was removed.')
  } else if (result.isDryRun) {
    out.line(`Would leave ${result.channel}. Nothing was done (--dry-run).`)
  } else {
    out.line(`Not in ${result.channel} any more since snapshot ${result.snapshot}, and declined there.`)
    if (result.isBlocked) out.line('Nobody gets their files any more, from older snapshots neither.')
    out.line('Machines that installed them keep them: apt removes and downgrades nothing by itself.')
  }
}

export function renderSnapshots(items: readonly SnapshotEntry[], out: Output): void {
  if (items.length === 0) out.line('There is no snapshot yet. Run: uus update')
  out.table(
    ['channel', 'snapshot', 'made', 'kind', 'in', 'out', 'notes'],
    items.map((item) => [
      out.bold(item.channel),
      item.isCurrent ? out.style('green', item.id) : item.id,
      out.ago(item.at),
      item.restores === null ? item.kind : `${item.kind} to ${item.restores}`,
      String(item.entered),
      String(item.left),
      [item.isKept ? 'kept' : item.collectedAt === null ? '' : 'collected', item.reason ?? '']
        .filter((part) => part !== '')
        .join(': '),
    ]),
  )
}

export function renderSnapshot(result: SnapshotDetails, out: Output): void {
  renderSnapshots([result], out)
  out.line()
  renderDifferences(result.items, out)
}

export function renderKeep(result: KeepResult, out: Output): void {
  const kept = result.isKept ? 'kept: its files are never collected' : 'not kept any more'
  out.line(`Snapshot ${result.id} of ${result.channel} is ${kept}.`)
}

export function renderRollback(result: RollbackResult, out: Output): void {
  if (result.snapshot === null) {
    out.line(`${result.channel} is as it was in ${result.to} already.`)
    return
  }
  out.line(
    `${result.channel} is back at ${result.to}, as snapshot ${result.snapshot}: ${result.entered} packages in, ${result.left} out.`,
  )
  if (result.held.length > 0) {
    out.line(`On hold from now on, so that nothing undoes it: ${result.held.join(', ')}`)
    out.line('  → "uus unhold SOURCE" when a good version is there')
  }
  out.line('apt never downgrades by itself. On machines that upgraded already:')
  out.line(
    `  sudo /usr/lib/apt/apt-helper download-file '${result.pinsUrl}' /etc/apt/preferences.d/uus-rollback.pref`,
  )
  out.line('  sudo apt-get update && sudo apt-get dist-upgrade --allow-downgrades')
}

export function renderDrop(result: DropResult, out: Output): void {
  if (result.dropped.length === 0) out.line(`Nothing of ${result.archive} is served any more.`)
  for (const name of result.dropped) out.line(`Dropped ${name}`)
}

export function renderText(result: SourcesResult | KeyExport, out: Output): void {
  out.stream.write('text' in result ? result.text : result.armored)
}
