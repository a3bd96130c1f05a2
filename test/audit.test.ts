// The audit log against forgers: whatever is done to an export or to the database, the first bad row is named.
import assert from 'node:assert/strict'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import Sqlite from 'better-sqlite3'
import fc from 'fast-check'
import { type AuditInput, type AuditItem, type AuditPage, isRow } from '../src/actions/audit.ts'
import { auditPages, exportText } from '../src/actions/audit-file.ts'
import { type VerifyResult, verifyAudit } from '../src/actions/audit-verify.ts'
import { canonicalJson } from '../src/lib/canonical-json.ts'
import { isCheckpointDue } from '../src/repo/audit/log.ts'
import type { ProblemKind } from '../src/repo/audit/problem.ts'
import { auditHead, auditLeaf } from '../src/store/audit-chain.ts'
import { chainedAnew, LogFixture } from './rig/audit-log.ts'
import { day } from './rig/clock.ts'

let log: LogFixture
let whole: AuditPage
let rows: readonly AuditItem[]
/** The rows that the checkpoints cover: one after the first update, and two later. */
let initial: number
let first: number
let second: number

before(async () => {
  log = await LogFixture.make()
  whole = await log.page()
  rows = whole.items.filter(isRow)
  ;[initial, first, second] = whole.checkpoints.map((one) => one.sequence) as [number, number, number]
})
after(() => log[Symbol.asyncDispose]())

const formats = ['json', 'csv'] as const

test('the whole log is proved up to its last checkpoint, in either format and in the database', async () => {
  assert.deepEqual([first, second, rows.length], [20, 34, 38])
  for (const result of [
    await log.verifyPage('json', whole),
    await log.verifyPage('csv', whole),
    await log.verifyCatalogue(),
  ]) {
    const { status, problem, provedThrough, firstUnproved, checkpoints, lastRow, filter, origin } = result
    assert.deepEqual(
      { status, problem, provedThrough, firstUnproved, checkpoints, lastRow, filter, origin },
      {
        status: 'done',
        problem: null,
        provedThrough: second,
        firstUnproved: second + 1,
        checkpoints: 3,
        lastRow: rows.length,
        filter: null,
        origin: whole.log.origin,
      },
    )
  }
})

/** What a forger does to the rows, and what is found. */
interface Forgery {
  readonly name: string
  forge(items: AuditItem[]): AuditItem[]
  readonly finds: (result: VerifyResult) => void
}

function finds(kind: ProblemKind, row: number | null | (() => number), message: RegExp) {
  return ({ status, problem }: VerifyResult) => {
    assert.equal(status, 'failed')
    assert.deepEqual([problem?.kind, problem?.row], [kind, typeof row === 'function' ? row() : row])
    assert.match(problem!.message, message)
  }
}

const change = (items: AuditItem[], n: number, changes: Partial<AuditItem>) =>
  items.map((item) => (item.sequence === n ? { ...item, ...changes } : item))

