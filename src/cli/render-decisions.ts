// How promotions and decisions, and what waits for them, look to a person.
import type { ChangelogFacts } from '../actions/changelog.ts'
import type { CheckResult } from '../actions/channel-check.ts'
import type { DecideResult } from '../actions/decide.ts'
import type { ExplainResult, PendingEntry, PendingResult } from '../actions/pending.ts'
import type { PromoteResult } from '../actions/promote.ts'
import type { RulesResult } from '../actions/rules.ts'
import type { Output } from './output.ts'

export function renderPending(result: PendingResult, out: Output): void {
  if (result.items.length === 0) {
    out.line(`Nothing waits between ${result.from} and ${result.channel}.`)
    return
  }
  const shown = result.items.filter((item) => item.state !== 'ignored')
  out.table(
    ['source', 'kind', 'from', 'to', 'suites', 'waits', 'claims', 'state'],
    shown.map((item) => [
      out.bold(item.source),
      item.kind,
      item.from ?? '-',
      item.kind === 'remove' ? '-' : `${item.to}${item.isSuperseded ? ' (older)' : ''}`,
      item.suites.join(' '),
      out.ago(item.since),
      describeClaims(item),
      describeState(item, out),
    ]),
  )
  out.line()
  const ignored = result.items.length - shown.length
  const also = ignored === 0 ? '' : `; ${ignored} more that a rule ignores`
  out.line(`${shown.length} waiting between ${result.from} and ${result.channel}${also}.`)
}

/** The CVE ids that the changelog names: a claim of whoever wrote it. `?`: nobody has looked. */
function describeClaims({ claimed }: PendingEntry): string {
  if (claimed === null) return '?'
  if (claimed.problem !== null) return '!'
  const [first, ...more] = claimed.cves
  return first === undefined ? '-' : `${first}${more.length === 0 ? '' : ` +${more.length}`}`
}

function describeState(item: PendingEntry, out: Output): string {
  if (item.state === 'ready') return out.style('green', 'ready')
  // The verdict that the state comes from, rather than one that a person or time will see to.
  const found = item.verdicts.filter((verdict) => verdict.state !== 'pass')
  const why = found.find((verdict) => verdict.state === item.state) ?? found[0]
  const until = item.eligibleAt === null ? '' : ` until ${out.time(item.eligibleAt)}`
  return `${out.style('yellow', item.state)} ${out.dim(`${why?.gate ?? ''}${until}`)}`
}

export function renderExplain(result: ExplainResult, out: Output): void {
  if (result.items.length === 0)
    out.line(`Nothing of that waits between ${result.from} and ${result.channel}.`)
  for (const item of result.items) {
    out.line(
      `${out.bold(item.source)} ${item.from ?? '-'} → ${item.to} (${item.kind}) in ${item.suites.join(', ')}`,
    )
    for (const verdict of item.verdicts) {
      const color = verdict.state === 'pass' ? 'green' : 'yellow'
      out.line(`  ${out.style(color, verdict.state.padEnd(11))} ${verdict.gate}: ${verdict.sentence}`)
    }
    if (item.eligibleAt !== null) out.line(`  May enter from ${out.time(item.eligibleAt)} on.`)
    renderChangelog(item.changelog, out)
    for (const name of item.packages) out.line(out.dim(`  ${name}`))
  }
}

/** Claims of whoever made the package, and said to be such. */
function renderChangelog(changelog: ChangelogFacts | null, out: Output): void {
  if (changelog === null) return
  const { entries, claimedCves, isComplete, problem } = changelog
  if (problem !== null) out.line(out.dim(`  No changelog: ${problem}`))
  if (claimedCves.length > 0) out.line(`  Its changelog claims to mend ${claimedCves.join(', ')}.`)
  for (const { version, urgency, author, date, text } of entries) {
    out.line(
      `  claimed in ${out.bold(version)} (urgency ${urgency || 'none'}), ${author}, ${date ?? 'no date'}:`,
    )
    for (const line of text.split('\n')) out.line(`    ${line}`)
  }
  if (problem === null && !isComplete) out.line(out.dim('  Older entries are left out.'))
}

