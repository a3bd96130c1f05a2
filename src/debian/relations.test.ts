import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAlternatives, parseRelation, type Relation, splitField } from './relations.ts'

const good: [text: string, relation: Partial<Relation> & { name: string }][] = [
  ['libc6', { name: 'libc6' }],
  ['libc6 (>= 2.34)', { name: 'libc6', operator: '>=', version: '2.34' }],
  ['libc6(>=2.34)', { name: 'libc6', operator: '>=', version: '2.34' }],
  ['libc6 ( >= 2.34 )', { name: 'libc6', operator: '>=', version: '2.34' }],
  ['libc6\n (<< 3)', { name: 'libc6', operator: '<<', version: '3' }],
  ['python3:any (>= 3.11~)', { name: 'python3', qualifier: 'any', operator: '>=', version: '3.11~' }],
  ['gcc:native', { name: 'gcc', qualifier: 'native' }],
  [
    'wine32:i386 (= 8.0~repack-4)',
    { name: 'wine32', qualifier: 'i386', operator: '=', version: '8.0~repack-4' },
  ],
  ['libstdc++6 (<= 1:2-3)', { name: 'libstdc++6', operator: '<=', version: '1:2-3' }],
  ['old (< 1)', { name: 'old', operator: '<=', version: '1' }],
  ['old (> 1)', { name: 'old', operator: '>=', version: '1' }],
  ['new (>> 1_2)', { name: 'new', operator: '>>', version: '1_2' }],
]

test('a relation is a name, perhaps an architecture, perhaps a version', () => {
  for (const [text, relation] of good) {
    const expected = { qualifier: '', operator: null, version: '', ...relation }
    assert.deepEqual(parseRelation(text), expected, text)
  }
})

const bad = [
  '',
  'two words',
  'foo (>= 1',
  'foo (1)',
  'foo (>= )',
  'foo (== 1)',
  'foo (>= 1 2)',
  'foo (>= a:1)',
  'foo [amd64]',
  'foo <!nocheck>',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: what dpkg-gencontrol should have replaced.
  '${misc:Depends}',
  'foo:',
  'foo | bar',
]

test('what apt stumbles over is no relation', () => {
  for (const text of bad) assert.equal(parseRelation(text), null, text)
})

test('a field is cut at its commas, and may end in one', () => {
  assert.deepEqual(splitField('a (>= 1),b|c ,\n d'), ['a (>= 1)', 'b|c', 'd'])
  assert.deepEqual(splitField('a, '), ['a'])
  assert.deepEqual(splitField('a,, b'), ['a', '', 'b'])
  assert.deepEqual(splitField(''), [])
})

test('alternatives come in their order, all of them or none', () => {
  assert.deepEqual(
    parseAlternatives('b | a (= 1)|c')?.map(({ name }) => name),
    ['b', 'a', 'c'],
  )
  for (const text of ['', '| a', 'a |', 'a || b', 'a | b ('])
    assert.equal(parseAlternatives(text), null, text)
})
