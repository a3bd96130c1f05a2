// What a manifest says of who may have an archive's files, and what is made of what is not understood.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '../../lib/digest.ts'
import { type Manifest, type ManifestAccess, parseManifest, renderManifest } from './manifest.ts'

const digest = sha256('token')

function aManifest(access: ManifestAccess | null): Manifest {
  return {
    channel: 'approved',
    date: Date.UTC(2026, 10, 23),
    validUntil: null,
    snapshot: { id: '20261123T170547Z', previous: null, kind: 'promotion', entered: 1, left: 0 },
    keepSeconds: 60,
    validForSeconds: null,
    keys: [],
    archives: [{ name: 'vendor', isLocal: false, access, uris: [] }],
    suites: [],
    blocked: [],
  }
}

/** What is understood of a manifest with that rule. */
function readAs(access: unknown): ManifestAccess | null {
  const raw = JSON.parse(renderManifest(aManifest(null))) as { archives: Record<string, unknown>[] }
  if (access === undefined) delete raw.archives[0]!.access
  else raw.archives[0]!.access = access
  return parseManifest(JSON.stringify(raw), 'a manifest').archives[0]!.access
}

test('rules come back as they were written; a master of before has none', () => {
  for (const access of [null, 'closed', { networks: ['10.0.0.0/8', '::1'], tokens: [digest] }] as const)
    assert.deepEqual(parseManifest(renderManifest(aManifest(access)), 'it'), aManifest(access))
  assert.equal(readAs(undefined), null)
})

test('a rule of which anything is not understood is closed', () => {
  const right = { networks: ['10.0.0.0/8'], tokens: [digest] }
  assert.deepEqual(readAs(right), right)
  for (const wrong of [
    true,
    'everybody',
    3,
    [],
    {},
    { networks: right.networks },
    { tokens: right.tokens },
    { ...right, hours: '8-17' },
    { ...right, networks: ['10.0.0.0/33'] },
    { ...right, networks: ['office.example.org'] },
    { ...right, networks: '0.0.0.0/0' },
    { ...right, tokens: ['token'] },
    { ...right, tokens: [digest, null] },
  ])
    assert.equal(readAs(wrong), 'closed', JSON.stringify(wrong))
})
