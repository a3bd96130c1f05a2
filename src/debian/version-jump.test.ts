import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type VersionJump, versionJump } from './version-jump.ts'

for (const [from, to, jump] of [
  ['5.2.15-2+b7', '5.2.15-2+b9', 'revision'],
  ['3.0.11-1~deb12u2', '3.0.11-1~deb12u3', 'revision'],
  ['3.0.11-1', '3.0.13-1', 'patch'],
  ['1.24.0-2ubuntu7', '1.24.0.1-1', 'patch'],
  ['1.24', '1.24+deb12u1', 'patch'],
  ['3.0.11-1', '3.1.0-1', 'minor'],
  ['6.1.158-1', '6.12.3-1', 'minor'],
  ['115.1.0esr-1', '128.0esr-1', 'major'],
  ['1:2.0-1', '2:2.0-1', 'major'],
  ['20240101', '20250101', 'major'],
] as const satisfies readonly [string, string, VersionJump][]) {
  test(`from ${from} to ${to} it is a ${jump}`, () => assert.equal(versionJump(from, to), jump))
}
