import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '../lib/digest.ts'
import { classify } from './classify.ts'
import type { Stanza } from './entry.ts'

interface Short {
  name?: string
  version: string
  source?: string
  sourceVersion?: string
  suite?: number
  content?: string
}

function aStanza({
  name = 'foo',
  version,
  source = 'foo',
  sourceVersion,
  suite = 1,
  content = '',
}: Short): Stanza {
  const file = sha256(`${name} ${version} ${content}`)
  return {
    id: Number.parseInt(file.slice(0, 8), 16),
    indexId: suite * 10,
    indexArchitecture: 'amd64',
    suiteId: suite,
    archiveId: 1,
    name,
    version,
    architecture: 'amd64',
    source,
    sourceVersion: sourceVersion ?? version,
    sha256: file,
  }
}

const backports = 9

/** Kinds and versions of what waits, newest first. */
function waiting(feeding: Short[], target: Short[], isKnown = target.length > 0): string[] {
  return classify({
    feeding: feeding.map(aStanza),
    target: target.map(aStanza),
    isKnown,
    isHeldNow: () => false,
    classOf: (suiteId) => (suiteId === backports ? 'backports' : 'normal'),
  }).map((change) => `${change.kind} ${change.version}`)
}

for (const [what, feeding, target, expected] of [
  ['the same', [{ version: '1' }], [{ version: '1' }], []],
  ['a newer version', [{ version: '2' }], [{ version: '1' }], ['update 2']],
  ['a source nobody had', [{ version: '1' }], [], ['new 1']],
  ['two newer versions', [{ version: '2' }, { version: '3' }], [{ version: '1' }], ['update 3', 'update 2']],
  [
    'a lower version in another suite',
    [
      { version: '1.2', suite: 1 },
      { version: '1.1', suite: 2 },
    ],
    [{ version: '1.2', suite: 1 }],
    [],
  ],
  [
    'an update beside a higher backport',
    [
      { version: '1.3', suite: 1 },
      { version: '2.0', suite: backports },
    ],
    [
      { version: '1.2', suite: 1 },
      { version: '2.0', suite: backports },
    ],
    ['update 1.3'],
  ],
  [
    'another binary of the version that is there',
    [{ version: '1' }, { name: 'foo-doc', version: '1' }],
    [{ version: '1' }],
    ['late-binaries 1'],
  ],
  ['a rebuild', [{ version: '1+b1', sourceVersion: '1' }], [{ version: '1' }], ['late-binaries 1']],
  ['other bytes', [{ version: '1', content: 'x' }], [{ version: '1' }], ['republished 1']],
  ['nothing left', [], [{ version: '1' }], ['remove 1']],
  ['a lower version', [{ version: '1' }], [{ version: '2' }], ['downgrade 1']],
  [
    'a withdrawn update over a release that is there',
    [{ version: '1', suite: 1 }],
    [
      { version: '1', suite: 1 },
      { version: '2', suite: 2 },
    ],
    ['downgrade 1'],
  ],
  [
    'a withdrawn backport',
    [{ version: '1', suite: 1 }],
    [
      { version: '1', suite: 1 },
      { version: '2', suite: backports },
    ],
    ['remove 2'],
  ],
  [
    'an old kernel that upstream dropped',
    [{ name: 'image-2', version: '2' }],
    [
      { name: 'image-2', version: '2' },
      { name: 'image-1', version: '1' },
    ],
    ['remove 1'],
  ],
  [
    'an old kernel while a new one waits',
    [{ name: 'image-2', version: '2' }],
    [{ name: 'image-1', version: '1' }],
    ['update 2'],
  ],
] as [string, Short[], Short[], string[]][]) {
  test(`${what}: ${expected.join(', ') || 'nothing waits'}`, () => {
    assert.deepEqual(waiting(feeding, target), expected)
  })
}

test('a source that another archive of the release has already is an update, not new', () => {
  assert.deepEqual(waiting([{ version: '2' }], [], true), ['update 2'])
})