const forgeries: readonly Forgery[] = [
  {
    name: 'a row whose actor is another',
    forge: (items) => change(items, 20, { actor: 'mallory' }),
    finds: finds('changed', 20, /^Row 20 was changed: its hash is not that of what it says/),
  },
  {
    name: 'a row whose details are others',
    forge: (items) => change(items, 20, { details: { channel: 'testing' } }),
    finds: finds('changed', 20, /^Row 20 was changed: its hash is not that of what it says/),
  },
  {
    name: 'a row with another hash',
    forge: (items) => change(items, 20, { head: '0'.repeat(64) }),
    finds: finds('changed', 20, /^Row 20 was changed: its hash is not the one that row 21 follows from/),
  },
  {
    name: 'a row that was removed',
    forge: (items) => items.filter((item) => item.sequence !== 20),
    finds: finds('missing', 20, /^Row 20 is missing$/),
  },
  {
    name: 'rows that were removed',
    forge: (items) => items.filter((item) => item.sequence < 20 || item.sequence > 23),
    finds: finds('missing', 20, /^Rows 20 to 23 are missing$/),
  },
  {
    name: 'a row that was put in',
    forge: (items) => [
      ...items.slice(0, 20),
      { ...items[5]!, sequence: 21 },
      ...items.slice(20).map((item) => ({ ...item, sequence: item.sequence + 1 })),
    ],
    finds: finds('inserted', 21, /^Row 21 was put in: what stands after it was row 21 before/),
  },
  {
    name: 'a row that stands there twice',
    forge: (items) => [...items.slice(0, 20), items[19]!, ...items.slice(20)],
    finds: finds('inserted', 20, /^Row 20 is there twice/),
  },
  {
    name: 'rows that changed their places',
    forge: (items) => [...items.slice(0, 19), items[20]!, items[19]!, ...items.slice(21)],
    finds: finds('reordered', 20, /^Row 20 stands after row 21/),
  },
  {
    name: 'the last rows, which only a checkpoint knows',
    forge: (items) => items.slice(0, 30),
    finds: finds('missing', 31, /^Rows 31 to \d+ are missing: a checkpoint covers row \d+/),
  },
  {
    name: 'the last rows, which no checkpoint knows',
    forge: (items) => items.slice(0, -2),
    finds: finds('missing', () => rows.length - 1, /^Rows \d+ to \d+ are missing: cut off at the end/),
  },
  {
    name: 'a changed row after which the chain was made anew',
    forge: (items) => chainedAnew(change(items, 20, { reason: 'forged' }), 19),
    finds: finds('checkpoint', () => initial + 1, /: the chain was made anew, for it is not the one/),
  },
]

for (const { name, forge, finds } of forgeries) {
  test(`found in an export: ${name}`, async () => {
    for (const format of formats) finds(await log.verifyPage(format, { ...whole, items: forge([...rows]) }))
  })
}

const rowFields: readonly (keyof AuditItem)[] = [
  'sequence',
  'at',
  'actor',
  'via',
  'action',
  'subject',
  'reason',
  'details',
  'head',
]

test('any single change of any field of any row of an export is found', async () => {
  const text = fc.string({ unit: 'binary', minLength: 1 }).map((one) => one.toWellFormed())
  const values: Record<keyof AuditItem, fc.Arbitrary<unknown>> = {
    sequence: fc.integer({ min: 1, max: 60 }),
    at: fc
      .date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true })
      .map((date) => date.toISOString()),
    actor: text,
    via: text,
    action: text,
    subject: text,
    reason: fc.option(text),
    details: fc.jsonValue(),
    head: fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 }),
    previous: fc.constant(undefined),
  }
  const changes = fc
    .constantFrom(...rowFields)
    .chain((field) =>
      fc.tuple(fc.nat(rows.length - 1), fc.constant(field), values[field], fc.constantFrom(...formats)),
    )
  await fc.assert(
    fc.asyncProperty(changes, async ([index, field, value, format]) => {
      fc.pre(JSON.stringify(rows[index]![field]) !== JSON.stringify(value))
      const items = change([...rows], index + 1, { [field]: value })
      const { problem } = await log.verifyPage(format, { ...whole, items })
      assert.notEqual(problem, null)
      // A row with another number is missed where it should be, or met where it should not be.
      if (field !== 'sequence') assert.equal(problem!.row, index + 1)
      else assert.ok([index + 1, value as number].includes(problem!.row!))
    }),
    { numRuns: 400 },
  )
})

