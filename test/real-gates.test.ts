// Gates on real packages: this host's main suite, then the same with its security suite folded in and signed anew.
// Skipped where no upstream can be reached.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { CheckResult } from '../src/actions/channel-check.ts'
import type { PendingResult } from '../src/actions/pending.ts'
import type { PromoteResult } from '../src/actions/promote.ts'
import { FakeArchive } from './rig/archive.ts'
import { needs, run } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'
import { hostArchives, hostConfig } from './rig/upstream.ts'

/** DESIGN §8: what the jobs process may take. */
const jobsBudgetBytes = 350e6

const hostText = await hostConfig()
const archives = hostText === null ? [] : hostArchives(hostText)
const security = archives.flatMap((one) =>
  one.suites
    .filter((suite) => suite.endsWith('-security'))
    .map((suite) => ({ uri: one.uris[0]!.uri, suite })),
)[0]
const skip = security === undefined ? 'no upstream with a security suite can be reached' : needs('pgrep').skip

async function packagesOf(uri: string, suite: string): Promise<string | null> {
  const answer = await fetch(`${uri}/dists/${suite}/main/binary-amd64/Packages.gz`)
  if (answer.ok) return gunzipSync(Buffer.from(await answer.arrayBuffer())).toString('latin1')
  const xz = await fetch(`${uri}/dists/${suite}/main/binary-amd64/Packages.xz`)
  if (!xz.ok) return null
  const { XzDecompressor } = await import('@napi-rs/lzma')
  const decoder = new XzDecompressor()
  const head = decoder.update(Buffer.from(await xz.arrayBuffer()))
  return Buffer.concat([head, await decoder.finish()]).toString('latin1')
}

test('pending, explain and promotions of real packages', { skip }, async (t) => {
  const main = await packagesOf(archives[0]!.uris[0]!.uri, archives[0]!.suites[0]!)
  const fixes = await packagesOf(security!.uri, security!.suite)
  assert.ok(main !== null && fixes !== null)
  const names = new Set(main.split('\n\n').map((stanza) => /^Package: (.*)$/m.exec(stanza)?.[1]))
  const known = fixes.split('\n\n').filter((stanza) => names.has(/^Package: (.*)$/m.exec(stanza)?.[1]))
  await using archive = await FakeArchive.start()
  await archive.publish('stable', { components: { main: { amd64: Buffer.from(main, 'latin1') } } })
  await using server = await TestServer.start({ archives: [{ archive }] })
  await server.json('update')
  const folded = `${main.trimEnd()}\n\n${known.join('\n\n').trim()}\n`
  await archive.publish('stable', {
    components: { main: { amd64: Buffer.from(folded, 'latin1') } },
    date: Date.now() + 1000,
  })
  await server.json('update')
  const timed = async <R>(what: string, ...words: string[]): Promise<R> => {
    const at = performance.now()
    const result = await server.json<R>(...words)
    t.diagnostic(`${what}: ${((performance.now() - at) / 1000).toFixed(2)} s`)
    return result
  }
  const { items } = await timed<PendingResult>('pending, the first time', 'pending')
  await timed('pending, again', 'pending')
  assert.ok(items.length > 50, `${items.length} sources wait`)
  const byState = Map.groupBy(items, (item) => item.state)
  t.diagnostic([...byState].map(([state, some]) => `${some.length} ${state}`).join(', '))
  for (const item of items) {
    assert.match(item.kind, /^(update|late-binaries)$/, item.source)
    const installable = item.verdicts.find((verdict) => verdict.gate === 'installable')!
    if (installable.state === 'blocked')
      assert.match(installable.sentence, /^Breaks by itself: .+ (depends|on|conflicts) /)
  }
  const blocked = items.find((item) => item.state === 'blocked')
  const explained = await timed<PendingResult>('explain', 'explain', blocked?.source ?? items[0]!.source)
  assert.ok(explained.items[0]!.verdicts.length >= 8)
  const ready = items.filter((item) => item.state === 'ready').map((item) => item.source)
  const ten = await timed<PromoteResult>('promote 10', 'promote', ...ready.slice(0, 10))
  assert.equal(ten.items.length, 10)
  await timed('promote one more', 'promote', ready[10]!)
  const rest = await timed<PromoteResult>('promote all', 'promote', '@all')
  assert.equal(rest.status, 'done')
  const [before, after] = [
    await timed<CheckResult>('check testing', 'channel', 'check', 'testing'),
    await timed<CheckResult>('check approved', 'channel', 'check', 'approved'),
  ]
  // Nothing that testing can install is broken in approved.
  const key = (one: CheckResult['items'][number]) => `${one.package} ${one.version}`
  const broken = new Set(before.items.map(key))
  assert.deepEqual(
    after.items.filter((one) => !broken.has(key(one))),
    [],
  )
  t.diagnostic(`${after.items.length} packages cannot be installed in either`)
  const pid = (await run('pgrep', ['-P', String(server.pid)])).stdout.trim()
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
  t.diagnostic(`jobs process: at most ${(peak / 1e6).toFixed(0)} MB`)
  t.diagnostic(`budget: ${jobsBudgetBytes / 1e6} MB`)
})
