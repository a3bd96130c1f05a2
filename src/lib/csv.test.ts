// CSV: what spreadsheets make of it, and that it comes back exactly.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CsvReader, csvRecord } from './csv.ts'

function read(text: string, chunkChars = text.length): string[][] {
  const reader = new CsvReader('test.csv', 10_000)
  const records: string[][] = []
  for (let at = 0; at < text.length; at += chunkChars)
    records.push(...reader.push(text.slice(at, at + chunkChars)))
  reader.end()
  return records
}

test('records come back as they were, whatever is in them and however they arrive', () => {
  const nasty = fc.string({
    unit: fc.constantFrom(
      '=',
      '+',
      '-',
      '@',
      "'",
      '"',
      ',',
      ';',
      '\t',
      '\r',
      '\n',
      '|',
      ' ',
      'a',
      '＝',
      '\u{1f600}',
    ),
  })
  fc.assert(
    fc.property(
      fc.array(fc.array(nasty, { minLength: 2, maxLength: 5 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 20 }),
      (records, chunkChars) => {
        assert.deepEqual(read(records.map(csvRecord).join(''), chunkChars), records)
      },
    ),
    { numRuns: 2000 },
  )
})

test('no cell begins as a formula, in whatever columns a spreadsheet sees', () => {
  for (const text of [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    'a;=1',
    'a\t@x',
    'a\n=1',
    "'=1",
    '＝1',
  ]) {
    const record = csvRecord(['x', text])
    for (const separator of [',', ';', '\t', '|']) {
      for (const line of record.split(/[\r\n]+/)) {
        for (const cell of line.split(separator))
          assert.doesNotMatch(cell.replace(/^["\s]+/, ''), /^[=+\-@＝＋－＠]/, JSON.stringify([text, record]))
      }
    }
  }
})

test('a record that is written in another way is refused, and named', () => {
  for (const text of ['a,"b"\r\n', 'a,b\n', 'a,b"c\r\n"\r\n', 'a,=1\r\n', 'a,b'])
    assert.throws(() => read(`x,y\r\n${text}`), { code: 'MALFORMED', message: /^test.csv, record 2: / }, text)
  assert.throws(() => read(`"${'x'.repeat(20_000)}`), { message: /longer than any record/ })
})