test('an export that is cut off anywhere, or of which any byte is changed, is never good', async () => {
  for (const format of formats) {
    const path = await log.write(format, whole)
    const good = readFileSync(path)
    const broken = join(log.folder, `broken.${format}`)
    const isBad = async (bytes: Buffer) => {
      writeFileSync(broken, bytes)
      try {
        return (await log.verifyFile(broken)).problem !== null
      } catch (error) {
        return (error as { code?: string }).code === 'MALFORMED'
      }
    }
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), async (length) => isBad(good.subarray(0, length))),
      { numRuns: 150 },
    )
    // Of a checkpoint only what it says and its signature count: the rest is armor.
    const armor = good.indexOf('BEGIN PGP')
    const from = format === 'json' ? good.indexOf('"items":[') : 0
    const until = format === 'json' ? good.length : armor
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: from, max: until - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, by) => {
          const bytes = Buffer.from(good)
          bytes[at] = bytes[at]! ^ by
          return isBad(bytes)
        },
      ),
      { numRuns: 300 },
    )
    // Some readers of dates take other signs between date and time.
    const time = good.indexOf('T12:00', from)
    assert.ok(
      time > 0 &&
        (await isBad(Buffer.concat([good.subarray(0, time), Buffer.from('\x14'), good.subarray(time + 1)]))),
    )
    assert.ok(await isBad(Buffer.concat([good, Buffer.from('\n')])))
    assert.ok(await isBad(Buffer.concat([good, good])))
  }
})

test('rows that nobody signed for are named so, and a file that nobody signed proves nothing', async () => {
  const unsigned = { ...whole, checkpoints: [] }
  finds('unproved', 1, /No checkpoint covers any row/)(await log.verifyPage('json', unsigned))
  const cut = { ...whole, checkpoints: whole.checkpoints.slice(0, 2) }
  const { status, firstUnproved } = await log.verifyPage('csv', cut)
  assert.deepEqual([status, firstUnproved], ['done', first + 1])
})

test('checkpoints that are forged, moved, or of another log or key', async () => {
  const [zero, one, two] = whole.checkpoints
  const withFirst = (text: string) => ({ ...whole, checkpoints: [zero!, { ...one!, text }, two!] })
  const bad = finds('checkpoint', first, /^The checkpoint of row \d+/)
  bad(await log.verifyPage('json', withFirst(one!.text.replace(`\n${first}\n`, `\n${first + 1}\n`))))
  bad(await log.verifyPage('json', withFirst(one!.text.replace(/^uus-audit/m, 'uus-other'))))
  bad(await log.verifyPage('csv', withFirst('no checkpoint at all')))
  const moved = finds('checkpoint', initial + 1, /not the one that was signed after row/)
  moved(await log.verifyPage('csv', withFirst(two!.text)))
  await using other = await LogFixture.make()
  const foreign = (await other.page()).checkpoints[1]!
  const unknown = finds('checkpoint', first, /is signed by the unknown key/)
  unknown(await log.verifyPage('json', withFirst(foreign.text)))
  finds(
    'checkpoint',
    initial,
    /is signed by the unknown key/,
  )(await verifyAudit({ source: { file: await log.write('json', whole) }, keyFile: other.key, seen: [] }))
  const renamed = { ...whole, log: { ...whole.log, origin: (await other.page()).log.origin } }
  finds('checkpoint', initial, /is of another log/)(await log.verifyPage('json', renamed))
})

const filters: readonly [Partial<AuditInput>, (row: AuditItem) => boolean][] = [
  [{ actor: 'Miłosz' }, (row) => row.actor === 'Miłosz'],
  [{ action: 'hold', subject: 'bash' }, (row) => row.action === 'hold' && row.subject === 'bash'],
  [{ action: '*hold', actor: 'andrew' }, (row) => /hold$/.test(row.action) && row.actor === 'andrew'],
  [{ limit: 3 }, (row) => row.sequence > rows.length - 3],
  [{ limit: 20 }, (row) => row.sequence > rows.length - 20],
  [{ since: '2100-01-01' }, () => false],
]

test('a part of the log is proved row by row, and says that it is a part', async () => {
  for (const [filter, isMatch] of filters) {
    const page = await log.page(filter)
    const expected = rows.filter(isMatch)
    assert.deepEqual(
      page.items.filter(isRow).map((row) => row.sequence),
      expected.map((row) => row.sequence),
    )
    for (const format of formats) {
      const result = await log.verifyPage(format, page)
      const proved = expected.filter((row) => row.sequence <= second)
      const isNothingProved = expected.length > 0 && proved.length === 0
      assert.equal(result.problem?.kind, isNothingProved ? 'unproved' : undefined, JSON.stringify(filter))
      assert.deepEqual([result.rows, result.provedRows], [expected.length, proved.length])
      assert.equal(result.firstUnproved, expected.find((row) => row.sequence > second)?.sequence ?? null)
      assert.notEqual(result.filter, null)
    }
  }
})