export function renderPromote(result: PromoteResult, out: Output): void {
  for (const refused of result.refused) {
    out.line(`${out.style('red', 'refused')} ${refused.source} ${refused.version}: ${refused.why.join('; ')}`)
  }
  if (result.status === 'nothing') {
    out.line(`Nothing of that waits between ${result.from} and ${result.channel}.`)
    return
  }
  if (result.status === 'refused') {
    for (const why of result.objections)
      out.line(`${out.style('red', 'refused')} ${why}. If it is meant so: --force --reason "…"`)
    for (const one of result.regressions.slice(0, 5)) out.line(`${out.style('red', 'breaks')} ${one.why}`)
    if (result.regressions.length > 5) out.line(`… and ${result.regressions.length - 5} more packages.`)
    if (result.mending !== null && result.mending.length > 0)
      out.line(`  → Enters together with ${result.mending.join(', ')}: add --with-deps`)
    out.line('Nothing was promoted.')
    return
  }
  out.table(
    ['source', 'kind', 'from', 'to', 'suites'],
    result.items.map((item) => [
      out.bold(item.source),
      item.kind,
      item.from ?? '-',
      item.to,
      item.suites.join(' '),
    ]),
  )
  if (result.isDryRun) {
    out.line()
    for (const line of result.entered) out.line(out.style('green', `+ ${line}`))
    for (const line of result.left) out.line(out.style('red', `- ${line}`))
    out.line(`Would change ${result.channel} so. Nothing was done (--dry-run).`)
  } else if (result.snapshot === null) {
    out.line(`${result.channel} has all of it already.`)
  } else {
    out.line(
      `${result.channel} has them since snapshot ${result.snapshot}: ${result.entered.length} packages in, ${result.left.length} out.`,
    )
  }
}

export function renderDecide(result: DecideResult, out: Output): void {
  if (result.status === 'nothing') {
    out.line('Nothing to change: it is so already, or nothing of that waits.')
    return
  }
  const verbs = { hold: 'on hold', unhold: 'no longer on hold', approve: 'approved', decline: 'declined' }
  for (const item of result.items) {
    const version = item.version === null ? '' : ` ${item.version}`
    out.line(
      `${out.bold(item.source)}${version} is ${verbs[result.verb]} in ${result.channel} (${item.archive}, ${item.release}).`,
    )
  }
  if (result.snapshot !== null) out.line(`${result.channel} has it since snapshot ${result.snapshot}.`)
  for (const waiting of result.waiting)
    out.line(`${waiting.source} ${waiting.version} waits: ${waiting.why.join('; ')}`)
}

export function renderRules(result: RulesResult, out: Output): void {
  if (result.rules === 0) {
    out.line(`${result.channel} has no rules; write some under "channels" in the configuration.`)
    return
  }
  out.table(
    ['source', 'kind', 'from', 'to', 'suites', 'rule', 'action', 'state'],
    result.items.map((item) => [
      out.bold(item.source),
      item.kind,
      item.from ?? '-',
      item.to,
      item.suites.join(' '),
      item.rule === null ? '-' : String(item.rule),
      item.action === null ? '-' : item.acts ? item.action : out.dim('none: it waited before the rule'),
      describeState(item, out),
    ]),
  )
}

export function renderCheck(result: CheckResult, out: Output): void {
  for (const item of result.items)
    out.line(
      `${out.bold(item.package)} ${item.version} ${item.architecture} (${item.archive} ${item.suite}): ${item.reason}`,
    )
  const count = result.items.length
  out.line(
    count === 0
      ? `All that ${result.channel} shows can be installed.`
      : `${count} package${count === 1 ? '' : 's'} of ${result.channel} cannot be installed.`,
  )
}
