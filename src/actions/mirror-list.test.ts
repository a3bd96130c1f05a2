import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PublicSlave } from '../config/tiers.ts'
import type { Slave } from '../store/slaves.ts'
import { type MirrorFacts, renderMirrorList } from './mirror-list.ts'

const now = Date.UTC(2026, 10, 23)
const snapshot = '20261122T120000Z'

function place(name: string, networks: readonly string[], countries: readonly string[]): PublicSlave {
  return { name, url: `http://${name}`, networks, countries }
}

function slave(name: string, { id = snapshot, contactAt = now as number | null } = {}): Slave {
  const channels = [{ name: 'approved', snapshot: id, oldest: null, date: null, problem: null }]
  const report = { version: '1', server: name, channels, diskFreeBytes: null, cacheBytes: null, below: [] }
  return { id: 1, name, channels: ['approved'], addedAt: 0, contactAt, report }
}

const facts: MirrorFacts = {
  places: [
    place('oslo', ['10.1.0.0/16', '2001:db8:1::/48'], ['no']),
    place('berlin', ['10.2.0.0/16'], ['de', 'at']),
    place('anywhere', [], []),
  ],
  slaves: [slave('oslo'), slave('berlin'), slave('anywhere')],
  snapshot,
  now,
  baseUrl: 'http://master',
}

function order(address: string | null, country: string | null, more: Partial<MirrorFacts> = {}): string[] {
  const question = { channel: 'approved', archive: 'ubuntu', address, country }
  return renderMirrorList(question, { ...facts, ...more })
    .trimEnd()
    .split('\n')
    .map((line) => /^http:\/\/([^/]+)\/approved\/ubuntu\tpriority:\d$/.exec(line)![1]!)
}

test("the client's network comes before its country, that before the others, and this server last", () => {
  assert.deepEqual(order('10.2.3.4', 'no'), ['berlin', 'oslo', 'anywhere', 'master'])
  assert.deepEqual(order('::ffff:10.2.3.4', null), ['berlin', 'oslo', 'anywhere', 'master'])
  assert.deepEqual(order('2001:db8:1::7', null), ['oslo', 'berlin', 'anywhere', 'master'])
  assert.deepEqual(order('192.0.2.1', 'at'), ['berlin', 'oslo', 'anywhere', 'master'])
  assert.deepEqual(order(null, null), ['oslo', 'berlin', 'anywhere', 'master'])
})

test('a slave that is behind, silent, revoked or not of this channel is not named', () => {
  const slaves = [slave('oslo', { id: '20261121T120000Z' }), slave('berlin', { contactAt: now - 600_000 })]
  assert.deepEqual(order('10.1.0.1', 'no', { slaves }), ['master'])
  assert.deepEqual(order(null, null, { slaves: [slave('berlin', { contactAt: null })] }), ['master'])
})
