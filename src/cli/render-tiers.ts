// How the results of tiers look to a person: slaves on a master, the master on a slave.
import type { ExportResult, ImportResult } from '../actions/bundles.ts'
import type { SlaveAddResult, SlaveEntry, SlaveRevokeResult } from '../actions/slaves.ts'
import type { StatusResult } from '../actions/status.ts'
import type { ChannelSync, SyncResult } from '../actions/sync.ts'
import { formatDuration, formatSize } from '../lib/units.ts'
import type { Output } from './output.ts'

/** The last line is the command, unwrapped, to be copied. */
export function renderSlaveAdd(result: SlaveAddResult, out: Output): void {
  out.line(`Slave ${result.name} may have: ${result.channels.join(', ')}`)
  if (result.warning !== null) out.line(out.style('yellow', result.warning))
  out.line('Its token is shown this once. On the host of the slave run (with --data, --listen as you like):')
  out.line(result.command)
}

export function renderSlaveRevoke(result: SlaveRevokeResult, out: Output): void {
  out.line(
    `The token of ${result.name} is good for nothing any more; what it has it serves until it expires.`,
  )
}

export function renderSlaves(items: readonly SlaveEntry[], out: Output): void {
  if (items.length === 0) out.line('No slaves. Add one: uus slave add NAME')
  out.table(
    ['slave', 'version', 'channels', 'last contact', 'free', 'cache', 'answers', 'served', 'saved'],
    items.map((item) => [
      out.bold(item.name),
      item.version ?? '-',
      item.channels.map(describeChannel).join(', '),
      out.ago(item.contactAt),
      item.diskFreeBytes === null ? '-' : formatSize(item.diskFreeBytes),
      item.cacheBytes === null ? '-' : formatSize(item.cacheBytes),
      String(item.requests),
      formatSize(item.servedBytes),
      formatSize(item.savedBytes),
    ]),
  )
  for (const { name, channels } of items)
    for (const { name: channel, problem } of channels) {
      if (problem === null) continue
      const state = problem.isOver ? out.dim('was over soon') : out.style('red', 'lasts')
      const what = channel === '' ? 'its master' : channel
      out.line(`${name}, ${what}: ${problem.message} (${out.ago(problem.since)}, ${state})`)
    }
}

function describeChannel({ name, snapshot, lagSeconds }: SlaveEntry['channels'][number]): string {
  if (snapshot === null) return `${name}: nothing yet`
  if (lagSeconds === null) return `${name}: ${snapshot}`
  return lagSeconds === 0 ? `${name}: current` : `${name}: ${formatDuration(lagSeconds)} behind`
}

export function renderSync(result: SyncResult, out: Output): void {
  renderChannelSyncs(result.items, out)
  if (result.items.length === 0) out.line(`${result.master} gives this slave no channel.`)
}

export function renderChannelSyncs(items: readonly ChannelSync[], out: Output): void {
  out.table(
    ['channel', 'result', 'snapshot'],
    items.map(({ channel, outcome, snapshot }) => [
      out.bold(channel),
      outcome === 'failed' ? out.style('red', 'failed') : outcome,
      snapshot ?? '-',
    ]),
  )
  for (const { channel, error } of items) {
    if (error === null) continue
    out.line(`${out.style('red', 'failed')} ${channel}: ${error.message}`)
    if (error.hint !== undefined) out.line(`  → ${error.hint}`)
  }
}

/** What a slave goes by. */
export function renderFollows({ master, channels }: NonNullable<StatusResult['follows']>, out: Output): void {
  out.line(`Slave of ${master}`)
  out.table(
    ['channel', 'snapshot', 'master signed it', 'last asked'],
    channels.map(({ name, snapshot, signedAt, checkedAt }) => [
      out.bold(name),
      snapshot ?? '-',
      out.ago(signedAt),
      out.ago(checkedAt),
    ]),
  )
}

export function renderExport(result: ExportResult, out: Output): void {
  const what = `${result.channel} ${result.snapshot}${result.since === null ? '' : ` since ${result.since}`}`
  const size = `${formatSize(result.sizeBytes)} with ${result.packages} package files`
  if (result.isDryRun) out.line(`${what}: would be ${size}. Nothing was written (--dry-run).`)
  else {
    const resumed = result.resumedBytes === 0 ? '' : `, ${formatSize(result.resumedBytes)} of it from before`
    out.line(`${result.file}: ${what}, ${size}${resumed}`)
    out.line(`On the slave: uus snapshot import ${result.file}`)
  }
}

export function renderImport(result: ImportResult, out: Output): void {
  const packages = `${result.packages} package files came with it`
  if (result.outcome === 'unchanged')
    out.line(`${result.channel} serves ${result.snapshot} already; ${packages}.`)
  else out.line(`${result.channel} serves ${result.snapshot} now; ${packages}.`)
}
