// Who is let in, by rules of the configuration and by those that a master told.
import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { sha256 } from '../lib/digest.ts'
import type { FollowedArchive } from '../store/followed.ts'
import { createAccess, FollowedRules, type Guarded } from './access.ts'
import { ConfiguredRules } from './configured-rules.ts'

const request = (remoteAddress: string | undefined, headers: Record<string, string> = {}) =>
  ({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage
const place: Guarded = { channel: 'approved', archive: 'vendor' }
const networks = ['10.1.0.0/16', '2001:db8:5::/48', '192.0.2.7']

const followed = (access: FollowedArchive['access']) => {
  const rules = new FollowedRules()
  rules.set([['approved', [{ name: 'vendor', access, uris: [] }]]])
  return rules
}

test('addresses are judged alike on master and slave, in all their notations', async () => {
  using configured = await ConfiguredRules.open([{ archive: 'vendor', networks, tokensFile: null }], {
    onChange: () => {},
    onError: assert.fail,
  })
  const cases: [address: string | undefined, isIn: boolean][] = [
    ['10.1.255.9', true],
    ['10.2.0.1', false],
    ['::ffff:10.1.2.3', true],
    ['::FFFF:10.1.2.3', true],
    ['::ffff:10.2.2.3', false],
    ['2001:db8:5::1', true],
    ['2001:db8:5:ffff:ffff::1', true],
    ['2001:db8:6::1', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['::1', false],
    ['', false],
    [undefined, false],
  ]
  for (const rules of [configured, followed({ networks, tokens: [] })]) {
    const access = createAccess(rules, () => false)
    for (const [address, isIn] of cases)
      assert.equal(access.admits(request(address), place), isIn, String(address))
    // What a proxy says of whom it speaks for could be said by anybody.
    const claimed = request('10.2.0.1', { 'x-forwarded-for': '10.1.0.1', forwarded: 'for=10.1.0.1' })
    assert.equal(access.admits(claimed, place), false)
    assert.equal(access.admits(request('10.2.0.1'), { ...place, archive: 'open' }), true)
  }
})

test('a rule counts for its channel; one that is not understood lets in nobody but slaves', () => {
  const tokens = [sha256('right')]
  const asking = request('10.1.0.1', { authorization: 'Bearer right' })
  assert.equal(createAccess(followed({ networks: [], tokens }), () => false).admits(asking, place), true)
  const closed = createAccess(followed('closed'), () => false)
  assert.equal(closed.admits(asking, place), false)
  assert.equal(closed.admits(asking, { ...place, channel: 'testing' }), true)
  const asked: string[] = []
  const forSlaves = createAccess(followed('closed'), (_request, token, channel) => {
    asked.push(`${token} ${channel}`)
    return true
  })
  assert.equal(forSlaves.admits(asking, place), true)
  assert.deepEqual(asked, ['right approved'])
  assert.equal(forSlaves.admits(request('10.1.0.1'), place), false, 'shows nothing')
})
