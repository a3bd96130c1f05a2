// Snapshots by URL: which one answers for a time, and that what is signed of it stays acceptable for ever.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signedFile } from '../src/actions/snapshot-envelopes.ts'
import { system } from '../src/jobs.ts'
import { formatSnapshotId } from '../src/lib/units.ts'
import type { SignedFile } from '../src/repo/published.ts'
import { AptRoot } from './rig/apt.ts'
import { FakeArchive } from './rig/archive.ts'
import { day, hour, minute } from './rig/clock.ts'
import { described } from './rig/indexes.ts'
import { packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { Rig } from './rig/rig.ts'
import { Serving } from './rig/serving.ts'

async function withTwoSnapshots(
  story: (rig: Rig, ids: readonly [string, string]) => Promise<void>,
): Promise<void> {
  await using archive = await FakeArchive.start()
  await using rig = await Rig.open({ archives: [{ archive }], channels: { testing: '{from: upstream}' } })
  const offer = async (version: string) => {
    const content = { components: { main: { amd64: packages(`bash ${version}`) } } }
    await archive.publish('stable', { ...content, date: rig.clock.now() - hour })
    await rig.mustUpdate()
    return rig.process.context.published().channels.get('testing')!.head!.id
  }
  const first = await offer('1')
  rig.clock.advance(day)
  await story(rig, [first, await offer('2')])
}

function find(rig: Rig, time: number | string) {
  const published = rig.process.context.published()
  const id = typeof time === 'string' ? time : formatSnapshotId(time)
  const found = published.findSnapshot(published.channels.get('testing')!, id)
  return found.type === 'snapshot' ? found.id : found.why
}

test('a time is answered by the newest snapshot at or before it', async () => {
  await withTwoSnapshots(async (rig, [first, second]) => {
    const { at } = rig.store.channels.head(rig.store.channels.find('testing')!.id)!
    assert.equal(find(rig, first), first)
    assert.equal(find(rig, second), second)
    assert.equal(find(rig, at - 1000), first, 'the second is settled: nothing comes before it any more')
    assert.match(find(rig, at - 2 * day), /has nothing as old as/)
    assert.match(find(rig, 'yesterday'), /is no time like/)
    // A commit that is under way may still bear this time.
    assert.match(find(rig, at + 1000), /is not known yet/)
    rig.clock.advance(minute)
    assert.equal(find(rig, at + 1000), second)
    assert.match(find(rig, rig.clock.now() + 1000), /is not known yet/)
  })
})

test("a snapshot's signature is renewed before clients refuse its age, and its content stays", async () => {
  await withTwoSnapshots(async (rig, [first]) => {
    const { published, jobs } = rig.process.context
    const channel = published().channels.get('testing')!
    const snapshot = published().findSnapshot(channel, first)
    assert.ok(snapshot.type === 'snapshot')
    const file = snapshot.archives.get('test')!.files.get('dists/stable/Release')
    assert.ok(file?.type === 'signed')
    const read = async (name: SignedFile['name']) => {
      const { bytes } = await signedFile(
        { ...file, name },
        {
          reader: rig.process.network.reader,
          jobs,
          call: { actor: system, emit: () => {} },
          channels: rig.config.channels,
          link: null,
          now: () => rig.clock.now(),
        },
      )
      return bytes.toString()
    }
    const text = await read('Release')
    assert.doesNotMatch(text, /^Valid-Until/m)
    const inRelease = await read('InRelease')
    assert.ok(inRelease.includes(text.trimEnd()), 'signed together')
    rig.clock.advance(20 * day)
    assert.equal(await read('Release'), text, 'not older than half of 45 days')
    rig.clock.advance(3 * day)
    const renewed = await read('Release')
    const dateOf = (release: string) => Date.parse(/^Date: (.*)$/m.exec(release)![1]!)
    assert.equal(dateOf(renewed), rig.clock.now() - minute)
    assert.equal(renewed.replace(/^Date: .*$/m, ''), text.replace(/^Date: .*$/m, ''))
  })
})

test('apt before `--snapshot` takes an entry that is pinned to a snapshot', needs('apt-get'), async () => {
  await using serving = await Serving.start([described('bash', '1', 'bash')])
  const { server } = serving
  const { items } = await server.json<{ items: { id: string }[] }>('snapshot', 'list', 'approved')
  await serving.offer([described('bash', '2', 'bash')])
  await server.call('promote', { selectors: ['bash'] })
  using apt = new AptRoot()
  apt.setSources(await server.text(`/approved.sources?snapshot=${items[0]!.id}`))
  await apt.update()
  assert.equal(await apt.candidate('bash'), '1')
  assert.deepEqual(await apt.download('bash'), ['bash 1'])
  await apt.update()
  apt.setSources(await server.text('/approved.sources'))
  await apt.update()
  assert.equal(await apt.candidate('bash'), '2')
  const { status } = await server.get('/approved.sources?snapshot=20000101T000000Z')
  assert.equal(status, 404)
})
