// Package files that are here before anybody asks: the last chance, snapshot services, what was promoted, prefetching.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DecideResult } from '../src/actions/decide.ts'
import type { PendingResult } from '../src/actions/pending.ts'
import type { PromoteResult } from '../src/actions/promote.ts'
import type { RollbackResult } from '../src/actions/snapshots.ts'
import type { StatusResult } from '../src/actions/status.ts'
import { sha256 } from '../src/lib/digest.ts'
import { UusError } from '../src/lib/errors.ts'
import { formatSnapshotId } from '../src/lib/units.ts'
import { retainedFiles } from '../src/repo/ahead-files.ts'
import { type NeededFile, neededFiles } from '../src/repo/needed-files.ts'
import { Unoffered } from '../src/repo/unoffered.ts'
import { FakeArchive } from './rig/archive.ts'
import { hour, minute } from './rig/clock.ts'
import { type BuiltPackage, packages } from './rig/packages.ts'
import { aBody } from './rig/pool.ts'
import { Rig, type RigOptions } from './rig/rig.ts'
import { seeded } from './rig/seeded.ts'
import { TestServer } from './rig/server.ts'

interface Fixture extends AsyncDisposable {
  readonly archive: FakeArchive
  readonly rig: Rig
  /** Upstream offers this now, and has the files of nothing else any more. */
  offer(...names: string[]): Promise<void>
  /** Ends when nothing is being fetched. */
  settled(): Promise<void>
  /** Requests for package files since the last call, `name status`. */
  asked(): string[]
}