test('what is left out of a part of the log are hashes only', async () => {
  const { items } = await log.page({ actor: 'Miłosz' })
  const omitted = items.filter((item) => !isRow(item))
  assert.ok(omitted.length > 0)
  for (const item of omitted) assert.deepEqual(Object.keys(item).sort(), ['leaf', 'sequence'])
  assert.equal(omitted.at(-1)!.sequence, second, 'they lead to the next checkpoint')
})

test('forgeries in a part of the log are found', async () => {
  const page = await log.page({ actor: 'Miłosz' })
  const at = page.items.findIndex(isRow)
  const row = page.items[at] as AuditItem
  const n = row.sequence
  const withRow = (changes: Partial<AuditItem>) => ({
    ...page,
    items: page.items.with(at, { ...row, ...changes }),
  })
  const sentence = new RegExp(`^Row ${n} was changed`)
  finds('changed', n, sentence)(await log.verifyPage('json', withRow({ actor: 'eve' })))
  finds('changed', n, /changed/)(await log.verifyPage('csv', withRow({ head: 'f'.repeat(64) })))
  // Made to fit: then what follows does not lead to what was signed.
  const forged = { ...row, reason: 'forged', at: Date.parse(row.at), details: JSON.stringify(row.details) }
  const alone = {
    ...page,
    items: [{ ...row, reason: 'forged', head: auditHead(row.previous!, auditLeaf(forged)) }],
  }
  finds('unproved', n, /nothing leads from it to the checkpoint/)(await log.verifyPage('json', alone))
  const cut = { ...page, items: page.items.slice(0, -1) }
  finds('unproved', n, /nothing leads from it to the checkpoint/)(await log.verifyPage('csv', cut))
  const leaf = page.items.at(-1) as { sequence: number; leaf: string }
  const other = { ...page, items: page.items.with(-1, { ...leaf, leaf: 'f'.repeat(64) }) }
  finds('checkpoint', 1, /the chain was made anew/)(await log.verifyPage('json', other))
  const asWhole = { ...page, log: { ...page.log, filter: null } }
  finds('missing', 1, /missing/)(await log.verifyPage('json', asWhole))
})

test('who noted a value of the chain earlier finds that the log was made anew, or cut', async () => {
  const note = (n: number) => `${n}:${rows[n - 1]!.head}`
  const last = rows.length
  assert.equal((await log.verifyPage('json', whole, [note(5), note(last)])).problem, null)
  const rewritten = {
    ...whole,
    checkpoints: [],
    items: chainedAnew(change([...rows], last, { reason: 'x' }), last - 1),
  }
  finds(
    'seen',
    1,
    /not what was there when the hash after row/,
  )(await log.verifyPage('csv', rewritten, [note(last)]))
  const older = { ...whole.log, through: second }
  const page = { ...whole, log: older, items: rows.slice(0, second) }
  assert.equal((await log.verifyPage('json', page)).problem, null, 'nothing in it tells')
  finds('seen', last, /the log ends with row/)(await log.verifyPage('json', page, [note(last)]))
})

/** A copy of the database, as whoever has the file can change it: its triggers are dropped meanwhile. */
class ForgedDatabase implements Disposable {
  readonly path = join(log.folder, `forged-${++databases}.db`)
  readonly sqlite: Sqlite.Database
  readonly #triggers: readonly { name: string; sql: string }[]

