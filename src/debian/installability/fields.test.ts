import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRelationFields } from './fields.ts'

test('the fields that decide are read, with their continuation lines, in any case of their names', () => {
  const stanza = `Package: foo
Source: foo-src
VERSION: 1:2.0-3
Installed-Size: 12
Architecture:amd64
multi-arch: same
Pre-Depends: dpkg (>= 1.17.14)
Depends: libc6 (>= 2.34),
 bar:any |
\tbaz
Conflicts:
Description: not
 Depends: this
Breaks: old (<< 1),
 older
Provides: foo-abi (= 4)
`
  assert.deepEqual(readRelationFields(Buffer.from(stanza)), {
    name: 'foo',
    version: '1:2.0-3',
    architecture: 'amd64',
    multiArch: 'same',
    preDepends: 'dpkg (>= 1.17.14)',
    depends: 'libc6 (>= 2.34),\n bar:any |\n\tbaz',
    conflicts: '',
    breaks: 'old (<< 1),\n older',
    provides: 'foo-abi (= 4)',
  })
})

test('absent fields are empty, and a missing last newline loses nothing', () => {
  const fields = readRelationFields(Buffer.from('Version: 1\nPackage: foo\nDepends: bar,\n baz'))
  assert.deepEqual([fields.name, fields.depends, fields.provides], ['foo', 'bar,\n baz', ''])
})
