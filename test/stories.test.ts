// What administrators do, from the command line to the machines: real apt beside a real server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { DecideResult } from '../src/actions/decide.ts'
import type { PromoteResult } from '../src/actions/promote.ts'
import type { RollbackResult, SnapshotEntry } from '../src/actions/snapshots.ts'
import { aPackage, packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { play } from './rig/scene.ts'

test('Andrew tries an update, approves it for later, and takes it back', needs('apt-get'), async () => {
  await play(
    packages('editor 1', 'viewer 1'),
    'gates: {soak: [{source: editor, for: 5s}]}',
    async (scene) => {
      const { server, machine } = scene
      assert.deepEqual(await (await machine('approved')).download('editor'), ['editor 1'])
      await scene.offer(packages('editor 2', 'viewer 1'))
      const tester = await machine('testing')
      assert.deepEqual(await tester.download('editor'), ['editor 2'])
      const desk = await machine('approved')
      assert.equal(await desk.candidate('editor'), '1', 'not yet')

      const decided = await server.json<DecideResult>('approve', 'editor')
      if (decided.snapshot === null) assert.match(decided.waiting[0]!.why[0]!, /of 5s, until/)
      for (let turns = 0; turns < 100 && (await desk.candidate('editor')) !== '2'; turns++) {
        await setTimeout(200)
        await server.json('update')
        await desk.update()
      }
      assert.deepEqual(await desk.download('editor'), ['editor 2'], 'by itself, when its time had come')

      const { items } = await server.json<{ items: SnapshotEntry[] }>('snapshot', 'list', 'approved')
      const before = items[1]!.id
      const back = await server.json<RollbackResult>(
        'snapshot',
        'rollback',
        'approved',
        before,
        '--reason',
        'it crashes',
      )
      assert.equal(back.status, 'done')
      await desk.update()
      assert.equal(await desk.candidate('editor'), '1')
      await server.json('update')
      await desk.update()
      assert.equal(await desk.candidate('editor'), '1', 'and it does not come back by itself')
    },
  )
})

test(
  'half a family would leave machines with what cannot be installed; the whole of it can',
  needs('apt-get'),
  async () => {
    const family = (version: string) => [
      aPackage({ name: 'app', version, depends: `lib (= ${version})` }),
      aPackage({ name: 'lib', version }),
    ]
    await play(family('1'), '', async ({ server, offer, machine }) => {
      await offer(family('2'))
      const refused = await server.uus('promote', 'app')
      assert.equal(refused.status, 3)
      assert.match(refused.output, /app 2 depends on lib \(= 2\), which is not there: there is lib 1/)
      assert.match(refused.output, /Enters together with lib=2: add --with-deps/)
      assert.deepEqual((await (await machine('approved')).download('app')).sort(), ['app 1', 'lib 1'])
      await server.json<PromoteResult>('promote', 'app', '--with-deps')
      assert.deepEqual((await (await machine('approved')).download('app')).sort(), ['app 2', 'lib 2'])
    })
  },
)

test(
  'a security fix goes through a freeze at once, and everybody can see who did it',
  needs('apt-get'),
  async (t) => {
    const today = new Date().toISOString().slice(0, 10)
    const freeze = `gates: {approvals: 2, soak: 7d, freeze: [{from: 2020-01-01, to: ${Number(today.slice(0, 4)) + 1}-12-31, reason: audit}]}`
    await play(packages('openssl 1'), freeze, async ({ server, offer, machine }) => {
      await offer(packages('openssl 2'))
      const refused = await server.uus('promote', 'openssl')
      assert.equal(refused.status, 3)
      for (const why of [/one more person/, /of 7d, until/, /Frozen until .*: audit/])
        assert.match(refused.output, why)
      const at = performance.now()
      await server.json('promote', 'openssl', '--force', '--reason', 'CVE-2026-1234 is exploited')
      const seconds = (performance.now() - at) / 1000
      const desk = await machine('approved')
      assert.deepEqual(await desk.download('openssl'), ['openssl 2'])
      t.diagnostic(`from the command to a published approved: ${seconds.toFixed(2)} s`)
      assert.ok(seconds < 60)
      const { items } = await server.json<{ items: { action: string; reason: string; details: object }[] }>(
        'audit',
      )
      const row = items.find((one) => one.action === 'promote --force')
      assert.equal(row?.reason, 'CVE-2026-1234 is exploited')
      assert.match(JSON.stringify(row?.details), /Frozen until/)
    })
  },
)
