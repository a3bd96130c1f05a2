// Every act has its row in the audit log, and every row its act: both sides of the catalogue, compared.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { verifyAudit } from '../../src/actions/audit-verify.ts'
import { canonicalJson, type Json } from '../../src/lib/canonical-json.ts'
import type { AuditRow } from '../../src/store/audit.ts'
import { Store } from '../../src/store/store.ts'

type Details = Record<string, Json>

/** Opens what a process left behind, changes nothing, and checks it. `what` names it in messages. */
export async function checkEffectsHaveRows(catalogue: string, what: string): Promise<void> {
  if (!isComplete(catalogue)) return
  using store = Store.openReader(catalogue)
  const rows = store.audit.list()
  const compare = (name: string, effects: string[], told: string[]) =>
    assert.deepEqual(told.sort(), effects.sort(), `${what}: ${name}`)
  compare('snapshots', snapshots(store), snapshotRows(rows))
  compare('decisions', decisions(store), decisionRows(rows))
  compare('keys', keys(store), keyRows(rows))
  compare('configuration', configuration(store), configurationRows(rows))
  compare('what is out of the configuration', frozen(store), frozenRows(rows))
  const { problem } = await verifyAudit({ source: { catalogue }, keyFile: null, seen: [] })
  assert.equal(problem, null, what)
}

/** Before its first start is over there is no catalogue, or not all of its tables. */
function isComplete(catalogue: string): boolean {
  if (!existsSync(catalogue)) return false
  try {
    Store.openReader(catalogue)[Symbol.dispose]()
    return true
  } catch {
    return false
  }
}

function snapshots(store: Store): string[] {
  return store.channels
    .list()
    .flatMap((channel) =>
      store.channels.snapshots(channel.id).map((one) => `${channel.name} ${one.id} ${one.reason}`),
    )
}

function snapshotRows(rows: readonly AuditRow[]): string[] {
  return rows
    .map((row) => ({ row, details: row.details as Details }))
    .filter(({ details }) => details.snapshot !== undefined)
    .map(({ row, details }) => `${details.channel} ${details.snapshot} ${row.reason}`)
}

function decisions(store: Store): string[] {
  return store.db
    .prepare<{ at: number; actor: string; verb: string; source: string; version: string | null }>(
      'SELECT at, actor, verb, source, version FROM decision',
    )
    .all()
    .map((one) => `${one.at} ${one.actor} ${one.verb} ${one.source} ${one.version}`)
}

function decisionRows(rows: readonly AuditRow[]): string[] {
  return rows.flatMap((row) => {
    const details = row.details as Details
    const by = `${row.at} ${row.actor.name}`
    if (['hold', 'unhold', 'approve', 'decline'].includes(row.action))
      return [`${by} ${row.action} ${row.subject} ${details.version ?? null}`]
    return ((details.held ?? []) as string[]).map((source) => `${by} hold ${source} null`)
  })
}

function keys(store: Store): string[] {
  return [
    ...store.channels.list().flatMap((channel) => store.keys.list(channel.id)),
    ...store.checkpoints.keys(),
  ].map((key) => key.fingerprint)
}

function keyRows(rows: readonly AuditRow[]): string[] {
  return rows.flatMap((row) => {
    const details = row.details as Details
    if (row.action === 'make key') return [details.fingerprint as string]
    if (row.action !== 'configure channel') return []
    return (details.keys as string[]).map((key) => key.split(' ')[0]!)
  })
}

function configuration(store: Store): string[] {
  return store.settings
    .list('configured:')
    .map((name) => `${name.slice('configured:'.length)} ${store.settings.get(name)}`)
}

/** What the rows, one after the other, come to. */
function configurationRows(rows: readonly AuditRow[]): string[] {
  const parts = new Map<string, Details>()
  for (const { action, subject, details } of rows) {
    if (action !== 'configure') continue
    const { after } = details as { after: Details | null }
    if (after === null) parts.delete(subject)
    else parts.set(subject, { ...parts.get(subject), ...after })
  }
  return [...parts].map(([subject, value]) => `${subject} ${canonicalJson(value)}`)
}

function frozen(store: Store): string[] {
  const isGone = (one: { isConfigured: boolean }) => !one.isConfigured
  return [
    ...store.archives
      .list()
      .filter(isGone)
      .map((one) => `archive ${one.name}`),
    ...store.archives
      .suites()
      .filter(isGone)
      .map((one) => `suite ${one.archive}/${one.name}`),
    ...store.channels
      .list()
      .filter(isGone)
      .map((one) => `channel ${one.name}`),
  ]
}

/** `freeze` and `configure` take turns. */
function frozenRows(rows: readonly AuditRow[]): string[] {
  const gone = new Set<string>()
  for (const { action, subject } of rows) {
    const [verb, what] = action.split(' ')
    if (what === undefined || what === 'index') continue
    if (verb === 'freeze') gone.add(`${what} ${subject}`)
    if (verb === 'configure') gone.delete(`${what} ${subject}`)
  }
  return [...gone]
}