  constructor() {
    using real = new Closing(new Sqlite(log.catalogue, { readonly: true }))
    writeFileSync(this.path, real.sqlite.serialize())
    this.sqlite = new Sqlite(this.path)
    this.sqlite.pragma('foreign_keys = OFF')
    this.#triggers = this.sqlite
      .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name LIKE 'audit%'")
      .all() as { name: string; sql: string }[]
    for (const { name } of this.#triggers) this.sqlite.exec(`DROP TRIGGER ${name}`)
  }

  /** What a careful forger does at the end. */
  restoreTriggers(): void {
    for (const { sql } of this.#triggers) this.sqlite.exec(sql)
  }

  [Symbol.dispose](): void {
    this.sqlite.close()
  }
}

class Closing implements Disposable {
  readonly sqlite: Sqlite.Database
  constructor(sqlite: Sqlite.Database) {
    this.sqlite = sqlite
  }
  [Symbol.dispose](): void {
    this.sqlite.close()
  }
}

let databases = 0

const moveRows = (from: number, by: number) => [
  `UPDATE audit SET sequence = -sequence WHERE sequence >= ${from}`,
  `UPDATE audit SET sequence = -sequence + ${by} WHERE sequence < 0`,
]

const databaseForgeries: readonly [
  name: string,
  statements: string[],
  finds: (result: VerifyResult) => void,
][] = [
  [
    'a changed row',
    ["UPDATE audit SET actor = 'mallory' WHERE sequence = 20"],
    finds('changed', 20, /^Row 20 was changed: its hash is not that of what it says/),
  ],
  [
    'details written in another form',
    ["UPDATE audit SET details = replace(details, ',', ', ') WHERE sequence = 20"],
    finds('changed', 20, /^Row 20 was changed: its details are written in another form/),
  ],
  [
    'details that are no JSON',
    ["UPDATE audit SET details = '{' WHERE sequence = 20"],
    finds('changed', 20, /^Row 20 was changed/),
  ],
  ['a removed row', ['DELETE FROM audit WHERE sequence = 20'], finds('missing', 20, /^Row 20 is missing$/)],
  [
    'a removed row, and the others moved up',
    ['DELETE FROM audit WHERE sequence = 20', ...moveRows(21, -1)],
    finds('reordered', 20, /^What stands as row 20 was row 21/),
  ],
  [
    'a row that was put in, and the others moved down',
    [
      ...moveRows(20, 1),
      `INSERT INTO audit SELECT 20, at, actor, via, action, subject, reason, details, leaf, head FROM audit WHERE sequence = 10`,
    ],
    finds('reordered', 20, /^What stands as row 20 was row 10/),
  ],
  [
    'two rows that changed their places',
    [
      'UPDATE audit SET sequence = -20 WHERE sequence = 20',
      'UPDATE audit SET sequence = 20 WHERE sequence = 21',
      'UPDATE audit SET sequence = 21 WHERE sequence = -20',
    ],
    finds('reordered', 20, /^What stands as row 20 was row 21/),
  ],
  [
    'a row before the first',
    [
      'INSERT INTO audit SELECT -5, at, actor, via, action, subject, reason, details, leaf, head FROM audit WHERE sequence = 10',
    ],
    finds('reordered', -5, /^Row -5 stands after row 0/),
  ],
  [
    'the last rows cut off',
    ['DELETE FROM audit WHERE sequence > 30'],
    finds('missing', 31, /^Rows 31 to \d+ are missing: a checkpoint covers row/),
  ],
  [
    'a checkpoint of which the text was changed',
    ["UPDATE audit_checkpoint SET text = replace(text, 'uus-audit', 'uus-other')"],
    finds('checkpoint', () => initial, /^The checkpoint of row \d+ does not match its signature/),
  ],
  [
    'a checkpoint that was moved',
    ['UPDATE audit_checkpoint SET sequence = sequence - 1'],
    finds('checkpoint', 1, /^Rows 1 to \d+: the chain was made anew, for it is not the one/),
  ],
  [
    'another origin',
    ["UPDATE setting SET value = 'uus-audit/00000000000000000000000000000000' WHERE name = 'audit-origin'"],
    finds('checkpoint', () => initial, /is of another log/),
  ],
]

for (const [name, statements, finds] of databaseForgeries) {
  test(`found in the database: ${name}`, async () => {
    using forged = new ForgedDatabase()
    for (const sql of statements) forged.sqlite.exec(sql)
    forged.restoreTriggers()
    finds(await log.verifyCatalogue(forged.path))
  })
}

test('found in the database: a row and all hashes after it made anew', async () => {
  using forged = new ForgedDatabase()
  const items = chainedAnew(change([...rows], 25, { reason: 'forged' }), 24)
  const update = forged.sqlite.prepare('UPDATE audit SET reason = ?, leaf = ?, head = ? WHERE sequence = ?')
  const put = (item: AuditItem) => {
    const leaf = auditLeaf({ ...item, at: Date.parse(item.at), details: canonicalJson(item.details) })
    update.run(item.reason, Buffer.from(leaf, 'hex'), Buffer.from(item.head, 'hex'), item.sequence)
  }
  // Only that row: the next one, which is sound in itself, does not follow from it.
  put(items[24]!)
  finds(
    'changed',
    25,
    /^Row 25 was changed, and its hashes made anew: row 26 does not/,
  )(await log.verifyCatalogue(forged.path))
  for (const item of items) put(item)
  finds('checkpoint', first + 1, /the chain was made anew/)(await log.verifyCatalogue(forged.path))
})

test('found in the database: triggers that are gone, even if no row was touched', async () => {
  using forged = new ForgedDatabase()
  finds('guards', null, /lacks the trigger audit_keeps_rows/)(await log.verifyCatalogue(forged.path))
  forged.restoreTriggers()
  assert.equal((await log.verifyCatalogue(forged.path)).problem, null)
})

test('any single change of any column of any row of the database is found', async () => {
  using forged = new ForgedDatabase()
  const text = fc.string({ unit: 'binary' }).map((one) => one.toWellFormed())
  const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
  const columns: Record<string, fc.Arbitrary<string | number | Buffer | null>> = {
    sequence: fc.integer({ min: 100, max: 1e9 }),
    at: fc.integer({ min: 0, max: 4e12 }),
    actor: text,
    via: text,
    action: text,
    subject: text,
    reason: fc.option(text),
    details: fc.oneof(text, fc.json()),
    leaf: digest,
    head: digest,
  }
  const changes = fc
    .constantFrom(...Object.keys(columns))
    .chain((column) =>
      fc.tuple(fc.integer({ min: 1, max: rows.length }), fc.constant(column), columns[column]!),
    )
  await fc.assert(
    fc.asyncProperty(changes, async ([n, column, value]) => {
      const get = () => forged.sqlite.prepare(`SELECT ${column} FROM audit WHERE sequence = ?`).pluck()
      const before = get().get(n)
      fc.pre(JSON.stringify(before) !== JSON.stringify(value))
      const set = (to: unknown, at: unknown) =>
        forged.sqlite.prepare(`UPDATE audit SET ${column} = ? WHERE sequence = ?`).run(to, at)
      set(value, n)
      const { problem } = await log.verifyCatalogue(forged.path)
      set(before, column === 'sequence' ? value : n)
      assert.equal(problem?.row, n)
      assert.notEqual(problem?.kind, 'guards')
    }),
    { numRuns: 400 },
  )
  forged.restoreTriggers()
  assert.equal((await log.verifyCatalogue(forged.path)).problem, null)
})

test('without a key of its own the database is held against the keys in it, and says so', async () => {
  const own = await verifyAudit({ source: { catalogue: log.catalogue }, keyFile: null, seen: [] })
  assert.deepEqual([own.problem, own.hasOwnKeys, own.provedThrough], [null, false, second])
  await assert.rejects(verifyAudit({ source: { file: 'x.json' }, keyFile: null, seen: [] }), {
    code: 'USAGE',
    hint: /uus key export audit/,
  })
})

test('what cannot be verified at all is a sentence', async () => {
  const path = join(log.folder, 'other.json')
  writeFileSync(path, '{"items":[]}')
  await assert.rejects(log.verifyFile(path), { code: 'MALFORMED', message: /no export of the audit log/ })
  await assert.rejects(log.verifyFile(join(log.folder, 'none')), {
    code: 'UNKNOWN_NAME',
    message: /no such file/,
  })
  await assert.rejects(log.verifyCatalogue(join(log.folder, 'none.db')), { code: 'DATA_UNUSABLE' })
  await assert.rejects(log.verifyCatalogue(log.catalogue, ['5']), { code: 'USAGE', hint: /SEQUENCE:HEAD/ })
  const none = { source: { catalogue: log.catalogue }, keyFile: join(log.folder, 'none.asc'), seen: [] }
  await assert.rejects(verifyAudit(none), { code: 'KEYRING_UNREADABLE' })
})

test('a long log comes in pages, and what is appended meanwhile stays out', async () => {
  await using long = await LogFixture.make()
  const { store, process } = long.rig
  const append = (count: number, other = 'odd') =>
    store.db.write((tx) => {
      for (let index = 0; index < count; index++) {
        const subject = index % 3000 === 7 ? 'rare' : index % 2 === 1 ? other : 'even'
        const actor = { name: 'andrew', via: 'cli' } as const
        const details = { text: 'x'.repeat(index % 100 === 0 ? 20_000 : 20) }
        store.audit.append(tx, {
          at: long.rig.clock.now(),
          actor,
          action: 'test',
          subject,
          reason: null,
          details,
        })
      }
    })
  append(7000)
  await process.jobs.auditLog.checkpoint()
  append(1500)
  const last = store.audit.last()!.sequence
  for (const [filter, expected] of [
    [{}, last],
    [{ subject: 'rare' }, 4],
    [{ subject: 'r*e' }, 4],
    [{ subject: 'odd' }, 4246],
    [{ limit: 2500 }, 2500],
  ] as const) {
    let calls = 0
    const call = async (input: Partial<AuditInput>) => {
      const page = await long.rig.call<AuditPage>('audit', input)
      if (++calls === 1) append(2, 'later')
      return page
    }
    for (const format of formats) {
      const path = join(long.folder, `long.${format}`)
      const pages = auditPages(call, { ...filter, withProof: true })
      writeFileSync(path, (await Array.fromAsync(exportText(format, pages))).join(''))
      const result = await long.verifyFile(path)
      assert.equal(result.problem, null, JSON.stringify(filter))
      if (expected === last) assert.ok(result.rows >= last)
      else assert.equal(result.rows, expected, JSON.stringify(filter))
    }
    assert.ok(calls > 2, `${calls} calls`)
  }
})

test('checkpoints come daily or after many rows, and a lost key raises an alarm but stops nothing', async () => {
  const old = { at: 1_800_000_000_000 }
  assert.ok(!isCheckpointDue(0, null, old.at), 'nothing to sign')
  assert.ok(isCheckpointDue(1, null, old.at), 'the first one at once')
  assert.ok(!isCheckpointDue(999, old, old.at + day - 1))
  assert.ok(isCheckpointDue(1000, old, old.at))
  assert.ok(isCheckpointDue(1, old, old.at + day))
  assert.ok(isCheckpointDue(1, old, old.at - day), 'a clock that was set back')
  await using lost = await LogFixture.make()
  const { rig } = lost
  const { fingerprint } = rig.store.checkpoints.keys()[0]!
  const file = join(rig.folder, 'data', 'keys', `${fingerprint}.key`)
  renameSync(file, `${file}.away`)
  rig.clock.advance(3 * day)
  await rig.mustUpdate()
  assert.match(
    rig.events.flatMap((event) => (event.type === 'note' ? event.message : [])).join(),
    /The signing key of the audit log cannot be read: .*\.key\. Restore/,
  )
  assert.match(rig.store.alarms.list().find(({ key }) => key === 'audit')!.message, /was not signed since/)
  renameSync(`${file}.away`, file)
  await rig.mustUpdate()
  assert.equal(
    rig.store.alarms.list().find(({ key }) => key === 'audit'),
    undefined,
  )
  assert.equal((await lost.verifyCatalogue()).firstUnproved, null)
})

test('a clock that was set back before the key was made keeps no checkpoint from being made', async () => {
  await using back = await LogFixture.make()
  back.rig.clock.advance(-400 * day)
  await back.rig.process.jobs.auditLog.checkpoint()
  const { problem, firstUnproved } = await back.verifyCatalogue()
  assert.deepEqual([problem, firstUnproved], [null, null])
})
