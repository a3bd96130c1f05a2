// The order of entries that are rendered from the catalogue.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { RealDisk } from '../../lib/disk.ts'
import { entryRecord } from '../../store/records.ts'
import { Store } from '../../store/store.ts'
import { entriesOf } from './render.ts'

test('entries stand by name, those of one name by version, then by the digest of their text', () => {
  const folder = mkdtempSync(join(tmpdir(), 'uus-render-'))
  try {
    using store = Store.openWriter(join(folder, 'catalogue.db'), new RealDisk())
    const names = ['b', 'a', 'c', 'b', 'b', 'a', 'd', 'a']
    const keys = ['1.10', '2', '1', '1.9', '1.10', '1~1', '1', '1']
    const entries = names.map((name, at) => ({ name, key: keys[at]!, text: Buffer.from(`text ${at}\n`) }))
    const enter = store.db.write((tx) =>
      store.records.put(
        tx,
        entries.map((entry) => entryRecord('translations', entry)),
      ),
    )
    const source = entriesOf(store, { kind: 'translations', viewId: null, change: { enter, leave: [] } })

    const all = [...source(null, null)].map(({ name, text }) => `${name} ${text}`)

    assert.deepEqual(
      all.map((one) => one[0]),
      ['a', 'a', 'a', 'b', 'b', 'b', 'c', 'd'],
    )
    assert.deepEqual(all.slice(0, 4), ['a text 5\n', 'a text 7\n', 'a text 1\n', 'b text 3\n'])
    // By ranges of names everything is read with what it is sorted by.
    assert.deepEqual(
      [...source('', null)].map(({ name, text }) => `${name} ${text}`),
      all,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
