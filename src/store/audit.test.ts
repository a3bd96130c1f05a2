// The rows of the audit log: what comes back is what was hashed, and filters find exactly what they say, by an index.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, matchesGlob } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson, type Json } from '../lib/canonical-json.ts'
import { RealDisk } from '../lib/disk.ts'
import type { AuditEntry, AuditFilter } from './audit.ts'
import { auditHead, auditLeaf, firstHead } from './audit-chain.ts'
import { Store } from './store.ts'

const folder = mkdtempSync(join(tmpdir(), 'uus-audit-store-'))
after(() => rmSync(folder, { recursive: true }))
let count = 0
const open = () => Store.openWriter(join(folder, `${++count}.db`), new RealDisk())

const everything = { first: 1, last: 1e9 }
const enough = { count: 1e6, maxBytes: 1e9 }

function entry(values: Partial<AuditEntry>): AuditEntry {
  return {
    at: 1_800_000_000_000,
    actor: { name: 'andrew', via: 'cli' },
    action: 'promote',
    subject: 'approved',
    reason: null,
    details: {},
    ...values,
  }
}

test('whatever is written comes back as it was hashed, halves of characters included', () => {
  using store = open()
  const texts = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) })
  fc.assert(
    fc.property(texts, texts, fc.jsonValue({ noUnicodeString: false }), (name, reason, details) => {
      const previous = store.audit.last()
      store.db.write((tx) =>
        store.audit.append(tx, entry({ actor: { name, via: 'cli' }, reason, details: details as Json })),
      )
      const last = store.audit.last()!
      const [row] = store.audit.rows({}, { first: last.sequence, last: last.sequence }, enough)
      assert.equal(row!.leaf, auditLeaf(row!))
      assert.equal(row!.head, auditHead(previous?.head ?? firstHead, row!.leaf))
      assert.equal(row!.actor, name.toWellFormed())
      assert.equal(canonicalJson(JSON.parse(row!.details) as Json), row!.details)
    }),
    { numRuns: 300 },
  )
})

const names = ['bash', 'linux', 'linux-meta', 'vim', 'zsh']
const nameOrGlob = fc.constantFrom(undefined, ...names, 'linux*', '?im', '*', 'none', '[bv]*')
const times = fc.constantFrom(undefined, 0, 5, 10, 15, 20, 40)

test('a filter finds exactly the rows that match, in order, whatever the clock did', () => {
  using store = open()
  // Times go back now and then.
  const rows = Array.from({ length: 60 }, (_, index) =>
    entry({
      at: (index * 7) % 31,
      actor: { name: names[index % 2]!, via: 'cli' },
      action: names[index % 3]!,
      subject: names[index % 5]!,
    }),
  )
  store.db.write((tx) => {
    for (const row of rows) store.audit.append(tx, row)
  })
  const filters = fc.record({
    since: times,
    until: times,
    actor: nameOrGlob,
    action: nameOrGlob,
    subject: nameOrGlob,
  })
  fc.assert(
    fc.property(filters, fc.option(fc.integer({ min: 1, max: 20 })), (filter, limit) => {
      const expected = rows.flatMap((row, index) => (isMatch(row, filter) ? [index + 1] : []))
      const range = store.audit.range(filter, limit)
      const found = range === null ? [] : store.audit.rows(filter, range, enough)
      assert.deepEqual(
        found.map((row) => row.sequence),
        limit === null ? expected : expected.slice(-limit),
      )
    }),
    { numRuns: 500 },
  )
})

function isMatch(row: AuditEntry, { since, until, actor, action, subject }: AuditFilter): boolean {
  const is = (text: string, wanted: string | undefined) =>
    wanted === undefined || text === wanted || matchesGlob(text, wanted)
  return (
    row.at >= (since ?? 0) &&
    row.at < (until ?? Number.POSITIVE_INFINITY) &&
    is(row.actor.name, actor) &&
    is(row.action, action) &&
    is(row.subject, subject)
  )
}

test('a portion ends after so many rows or bytes, but holds one row in any case', () => {
  using store = open()
  const details = { text: 'x'.repeat(1000) }
  store.db.write((tx) => {
    for (let index = 0; index < 10; index++) store.audit.append(tx, entry({ details }))
  })
  const size = (portion: { count: number; maxBytes: number }) =>
    store.audit.rows({}, everything, portion).length
  assert.equal(size({ count: 4, maxBytes: 1e9 }), 4)
  assert.equal(size({ count: 100, maxBytes: 3500 }), 3)
  assert.equal(size({ count: 100, maxBytes: 1 }), 1)
})

test('no filter scans or sorts the log', () => {
  using store = open()
  store.db.write((tx) => store.audit.append(tx, entry({})))
  const all: AuditFilter[] = [
    {},
    { since: 1, until: 2 },
    { actor: 'a' },
    { action: 'a', since: 1 },
    { subject: 'a' },
    { subject: 'a*' },
    { actor: 'a', action: 'b*', subject: 'c' },
  ]
  for (const filter of all) {
    store.audit.range(filter, null)
    store.audit.range(filter, 5)
    store.audit.rows(filter, everything, enough)
  }
  store.audit.leaves(everything, 5)
  store.audit.headOf(1)
  store.audit.timeAfter(0)
  store.checkpoints.newest()
  store.checkpoints.covering(1)
  store.checkpoints.list(1, 2)
  const plans = store.db.plans().filter(({ sql }) => sql.includes(' FROM audit'))
  assert.ok(plans.length >= 18, String(plans.length))
  for (const { sql, plan } of plans) {
    // The newest row is the end of the table.
    const isEnd = /ORDER BY sequence DESC LIMIT 1$/.test(sql) && !sql.includes('WHERE')
    for (const step of plan) assert.match(step, isEnd ? /^SCAN / : /^SEARCH /, `${sql}: ${step}`)
  }
  const exact = plans.find(({ sql }) => sql.includes('AND subject = ?') && sql.startsWith('SELECT *'))
  assert.deepEqual(exact?.plan, [
    'SEARCH audit USING INDEX audit_subject (subject=? AND rowid>? AND rowid<?)',
  ])
})

test('rows, checkpoints and keys are never changed, deleted or replaced', () => {
  using store = open()
  const key = { fingerprint: 'A', algorithm: 'ed25519', publicKey: '', madeAt: 1 }
  store.db.write((tx) => {
    store.audit.append(tx, entry({}))
    store.audit.append(tx, entry({}))
    store.checkpoints.addKey(tx, key)
    store.checkpoints.add(tx, { sequence: 2, at: 1, signedBy: 'A', text: '' })
  })
  for (const sql of [
    "UPDATE audit SET actor = 'x'",
    'DELETE FROM audit WHERE sequence = 2',
    'INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE sequence = 2',
    'INSERT INTO audit SELECT 9, at, actor, via, action, subject, reason, details, leaf, head FROM audit LIMIT 1',
    "UPDATE audit_checkpoint SET text = 'x'",
    'DELETE FROM audit_checkpoint',
    'INSERT OR REPLACE INTO audit_checkpoint SELECT * FROM audit_checkpoint',
    "INSERT INTO audit_checkpoint VALUES (1, 1, 'A', '')",
    "UPDATE audit_key SET public_key = 'x'",
    'DELETE FROM audit_key',
    'INSERT OR REPLACE INTO audit_key SELECT * FROM audit_key',
  ])
    assert.throws(() => store.db.write((tx) => tx.run(sql)), /never|follow/, sql)
  assert.deepEqual(store.audit.missingGuards(), [])
})