async function offering(
  names: readonly string[],
  options: Partial<RigOptions> & { archiveMore?: readonly string[] } = {},
): Promise<Fixture> {
  const stack = new AsyncDisposableStack()
  const { archiveMore = [], ...others } = options
  try {
    const archive = stack.use(await FakeArchive.start())
    let offered = packages(...names)
    const publish = () => archive.publish('stable', { components: { main: { amd64: offered } } })
    await publish()
    const rig = stack.use(await Rig.open({ archives: [{ archive, more: archiveMore }], ...others }))
    await rig.mustUpdate()
    await rig.process.network.supply.idle()
    archive.takeRequests()
    const owned = stack.move()
    return {
      archive,
      rig,
      offer: async (...now) => {
        offered = packages(...now)
        await publish()
      },
      settled: () => rig.process.network.supply.idle(),
      asked: () => filesAsked(archive),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

function filesAsked(archive: FakeArchive): string[] {
  return archive
    .takeRequests()
    .filter((line) => line.includes('pool/'))
    .map((line) => line.replace(/^GET .*\/(\w+_[^_]+)_amd64\.deb/, '$1'))
    .sort()
}

const fileOf = (name: string) => packages(name)[0]!
const isHere = ({ rig }: Fixture, name: string) =>
  rig.process.network.packages.isHere(sha256(fileOf(name).file))

test('what upstream drops and a gated channel still names is fetched at once', async () => {
  await using one = await offering(['bash 5.1', 'vim 9.0', 'nano 7.0'])
  await one.offer('bash 5.2', 'vim 9.1', 'nano 7.0')
  await one.rig.mustUpdate()
  await one.settled()
  assert.deepEqual(one.asked(), ['bash_5.1 200', 'vim_9.0 200'])
  assert.ok(isHere(one, 'bash 5.1') && isHere(one, 'vim 9.0'))
  const { files, alarms } = await one.rig.call<StatusResult>('status')
  assert.deepEqual([files.keptFiles, files.atRisk, files.lost, alarms], [2, [], [], []])
  await one.rig.mustUpdate()
  await one.settled()
  assert.deepEqual(one.asked(), [], 'once')
})

test('a candidate that is superseded while it waits can still be promoted', async () => {
  await using one = await offering(['bash 5.1'])
  await one.offer('bash 5.2')
  await one.rig.mustUpdate()
  const then = one.rig.store.channels.head(one.rig.store.channels.find('testing')!.id)!
  one.rig.clock.advance(hour)
  await one.offer('bash 5.3')
  await one.rig.mustUpdate()
  await one.settled()
  one.archive.removeFile(fileOf('bash 5.2').path)
  const result = await one.rig.call<PromoteResult>('promote', { selectors: ['bash'], asOf: then.id })
  assert.deepEqual([result.status, one.rig.shows('approved', 'stable')], ['done', ['bash 5.2']])
  assert.ok(isHere(one, 'bash 5.2'))
})

test('what cannot be had any more is an alarm, and neither fails nor delays the update', async () => {
  await using one = await offering(['bash 5.1', 'vim 9.0'])
  await one.offer('bash 5.2', 'vim 9.0')
  one.archive.removeFile(fileOf('bash 5.1').path)
  const blocked = Promise.withResolvers<void>()
  one.archive.lie(/bash_5\.1/, { type: 'wait', until: blocked.promise })
  const { items } = await one.rig.mustUpdate()
  assert.deepEqual([items[0]?.outcome, one.rig.shows('testing', 'stable')[0]], ['adopted', 'bash 5.2'])
  const before = await one.rig.call<StatusResult>('status')
  assert.deepEqual(
    before.files.atRisk.map(({ path, error }) => [path, error]),
    [[fileOf('bash 5.1').path, null]],
  )
  blocked.resolve()
  await one.settled()
  assert.deepEqual(one.asked(), ['bash_5.1 404'], 'final at once')
  const after = await one.rig.call<StatusResult>('status')
  const [lost] = after.files.lost
  assert.deepEqual([lost?.channel, lost?.source, lost?.version], ['approved', 'bash', '5.1'])
  assert.match(lost?.error ?? '', /404/)
  assert.deepEqual(
    after.alarms.map(({ key }) => key),
    ['files:approved'],
  )
  assert.match(after.alarms[0]!.message, /1 package file .* is lost: bash 5\.1/)
  await one.rig.promote('bash')
  await one.settled()
  const over = await one.rig.call<StatusResult>('status')
  assert.deepEqual([over.alarms, over.files.lost], [[], []], 'nobody needs it any more')
})

test('a busy upstream is asked again; until then the file is at risk', async () => {
  await using one = await offering(['bash 5.1'])
  await one.offer('bash 5.2')
  one.archive.lie(/bash_5\.1/, { type: 'status', status: 503, headers: { 'Retry-After': '120' } })
  await one.rig.mustUpdate()
  await one.settled()
  const before = await one.rig.call<StatusResult>('status')
  assert.deepEqual([before.files.atRisk.length, before.files.lost.length], [1, 0])
  assert.match(before.alarms[0]!.message, /is not here yet: bash 5\.1/)
  one.archive.behave()
  one.rig.clock.advance(10 * minute)
  await one.rig.mustUpdate()
  await one.settled()
  assert.ok(isHere(one, 'bash 5.1'))
  assert.deepEqual((await one.rig.call<StatusResult>('status')).alarms, [])
})

test('404 goes to the snapshot service, with a time at which the archive had the file', async () => {
  await using service = await FakeArchive.start()
  const root = service.url.replace(/\/debian$/, '')
  await using one = await offering(['bash 5.1'], {
    archiveMore: [`snapshot-uris: ["${root}/debian/at/@SNAPSHOTID@/@PATH@"]`],
  })
  const id = formatSnapshotId(one.rig.clock.now())
  one.rig.clock.advance(48 * hour)
  const { path, file } = fileOf('bash 5.1')
  const adopted = one.rig.store.channels.snapshots(one.rig.store.channels.upstream().id)[0]!
  service.addFile(`at/${formatSnapshotId(adopted.at + 6 * hour)}/debian/${path}`, file)
  assert.ok(adopted.id >= id)
  await one.offer('bash 5.2')
  one.archive.removeFile(path)
  await one.rig.mustUpdate()
  await one.settled()
  assert.deepEqual(one.asked(), ['bash_5.1 404'])
  assert.deepEqual(service.takeRequests(), [
    `GET at/${formatSnapshotId(adopted.at + 6 * hour)}/debian/${path} 200`,
  ])
  assert.ok(isHere(one, 'bash 5.1'))
  assert.deepEqual((await one.rig.call<StatusResult>('status')).alarms, [])
})

test('wrong bytes of a snapshot service are refused like any others', async () => {
  await using service = await FakeArchive.start()
  await using one = await offering(['bash 5.1'], {
    archiveMore: [`snapshot-uris: ["${service.url}/@SNAPSHOTID@"]`],
  })
  const { path, file } = fileOf('bash 5.1')
  service.lie(/./, { type: 'replace', body: Buffer.alloc(file.length, 7) })
  await one.offer('bash 5.2')
  one.archive.removeFile(path)
  await one.rig.mustUpdate()
  await one.settled()
  assert.ok(!isHere(one, 'bash 5.1'))
  assert.equal((await one.rig.call<StatusResult>('status')).files.keptFiles, 0)
})

test('gate obtainable: fetched first, or refused with the name of the file', async () => {
  await using one = await offering(['bash 5.1'])
  await one.offer('bash 5.2')
  await one.rig.mustUpdate()
  const then = one.rig.store.channels.head(one.rig.store.channels.find('testing')!.id)!
  one.rig.clock.advance(hour)
  await one.offer('bash 5.3')
  one.archive.removeFile(fileOf('bash 5.2').path)
  await one.rig.mustUpdate()
  await one.settled()
  const order = { selectors: ['bash'], asOf: then.id }
  const refused = await one.rig.call<PromoteResult>('promote', order)
  assert.equal(refused.status, 'refused')
  assert.match(
    refused.refused[0]!.why.join(),
    /does not offer any more cannot be had: bash_5\.2_amd64\.deb \(.*404/,
  )
  one.archive.addFile(fileOf('bash 5.2').path, fileOf('bash 5.2').file)
  const dry = await one.rig.call<PromoteResult>('promote', { ...order, dryRun: true })
  assert.equal(dry.status, 'done', 'what is fetched by then')
  assert.equal((await one.rig.call<PromoteResult>('promote', order)).status, 'done')
})

test('what upstream offers passes the gate without being here', async () => {
  await using one = await offering(['bash 5.1'])
  await one.offer('bash 5.2')
  await one.rig.mustUpdate()
  const { items } = await one.rig.call<PendingResult>('pending')
  assert.deepEqual(
    items[0]!.verdicts.filter(({ gate }) => gate === 'obtainable').map(({ state }) => state),
    ['pass'],
  )
  assert.ok(!isHere(one, 'bash 5.2'))
})

test('an approval fetches first what it lets in', async () => {
  await using one = await offering(['bash 5.1'], { archiveMore: ['fetch: on-demand'] })
  await one.offer('bash 5.2')
  await one.rig.mustUpdate()
  await one.rig.call('hold', { selectors: ['bash'], to: 'testing', reason: 'wait' })
  await one.offer('bash 5.3')
  await one.rig.mustUpdate()
  await one.settled()
  await one.rig.process.network.packages.delete(sha256(fileOf('bash 5.2').file))
  const result = await one.rig.call<DecideResult>('approve', { selectors: ['bash'] })
  assert.deepEqual([result.status, result.waiting], ['done', []])
  assert.deepEqual(one.rig.shows('approved', 'stable'), ['bash 5.2'])
  assert.ok(isHere(one, 'bash 5.2'))
})

test('a rollback fetches what it needs, and is refused where that cannot be had', async () => {
  await using one = await offering(['bash 5.1'])
  const good = one.rig.store.channels.head(one.rig.store.channels.find('testing')!.id)!
  one.rig.clock.advance(hour)
  await one.offer('bash 5.2')
  await one.rig.mustUpdate()
  await one.rig.promote('bash')
  await one.settled()
  await one.rig.process.network.packages.delete(sha256(fileOf('bash 5.1').file))
  const { path, file } = fileOf('bash 5.1')
  one.archive.removeFile(path)
  const order = { channel: 'testing', id: good.id, reason: 'broken' }
  await assert.rejects(one.rig.call('snapshot rollback', order), { code: 'GATE_REFUSED' })
  one.archive.addFile(path, file)
  assert.equal((await one.rig.call<RollbackResult>('snapshot rollback', order)).status, 'done')
  assert.ok(isHere(one, 'bash 5.1'))
})

test('small archives: what is promoted is fetched right then; with on-demand it is not', async () => {
  await using small = await offering(['bash 5.1', 'vim 9.0'])
  await small.offer('bash 5.2', 'vim 9.0')
  await small.rig.mustUpdate()
  await small.settled()
  assert.ok(!isHere(small, 'bash 5.2'))
  await small.rig.promote('bash')
  await small.settled()
  assert.ok(isHere(small, 'bash 5.2') && !isHere(small, 'vim 9.0'))
  await using lazy = await offering(['bash 5.1'], { archiveMore: ['fetch: on-demand'] })
  await lazy.offer('bash 5.2')
  await lazy.rig.mustUpdate()
  await lazy.rig.promote('bash')
  await lazy.settled()
  assert.ok(!isHere(lazy, 'bash 5.2'))
  await lazy.rig.restart({
    channels: { testing: '{from: upstream}', approved: '{from: testing, fetch: on-promote}' },
  })
  await lazy.rig.mustUpdate()
  await lazy.settled()
  assert.ok(isHere(lazy, 'bash 5.2'), 'the channel overrides it')
})

test('prefetch all: what enters the channel is here; outside its time nothing is', async () => {
  const channels = { testing: '{from: upstream, prefetch: all}', approved: '{from: testing}' }
  await using one = await offering(['bash 5.1'], {
    channels,
    more: ['limits: {prefetch: {from: "20:00", to: "06:00"}}'],
  })
  assert.ok(!isHere(one, 'bash 5.1'), 'it is noon')
  one.rig.clock.advance(9 * hour)
  await one.rig.mustUpdate()
  await one.settled()
  assert.ok(isHere(one, 'bash 5.1'))
  await one.offer('bash 5.2')
  await one.rig.mustUpdate()
  await one.settled()
  assert.ok(isHere(one, 'bash 5.2'))
  const { prefetchedFiles, prefetchedBytes, waitingFiles } = one.rig.process.network.supply.counts()
  const bytes = fileOf('bash 5.1').file.length + fileOf('bash 5.2').file.length
  assert.deepEqual([prefetchedFiles, prefetchedBytes, waitingFiles], [2, bytes, 0])
})

test('prefetch used: new versions of what clients of that channel asked for, right when they enter it', async () => {
  await using archive = await FakeArchive.start()
  const publish = (...names: string[]) =>
    archive.publish('stable', { components: { main: { amd64: packages(...names) } } })
  await publish('bash 5.1', 'vim 9.0')
  const channels = {
    testing: '{from: upstream, prefetch: used}',
    approved: '{from: testing, fetch: on-demand}',
  }
  await using server = await TestServer.start({ archives: [{ archive }], channels })
  await server.call('update')
  const get = async (name: string) =>
    assert.equal((await server.get(`/testing/test/${fileOf(name).path}`)).status, 200)
  await get('bash 5.1')
  await server.stop()
  await server.restart()
  archive.takeRequests()
  await publish('bash 5.2', 'vim 9.1')
  await server.call('update')
  const isDone = async () => {
    const { files } = await server.call<StatusResult>('status')
    return files.prefetchedFiles === 1
  }
  while (!(await isDone()));
  assert.deepEqual(
    filesAsked(archive),
    ['bash_5.1 200', 'bash_5.2 200', 'vim_9.0 200'].filter((line) => line !== 'bash_5.1 200'),
  )
  await get('bash 5.2')
  assert.deepEqual(filesAsked(archive), [], 'it was here')
  const metrics = await server.text('/metrics')
  assert.match(metrics, /^uus_prefetched_files_total 1$/m)
  assert.match(metrics, /^uus_files_kept \d$/m)
})

test('eviction leaves what upstream dropped: it is the only copy', async () => {
  const large = (name: string, version: string, seed: number): BuiltPackage => {
    const [built] = packages(`${name} ${version}`) as [BuiltPackage]
    const file = aBody(2 << 20, seed)
    const stanza = built.stanza
      .replace(/^Size: .*$/m, `Size: ${file.length}`)
      .replace(/^SHA256: .*$/m, `SHA256: ${sha256(file)}`)
    return { ...built, file, stanza }
  }
  const old = large('bash', '5.1', 1)
  const fresh = large('bash', '5.2', 2)
  const other = large('vim', '9.0', 3)
  await using archive = await FakeArchive.start()
  await archive.publish('stable', { components: { main: { amd64: [old, other] } } })
  await using server = await TestServer.start({
    archives: [{ archive, more: ['fetch: on-demand'] }],
    more: ['cache: {max-size: 3MiB}'],
  })
  await server.call('update')
  await server.bytes(`/approved/test/${old.path}`)
  await archive.publish('stable', { components: { main: { amd64: [fresh, other] } } })
  archive.removeFile(old.path)
  await server.call('update')
  for (const one of [other, fresh, other, fresh]) await server.bytes(`/testing/test/${one.path}`)
  const until = async (isSo: (status: StatusResult) => boolean) => {
    for (;;) {
      const status = await server.call<StatusResult>('status')
      if (isSo(status)) return status
    }
  }
  const status = await until(({ cache }) => (cache?.evictedFiles ?? 0) >= 1)
  assert.equal(status.files.keptFiles, 1)
  assert.ok((await server.bytes(`/approved/test/${old.path}`)).equals(old.file), 'it is the only copy')
  assert.ok(status.cache!.protectedBytes >= 2 << 20)
})

test('what is needed is the same whether it was remembered from look to look or is found anew', async () => {
  const at = seeded(7)
  const names = ['bash', 'vim', 'nano', 'mc', 'joe', 'zsh']
  const versions = new Map(names.map((name) => [name, 1]))
  const content = () => [...versions].map(([name, version]) => `${name} 1.${version}`)
  await using one = await offering(content())
  const { repo } = one.rig.process.jobs
  const approved = repo.store.channels.find('approved')!
  const testing = repo.store.channels.find('testing')!
  let most = 0
  let mostRetained = 0
  for (let step = 0; step < 60; step++) {
    const name = names[at(names.length)]!
    switch (at(6)) {
      case 0:
      case 1:
        versions.set(name, (versions.get(name) ?? 0) + 1)
        break
      case 2:
        if (versions.size > 3) versions.delete(name)
        break
      case 3:
        await one.rig.call('promote', { selectors: ['@all'], reason: 'test', force: true }).catch(refused)
        break
      case 4:
        await one.rig.call('promote', { selectors: [name], reason: 'test', force: true }).catch(refused)
        break
      default: {
        const snapshots = repo.store.channels.snapshots(approved.id)
        const { id } = snapshots[at(snapshots.length)]!
        await one.rig
          .call('snapshot rollback', { channel: 'approved', id, reason: 'test', force: true })
          .catch(refused)
      }
    }
    await one.offer(...content())
    if (at(3) > 0) await one.rig.mustUpdate()
    one.rig.clock.advance(minute)
    if (at(3) === 0) {
      const [built] = packages(`${name} 1.${versions.get(name) ?? 1}`)
      repo.store.db.write((tx) =>
        repo.store.supplies.recordUsed(tx, testing.id, [sha256(built!.file)], one.rig.clock.now()),
      )
    }
    const fresh = { ...repo, unoffered: new Unoffered(repo.store) }
    const retained = retainedFiles(repo).map(({ path }) => path)
    assert.deepEqual(
      retained.sort(),
      retainedFiles(fresh)
        .map(({ path }) => path)
        .sort(),
      `step ${step}`,
    )
    mostRetained = Math.max(mostRetained, retained.length)
    const remembered = neededFiles(repo)
    const anew = neededFiles(fresh)
    const byPath = (files: readonly NeededFile[]) =>
      files.map(({ path, channel }) => `${channel} ${path}`).sort()
    assert.deepEqual(byPath(remembered), byPath(anew), `step ${step}`)
    most = Math.max(most, anew.length)
  }
  assert.ok(most >= 4, `only ${most} files were ever needed`)
  assert.ok(mostRetained >= 3, `only ${mostRetained} files were ever retained`)
  const kinds = Map.groupBy(repo.store.channels.snapshots(approved.id), ({ kind }) => kind)
  for (const kind of ['promote', 'rollback'] as const)
    assert.ok((kinds.get(kind)?.length ?? 0) >= 3, [...kinds].map(([key, all]) => key + all.length).join())
})

function refused(error: unknown): void {
  assert.ok(error instanceof UusError && error.code !== 'USAGE', String(error))
}
