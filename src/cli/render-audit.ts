// What `uus audit verify` says: what is proved, what is not, and by which key.
import type { FilterEcho } from '../actions/audit.ts'
import type { VerifyResult } from '../actions/audit-verify.ts'
import type { Output } from './output.ts'

export function renderVerify(result: VerifyResult, out: Output): void {
  const { problem } = result
  if (problem !== null) {
    out.line(`${out.style('red', 'bad')} ${problem.message}`)
    if (result.checkpoints > 0) out.line(`Proved are ${describeProved(result)} by ${signatures(result, out)}`)
    out.line('  → Set this copy aside as it is, and compare it with a backup or an export from before')
    return
  }
  if (result.rows === 0) {
    out.line('There is no row in it.')
    return
  }
  out.line(`${out.style('green', 'good')} ${describeRows(result)}`)
  if (result.checkpoints > 0) out.line(`Proved are ${describeProved(result)} by ${signatures(result, out)}`)
  if (result.firstUnproved !== null) {
    out.line(
      `From row ${result.firstUnproved} on they are chained to those before, but no checkpoint covers them yet.`,
    )
  }
  if (!result.hasOwnKeys && result.checkpoints > 0) {
    out.line(
      'The key was taken from the same database, where whoever rewrites the one can replace the other.',
    )
    out.line('  → Keep the key elsewhere: uus key export audit > audit.asc; then verify with --key audit.asc')
  }
}

function describeRows({ rows, firstRow, lastRow, filter }: VerifyResult): string {
  if (filter === null) return `${rows} rows, ${firstRow} to ${lastRow}: none was changed, removed or put in.`
  return (
    `${rows} rows between ${firstRow} and ${lastRow} are of the log, unchanged. They were chosen (${describeFilter(filter)}): ` +
    'that none which belongs to these was left out cannot be proved.'
  )
}

function describeProved({ filter, provedRows, provedThrough }: VerifyResult): string {
  return filter === null ? `the rows up to ${provedThrough}` : `${provedRows} rows up to ${provedThrough}`
}

function describeFilter(filter: FilterEcho): string {
  return Object.entries(filter)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
}

function signatures({ checkpoints, newestCheckpoint, signedBy }: VerifyResult, out: Output): string {
  const count = checkpoints === 1 ? 'a checkpoint' : `${checkpoints} checkpoints`
  return `${count}, the newest of ${out.time(newestCheckpoint)}, signed by ${signedBy.join(' and ')}.`
}
