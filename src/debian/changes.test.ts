import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseChanges } from './changes.ts'

const sha = 'ab'.repeat(32)

function text(fields: Record<string, string | undefined> = {}): string {
  const all: Record<string, string | undefined> = {
    Format: '1.8',
    Source: 'tool',
    Version: '1.0-1',
    Distribution: 'stable',
    Architecture: 'source amd64',
    'Checksums-Sha256': `\n ${sha} 10 tool_1.0-1.dsc\n ${sha} 20 tool_1.0-1_amd64.deb`,
    Files: `\n ${'0'.repeat(32)} 10 utils optional tool_1.0-1.dsc\n ${'0'.repeat(32)} 20 contrib/utils optional tool_1.0-1_amd64.deb`,
    ...fields,
  }
  return Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\n`.replace(': \n', ':\n'))
    .join('')
}

test('a .changes tells its source, where it is to go, and its files', () => {
  const changes = parseChanges(text(), 'x.changes')
  assert.deepEqual([changes.source, changes.sourceVersion], ['tool', '1.0-1'])
  assert.deepEqual(changes.distributions, ['stable'])
  assert.deepEqual(changes.files[1], {
    name: 'tool_1.0-1_amd64.deb',
    sizeBytes: 20,
    sha256: sha,
    section: 'contrib/utils',
  })
  // The blank line that dpkg-buildpackage leaves at the end is no second paragraph.
  assert.equal(parseChanges(`${text()}\n`, 'x.changes').files.length, 2)
})

test('a rebuild names the version of its source beside the name', () => {
  const changes = parseChanges(text({ Source: 'tool (1.0-1)', Version: '1.0-1+b1' }), 'x.changes')
  assert.deepEqual([changes.version, changes.sourceVersion], ['1.0-1+b1', '1.0-1'])
})

test('what is odd in a .changes is refused with its name', () => {
  const file = (name: string, digest = sha, size = '10') => ({
    'Checksums-Sha256': `\n ${digest} ${size} ${name}`,
    Files: `\n ${'0'.repeat(32)} 10 utils optional ${name}`,
  })
  const cases: [Record<string, string | undefined>, RegExp][] = [
    [{ Source: undefined }, /x\.changes: has no Source/],
    [{ Format: '3.0' }, /is of the format 3\.0/],
    [{ Source: '../tool' }, /odd Source/],
    [{ Version: '1.0 1' }, /odd Version/],
    [{ Distribution: undefined }, /has no Distribution/],
    [file('../../etc/passwd'), /odd line in its list of files/],
    [file('.hidden'), /odd line/],
    [file('tool.deb', 'AB'.repeat(32)), /odd SHA-256/],
    [file('tool.deb', sha, '11'), /one thing of tool\.deb in Files and another/],
    [{ 'Checksums-Sha256': `\n ${sha} 10 tool_1.0-1.dsc` }, /does not list the same files/],
    [
      { 'Checksums-Sha256': `\n ${sha} 10 tool_1.0-1.dsc\n ${sha} 10 tool_1.0-1.dsc` },
      /does not list the same/,
    ],
  ]
  for (const [fields, why] of cases) assert.throws(() => parseChanges(text(fields), 'x.changes'), why)
})
