// The catalogue: plans of hot statements, transactions, migrations, the audit chain, the lock.
import assert from 'node:assert/strict'
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import Sqlite from 'better-sqlite3'
import { aPackage } from '../../test/rig/packages.ts'
import { PackagesReader } from '../debian/packages.ts'
import { canonicalJson } from '../lib/canonical-json.ts'
import { sha256 } from '../lib/digest.ts'
import { RealDisk } from '../lib/disk.ts'
import { auditHead, auditLeaf, firstHead } from './audit-chain.ts'
import { takeLock } from './lock.ts'
import { packageRecord } from './records.ts'
import { Store } from './store.ts'

const folder = mkdtempSync(join(tmpdir(), 'uus-store-'))
after(() => rmSync(folder, { recursive: true }))
let count = 0
const path = () => join(folder, `${++count}.db`)
const open = (file = path()) => Store.openWriter(file, new RealDisk())

test('a transaction that throws did nothing', () => {
  using store = open()
  assert.throws(
    () =>
      store.db.write((tx) => {
        store.archives.configure(tx, 'debian', false)
        throw new Error('no')
      }),
    { message: 'no' },
  )
  assert.deepEqual(store.archives.list(), [])
})

test('a text is known by each row of blocks that a file is made of, once', () => {
  using store = open()
  const { texts, db } = store
  const block = (name: string) => {
    return { sha256: sha256(Buffer.from(name)), sizeBytes: 4, crc32: 0, firstName: name, lastName: name }
  }
  const file = (name: string) => ({ sha256: sha256(Buffer.from(name)), sizeBytes: 9, encoder: 'gz6-1' })
  const text = { sha256: sha256(Buffer.from('text')), sizeBytes: 8 }
  const ids = db.write((tx) => ['a', 'b', 'c'].map((name) => texts.ensureBlock(tx, block(name))))
  const rows = [[0, 1], [0], [1, 0], [0, 1, 2], []].map((row) => row.map((at) => ids[at]!))
  const origins = rows.map((blockIds, at) => {
    const files = [file(`gz ${at}`), file(`xz ${at}`)]
    for (const one of files) db.write((tx) => texts.put(tx, { ...text, blockIds }, [one]))
    const found = files.map((one) => texts.origin(one.sha256)!)
    for (const one of files)
      assert.deepEqual(
        texts.blocksOf(one.sha256).map(({ id }) => id),
        blockIds,
      )
    assert.deepEqual(found[0], found[1])
    assert.deepEqual(found[0]!.text, text)
    return found[0]!.textId
  })
  assert.equal(new Set(origins).size, rows.length)
})

test('a database of a newer program is refused with the next step', () => {
  const file = path()
  open(file)[Symbol.dispose]()
  const sqlite = new Sqlite(file)
  const version = sqlite.pragma('user_version', { simple: true }) as number
  sqlite.pragma(`user_version = ${version + 1}`)
  sqlite.close()
  assert.throws(() => open(file), {
    code: 'DATA_TOO_NEW',
    message: /was written by a newer UUS/,
    hint: /newer version/,
  })
})

test('a file that is no database, and one that cannot be opened, are sentences', () => {
  const file = path()
  writeFileSync(file, 'this is not a database, it is a text that is long enough to be looked at '.repeat(20))
  assert.throws(() => open(file), { code: 'DATA_UNUSABLE', message: /it is not a database/ })
  assert.throws(() => open(join(folder, 'no', 'such', 'folder.db')), { code: 'DATA_UNUSABLE' })
})

test('all SQL stands in src/store', () => {
  const source = join(import.meta.dirname, '..')
  const files = globSync('**/*.ts', { cwd: source }).filter(
    (file) => !file.startsWith('store/') && !file.endsWith('.test.ts'),
  )
  assert.ok(files.length > 50)
  for (const file of files) {
    const text = readFileSync(join(source, file), 'utf8')
    assert.doesNotMatch(text, /\b(SELECT .* FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b/, file)
  }
})

test('stanzas are stored once and come back byte for byte', () => {
  using store = open()
  const texts = ['bash', 'vim'].map(
    (name) => aPackage({ name, version: '1', more: 'X-Odd: \xe4 \u{1f600}\n' }).stanza,
  )
  const reader = new PackagesReader('Packages')
  const stanzas = [...reader.push(Buffer.from(`${texts.join('\n')}\n`)), ...reader.end()]
  const ids = store.db.write((tx) => store.records.put(tx, [...stanzas, ...stanzas].map(packageRecord)))
  assert.deepEqual(ids.slice(0, 2), ids.slice(2))
  assert.deepEqual(
    ids.slice(0, 2).map((id) => store.records.text(id).toString()),
    texts,
  )
})

test('audit rows form a chain of hashes that anybody can compute', () => {
  using store = open()
  const entry = (subject: string) => ({
    at: 1_800_000_000_000,
    actor: { name: 'andrew', via: 'cli' } as const,
    action: 'promote',
    subject,
    reason: null,
    details: { b: 1, a: [subject] },
  })
  for (const subject of ['one', 'two', 'three'])
    store.db.write((tx) => store.audit.append(tx, entry(subject)))
  let head = firstHead
  const written = (sequence: number, subject: string) => ({
    ...entry(subject),
    sequence,
    actor: 'andrew',
    via: 'cli',
    details: canonicalJson(entry(subject).details),
  })
  for (const [index, row] of store.audit.list().entries()) {
    head = auditHead(head, auditLeaf(written(index + 1, row.subject)))
    assert.equal(row.head, head)
  }
  const row =
    '{"action":"promote","actor":"andrew","at":1800000000000,"details":{"a":["one"],"b":1},"reason":null,"sequence":1,"subject":"one","via":"cli"}'
  const leaf = execFileSync('sha256sum', { input: Buffer.concat([Buffer.of(0), Buffer.from(row)]) })
    .toString()
    .slice(0, 64)
  assert.equal(auditLeaf(written(1, 'one')), leaf)
  assert.throws(() =>
    store.db.write((tx) =>
      tx.run(
        'INSERT INTO audit SELECT 9, at, actor, via, action, subject, reason, details, leaf, head FROM audit WHERE sequence = 1',
      ),
    ),
  )
})

test('the lock of a data directory falls with its process, even by kill -9', async () => {
  const file = join(folder, 'lock.db')
  const script = join(folder, 'holder.ts')
  writeFileSync(
    script,
    `import { takeLock } from ${JSON.stringify(join(import.meta.dirname, 'lock.ts'))}
     globalThis.lock = takeLock(${JSON.stringify(file)}, 'a holder', 0)
     process.send('held')
     setInterval(() => {}, 1000)`,
  )
  const holder = fork(script)
  const exited = once(holder, 'exit')
  try {
    await once(holder, 'message')
    assert.throws(() => takeLock(file, 'second', 0), {
      code: 'DATA_IN_USE',
      message: `The data directory is in use by a holder (pid ${holder.pid})`,
    })
  } finally {
    holder.kill('SIGKILL')
  }
  await exited
  takeLock(file, 'second', 0)[Symbol.dispose]()
})
