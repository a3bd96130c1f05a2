import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerLimit, rangeHeader, readRanges } from './byte-ranges.ts'

const file = Buffer.from('0123456789abcdefghij')
const ranges = [
  { start: 2, end: 5 },
  { start: 10, end: 12 },
]
const wanted = { sizeBytes: file.length, ranges }
const url = 'http://master.example/file'

function part(boundary: string, start: number, end: number, total = file.length): Buffer {
  const head = `--${boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes ${start}-${end - 1}/${total}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), file.subarray(start, end), Buffer.from('\r\n')])
}

const multipart = (boundary: string) => ({
  statusCode: 206,
  headers: { 'content-type': `multipart/byteranges; boundary=${boundary}` },
})

test('ranges are asked for as RFC 9110 has it', () => {
  assert.equal(rangeHeader(ranges), 'bytes=2-4,10-11')
})

test('the parts of a multipart answer come in the order that was asked for', () => {
  const body = Buffer.concat([part('x', 10, 12), part('x', 2, 5), Buffer.from('--x--\r\n')])
  assert.equal(readRanges(url, multipart('x'), body, wanted).toString(), '234ab')
  assert.ok(body.length <= answerLimit(206, wanted))
})

test('one part that holds all ranges will do, and so will the whole file', () => {
  const head = { statusCode: 206, headers: { 'content-range': `bytes 2-11/${file.length}` } }
  assert.equal(readRanges(url, head, file.subarray(2, 12), wanted).toString(), '234ab')
  assert.equal(readRanges(url, { statusCode: 200, headers: {} }, file, wanted).toString(), '234ab')
})

for (const [what, head, body] of [
  ['a missing part', multipart('x'), Buffer.concat([part('x', 2, 5), Buffer.from('--x--')])],
  ['a body that is cut', multipart('x'), Buffer.concat([part('x', 2, 5), part('x', 10, 12)]).subarray(0, 60)],
  [
    'a part of a file of another length',
    multipart('x'),
    Buffer.concat([part('x', 2, 5, 99), Buffer.from('--x--')]),
  ],
  [
    'a part shorter than it says',
    { statusCode: 206, headers: { 'content-range': 'bytes 2-11/20' } },
    file.subarray(2, 9),
  ],
  ['another boundary', multipart('y'), Buffer.concat([part('x', 2, 5), Buffer.from('--x--')])],
  ['a whole file of another length', { statusCode: 200, headers: {} }, file.subarray(1)],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => readRanges(url, head, body, wanted), { code: 'UPSTREAM_WRONG_BYTES' })
  })
}
