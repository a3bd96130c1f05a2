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
  compare('keys that are retired', retiredKeys(store), retiredRows(rows))
  compare('pinned snapshots', pinned(store), pinnedRows(rows))
  compare('blocked files', blocked(store), blockedRows(rows))
  compare('configuration', configuration(store), configurationRows(rows))
  compare('people', people(store), peopleRows(rows))
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
    .filter(({ details }) => details.snapshot !== undefined && details.channel !== undefined)
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
    if (isRemoval(row))
      return (details.items as Details[]).map((one) => `${by} decline ${one.source} ${one.version}`)
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
    if (row.action === 'rotate key' || row.action === 'drop key')
      return details.standby === undefined ? [] : [details.standby as string]
    if (row.action !== 'configure channel') return []
    return (details.keys as string[]).map((key) => key.split(' ')[0]!)
  })
}

function isRemoval({ action }: AuditRow): boolean {
  return action === 'remove' || action === 'remove --force'
}

function retiredKeys(store: Store): string[] {
  const all = store.channels.list().flatMap((channel) => store.keys.list(channel.id))
  return all.filter((key) => key.role === 'retired').map((key) => key.fingerprint)
}

function retiredRows(rows: readonly AuditRow[]): string[] {
  return rows
    .filter((row) => row.action === 'drop key')
    .map((row) => (row.details as Details).fingerprint as string)
}

function pinned(store: Store): string[] {
  return store.channels.list().flatMap((channel) =>
    store.channels
      .snapshots(channel.id)
      .filter((one) => one.keptAt !== null)
      .map((one) => `${channel.name} ${one.id}`),
  )
}

function pinnedRows(rows: readonly AuditRow[]): string[] {
  const names = new Set<string>()
  for (const { action, subject, details } of rows) {
    const name = `${subject} ${(details as Details).snapshot}`
    if (action === 'snapshot keep') names.add(name)
    if (action === 'snapshot unkeep') names.delete(name)
  }
  return [...names]
}

function blocked(store: Store): string[] {
  return store.db.pluck<string>('SELECT lower(hex(sha256)) FROM blocked_file').all()
}

function blockedRows(rows: readonly AuditRow[]): string[] {
  const items = rows
    .filter((row) => isRemoval(row) && (row.details as Details).isBlocked === true)
    .flatMap((row) => (row.details as Details).items as Details[])
  return [...new Set(items.flatMap((one) => one.files as string[]))]
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

function people(store: Store): string[] {
  return store.people.list().map((person) => {
    const tokens = store.people.tokens(person.id).filter((token) => token.revokedAt === null)
    const numbers = tokens.map((token) => token.id).join(',')
    return `${person.name} ${person.role} ${person.passwordHash !== null} ${numbers}`
  })
}

/** What the rows, one after the other, come to. */
function peopleRows(rows: readonly AuditRow[]): string[] {
  const known = new Map<string, { role: Json; hasPassword: Json; tokens: Set<Json> }>()
  for (const { action, subject, details } of rows) {
    const { role, hasPassword, token } = details as Record<string, Json>
    const person = known.get(subject)
    if (action === 'user add')
      known.set(subject, { role: role!, hasPassword: hasPassword!, tokens: new Set() })
    if (action === 'user remove') known.delete(subject)
    if (person === undefined) continue
    if (action === 'user role') person.role = role!
    if (action === 'user password') person.hasPassword = hasPassword!
    if (action === 'user token') person.tokens.add(token!)
    if (action === 'user revoke') person.tokens.delete(token!)
  }
  return [...known].map(
    ([name, { role, hasPassword, tokens }]) => `${name} ${role} ${hasPassword} ${[...tokens].join(',')}`,
  )
}
