import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import fc from 'fast-check'
import { needs } from '../../test/rig/programs.ts'
import { compareVersions, highestVersion, parseVersion } from './version.ts'

const vectors = `
1.0 = 1.0-0 | 1.0~rc1 < 1.0 | 1.0~~ < 1.0~ | 1.0~~a < 1.0~ | 1.0 < 1.0a | 1.0 < 1.0+
1.0+ > 1.0-1 | 1.0-1 > 1.0-1~deb12u1 | 1.0-1 < 1.0-1ubuntu1 | 1.0-1ubuntu1 < 1.0-1ubuntu1.1
1.0-1ubuntu1.9 < 1.0-1ubuntu1.10 | 1:0.1 > 9.9 | 0:1.0 = 1.0 | 1:1.0 < 2:0.1 | 1.02 = 1.2
1.002-1 = 1.2-01 | 1.0 = 1.00 | 2.0 < 10.0 | 1.a > 1.1 | 1.0.0 > 1.0 | 1.0-a-1 < 1.0-a-2
1.2.3 < 1.2.3. | 1.0+b1 < 1.0+dfsg | 1.0-1+b1 > 1.0-1 | 1.0A < 1.0a | 0 = 00
1.18446744073709551616 < 1.18446744073709551617 | 1.0-1 < 1.0-1.0 | 1.0-1~ < 1.0-1 | 1.0-~ < 1.0
1.2-3-4 > 1.2-4 | 5.15.0-100.110 > 5.15.0-99.109 | 2024.01.01 = 2024.1.1
1.0~rc1-1 > 1.0~rc1-1~20.04 | 1.0+git20200101 > 1.0+git20191231 | 1.0-0.1 > 1.0-0~1 | a1 > 1`
  .split(/[|\n]/)
  .map((line) => line.trim().split(' '))
  .filter((parts) => parts.length === 3) as [string, '<' | '=' | '>', string][]

const signs = { '<': -1, '=': 0, '>': 1 }

test('versions order as in the vectors, both ways round', () => {
  assert.equal(vectors.length, 37)
  for (const [a, relation, b] of vectors) {
    assert.equal(Math.sign(compareVersions(a, b)), signs[relation], `${a} ${relation} ${b}`)
    assert.equal(Math.sign(compareVersions(b, a)), 0 - signs[relation], `${b} against ${a}`)
  }
})

/** Versions that meet often in the parts that matter: few characters, short runs, near-equal numbers. */
const part = fc
  .array(
    fc.constantFrom('~', '+', '.', 'a', 'b', 'Z', '0', '00', '1', '01', '9', '10', '1~', 'ubuntu', 'deb'),
    {
      minLength: 1,
      maxLength: 5,
    },
  )
  .map((pieces) => pieces.join(''))
const version = fc
  .tuple(fc.constantFrom('', '', '0:', '1:', '00:'), part, fc.option(part, { nil: undefined }), fc.boolean())
  .map(([epoch, upstream, revision, inner]) =>
    [`${epoch}1${upstream}`, ...(inner && revision ? ['x'] : []), ...(revision ? [revision] : [])].join('-'),
  )

/** Half of the pairs are near neighbours: one piece added, one zero more, another spelling of the same. */
const neighbour: ((version: string) => string)[] = [
  (text) => text.replace(/(\d+)/, '0$1'),
  (text) => (text.includes('-') ? text : `${text}-0`),
  (text) => (text.includes(':') ? text : `0:${text}`),
  (text) => `${text}~`,
  (text) => `${text}+b1`,
  (text) => text.replace(/a/, 'Z'),
]
const pair = fc.oneof(
  fc.tuple(version, version),
  fc.tuple(version, fc.constantFrom(...neighbour)).map(([a, change]): [string, string] => [a, change(a)]),
)

test('dpkg --compare-versions agrees on the vectors and 3,000 generated pairs', needs('dpkg'), async () => {
  const pairs = fc.sample(pair, { numRuns: 3000, seed: 20_261_123 })
  pairs.push(...vectors.map(([a, , b]) => [a, b] as [string, string]))
  const claims = pairs.map(([a, b]) => {
    const relation = ['lt', 'eq', 'gt'][Math.sign(compareVersions(a, b)) + 1]
    return `dpkg --compare-versions '${a}' ${relation} '${b}' || echo '${a} is not ${relation} ${b}'`
  })
  assert.ok(pairs.filter(([a, b]) => compareVersions(a, b) === 0).length > 100, 'enough equal pairs')
  const half = claims.length / 2
  const denials = await Promise.all([shell(claims.slice(0, half)), shell(claims.slice(half))])
  // dpkg warns about a1 (a version should begin with a digit) and compares it all the same.
  assert.deepEqual(
    denials
      .join('')
      .split('\n')
      .filter((line) => line !== ''),
    [],
  )
})

async function shell(commands: readonly string[]): Promise<string> {
  const child = execFile('sh', ['-s'])
  const output = text(child.stdout!)
  child.stdin!.end(commands.join('\n'))
  return output
}

test('the order is one: antisymmetric and transitive', () => {
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      const ab = Math.sign(compareVersions(a, b))
      assert.equal(ab, 0 - Math.sign(compareVersions(b, a)))
      if (ab <= 0 && compareVersions(b, c) <= 0) assert.ok(compareVersions(a, c) <= 0)
    }),
  )
})

test('parts are split at the first colon and the last hyphen; the rest is refused', () => {
  assert.deepEqual(parseVersion('2:1.0-rc-3'), { epoch: 2, upstream: '1.0-rc', revision: '3' })
  assert.deepEqual(parseVersion('1:2:3'), { epoch: 1, upstream: '2:3', revision: '' })
  for (const bad of [
    '',
    '1.0:2-1',
    'x:1',
    ':1',
    '1:',
    '1.0-',
    '-1',
    '1 0',
    '1.0\n',
    '3000000000:1',
    '1_0',
    '1.0/2',
  ]) {
    assert.equal(parseVersion(bad), null, JSON.stringify(bad))
  }
})

test('the highest version wins by order, not by text', () => {
  assert.equal(highestVersion(['1.9', '1.10', '1.10~rc1']), '1.10')
  assert.equal(highestVersion([]), undefined)
})
