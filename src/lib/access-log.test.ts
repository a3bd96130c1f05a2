// Lines of the access log: each one JSON document, whatever a client asked for.
import assert from 'node:assert/strict'
import { pbkdf2 } from 'node:crypto'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { AccessLog } from './access-log.ts'

test('a line holds what it was given, whatever characters that has', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'uus-log-')), 'access.log')
  const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constant('a"b\\c\u007f\u2028'))
  const lines = fc.sample(
    fc.record(
      {
        client: text,
        method: text,
        path: text.map((rest) => `/${rest}`),
        status: fc.nat(599),
        bytes: fc.nat(),
        cache: fc.constantFrom('hit', 'miss'),
        ms: fc.nat(100_000).map((hundredths) => hundredths / 100),
        isCut: fc.constant(true as const),
      },
      { requiredKeys: ['client', 'method', 'path', 'status', 'bytes', 'ms'] },
    ),
    300,
  )
  const log = await AccessLog.open(path, (error) => assert.fail(error))
  // The first batch waits for a thread, while the last one comes.
  for (let n = 0; n < 8; n++) pbkdf2('', '', 100_000, 32, 'sha512', () => {})
  for (const line of lines) log.write(line)
  await log[Symbol.asyncDispose]()
  const read = readFileSync(path, 'utf8').trimEnd().split('\n')
  assert.deepEqual(
    read.map((line) => {
      const { type, time, ...rest } = JSON.parse(line)
      assert.equal(type, 'access')
      assert.ok(Math.abs(Date.parse(time) - Date.now()) < 600_000)
      return rest
    }),
    lines.map((line) => JSON.parse(JSON.stringify(line))),
  )
})
