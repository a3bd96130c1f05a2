// How the results of upkeep look to a person: collection, proofs, backups, keys.
import type { BackupResult } from '../actions/backup.ts'
import type { FsckResult } from '../actions/fsck.ts'
import type { GcResult } from '../actions/gc.ts'
import type { KeyChangeResult, KeyEntry } from '../actions/keys.ts'
import type { ResetDatesResult } from '../actions/reset-dates.ts'
import { formatSize } from '../lib/units.ts'
import type { Output } from './output.ts'

export function renderGc(result: GcResult, out: Output): void {
  for (const name of result.snapshots) out.line(name)
  const snapshots = `${result.snapshots.length} snapshot${result.snapshots.length === 1 ? '' : 's'}`
  if (result.isDryRun) out.line(`Would collect the files of ${snapshots}. Nothing was done (--dry-run).`)
  else if (result.status === 'nothing') out.line('Nothing to collect.')
  else out.line(`Collected ${snapshots}, ${result.files} files: ${formatSize(result.freedBytes)} freed.`)
}

export function renderFsck(result: FsckResult, out: Output): void {
  for (const { what, why, isRepaired } of result.items)
    out.line(`${isRepaired ? out.style('green', 'repaired') : out.style('red', 'damaged')} ${what}: ${why}`)
  out.line(
    `Looked at ${result.publications} publications and ${result.packages} package files (${formatSize(result.packageBytes)}).`,
  )
  if (result.items.length === 0) out.line(out.style('green', 'Everything is as it should be.'))
  else if (result.status === 'failed') out.line('  → To mend what can be mended: uus fsck --repair')
}

export function renderBackup(result: BackupResult, out: Output): void {
  out.line(
    `${result.file}: ${formatSize(result.sizeBytes)}, with ${result.keys} private keys and ${result.packages} local packages.`,
  )
  for (const what of result.missing)
    out.line(out.style('yellow', `Not in it, because it cannot be read: ${what}`))
  out.line('It has the private keys in it: keep it where only you can read it.')
}

export function renderResetDates(result: ResetDatesResult, out: Output): void {
  if (result.status === 'nothing') {
    out.line('Nothing is dated later than the clock: there is nothing to reset.')
    return
  }
  out.line(
    `${result.releases} signed files and ${result.snapshots.length} snapshots were dated ahead; everything is signed anew.`,
  )
  for (const fingerprint of result.keys) {
    out.line(`Key ${fingerprint} was made ahead too, and another took its place.`)
    out.line('  → Have clients fetch their sources entry anew.')
  }
  out.line(
    'Clients with a right clock refused those dates, and go on. One whose clock was wrong too has to forget:',
  )
  out.line('  rm -rf /var/lib/apt/lists/* && apt-get update')
}

export function renderKeyChange(result: KeyChangeResult, out: Output): void {
  out.line(`${result.channel} is signed by ${result.active}; next in line is ${result.standby}.`)
  for (const fingerprint of result.retiring) {
    out.line(`${fingerprint} signs beside it, for clients that know no other yet.`)
    out.line(
      `  → When all have fetched /${result.channel}.sources anew: uus key drop ${result.channel} ${fingerprint} --force --reason "…"`,
    )
  }
}

export function renderKeys(items: readonly KeyEntry[], out: Output): void {
  out.table(
    ['channel', 'role', 'algorithm', 'fingerprint', 'made'],
    items.map((item) => [
      out.bold(item.channel),
      item.role,
      item.algorithm,
      item.fingerprint,
      out.time(item.madeAt),
    ]),
  )
}
