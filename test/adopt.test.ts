// Adoption: what is fetched, what is refused, and that a refusal leaves everything as it was and says what to do.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { SuiteResult } from '../src/actions/update.ts'
import { FakeArchive, type SuiteSpec } from './rig/archive.ts'
import { day, hour } from './rig/clock.ts'
import { aPackage, packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { Rig, type RigArchive } from './rig/rig.ts'

const start = Date.UTC(2026, 10, 20)

function suite(names: string[], more: Partial<SuiteSpec> = {}): SuiteSpec {
  return { components: { main: { amd64: packages(...names) } }, date: start, ...more }
}

/** A rig that holds `bash 5.1`, with an archive that is ready to lie about what comes next. */
async function adopted(
  more: Partial<RigArchive> = {},
): Promise<{ archive: FakeArchive; rig: Rig } & AsyncDisposable> {
  const archive = await FakeArchive.start()
  await archive.publish('stable', suite(['bash 5.1']))
  const rig = await Rig.open({ archives: [{ archive, ...more }] })
  await rig.mustUpdate()
  archive.takeRequests()
  return {
    archive,
    rig,
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]()
      await archive[Symbol.asyncDispose]()
    },
  }
}

/** Updates once, expects this one refusal with a hint, and that nothing changed for anybody. */
async function refused(rig: Rig, code: string, message: RegExp): Promise<SuiteResult> {
  const before = await rig.check()
  const snapshots = rig.store.channels.snapshots(rig.store.channels.upstream().id).length
  const result = await rig.update()
  const [item] = result.items
  assert.equal(item?.error?.code, code, item?.error?.message ?? 'it was adopted')
  assert.match(item.error.message, message)
  assert.ok((item.error.hint ?? '').length > 10, 'the refusal says what to do next')
  assert.deepEqual(await rig.check(), before)
  assert.equal(rig.store.channels.snapshots(rig.store.channels.upstream().id).length, snapshots)
  assert.equal(rig.store.archives.findSuite('test', 'stable')?.failure?.error.code, code)
  assert.ok(rig.store.alarms.list().some((alarm) => alarm.key === 'suite:test/stable'))
  return item
}

const next = (names: string[], more: Partial<SuiteSpec> = {}) => suite(names, { date: start + hour, ...more })

test('an unchanged InRelease costs one conditional request and nothing else', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await rig.mustUpdate()
  assert.deepEqual(archive.takeRequests(), ['GET dists/stable/InRelease 304'])
  assert.equal(rig.store.archives.findSuite('test', 'stable')?.checkedAt, rig.clock.now())
})

test('a server without validators is asked in full, and nothing else is fetched', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  archive.isConditional = false
  await rig.mustUpdate()
  assert.deepEqual(archive.takeRequests(), ['GET dists/stable/InRelease 200'])
})

test('indexes are fetched by hash; the plain name serves where there is no by-hash', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await archive.publish('stable', next(['bash 5.2']))
  await rig.mustUpdate()
  assert.match(archive.takeRequests().join(), /by-hash\/SHA256\/[0-9a-f]{64} 200$/)
  await archive.publish('stable', suite(['bash 5.3'], { date: start + 2 * hour }))
  archive.lie(/by-hash/, { type: 'status', status: 404 })
  await rig.mustUpdate()
  assert.match(archive.takeRequests().join(), /main\/binary-amd64\/Packages.gz 200$/)
  assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.3'])
})

for (const forms of [['xz'], ['zst'], ['plain'], ['xz', 'zst']] as const) {
  test(`an archive that has its indexes as ${forms.join(' and ')} only is adopted`, needs('xz'), async () => {
    await using archive = await FakeArchive.start()
    await archive.publish('stable', suite(['bash 5.1'], { forms }))
    await using rig = await Rig.open({ archives: [{ archive }] })
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1'])
  })
}

test('an archive with Release and Release.gpg only is adopted', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite(['bash 5.1'], { detached: true, byHash: false }))
  await using rig = await Rig.open({ archives: [{ archive }] })
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('approved', 'stable'), ['bash 5.1'])
})

test('only the configured components and architectures are asked for', async () => {
  await using archive = await FakeArchive.start()
  const both = { amd64: packages('bash 5.1'), arm64: packages('zsh 5.9') }
  await archive.publish('stable', { components: { main: both, contrib: both }, date: start })
  for (const path of ['main/binary-arm64', 'contrib/binary-amd64', 'contrib/binary-arm64']) {
    archive.lie(new RegExp(path), { type: 'status', status: 500 })
  }
  await using rig = await Rig.open({ archives: [{ archive }] })
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('testing'), ['stable/main/amd64 bash 5.1'])
})

test('an empty index is adopted and published as nothing', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite([]))
  await using rig = await Rig.open({ archives: [{ archive }] })
  await rig.mustUpdate()
  const { files } = rig.process.context.published().channels.get('testing')!.archives.get('test')!
  const release = files.get('dists/stable/Release')
  assert.ok(release?.type === 'bytes')
  assert.match(release.bytes.toString(), / 0 main\/binary-amd64\/Packages$/m)
  await rig.check()
})

test('an archive that cannot be reached stops no other', async () => {
  await using archive = await FakeArchive.start()
  await using gone = await FakeArchive.start()
  await archive.publish('stable', suite(['bash 5.1']))
  await gone.publish('any', suite(['agent 1.0']))
  gone.lie(/./, { type: 'status', status: 503, body: 'later' })
  await using rig = await Rig.open({
    archives: [{ archive }, { archive: gone, name: 'gone', suites: ['any'] }],
  })
  const result = await rig.update()
  assert.deepEqual(
    result.items.map((item) => [item.archive, item.outcome]),
    [
      ['test', 'adopted'],
      ['gone', 'failed'],
    ],
  )
  assert.equal(result.status, 'failed')
  assert.deepEqual(rig.shows('approved'), ['stable/main/amd64 bash 5.1'])
  // It seeds when it comes.
  gone.behave()
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('approved'), ['any/main/amd64 agent 1.0', 'stable/main/amd64 bash 5.1'])
})

test('a seed takes no half of an archive', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('noble', suite(['bash 5.1']))
  await archive.publish(
    'noble-security',
    suite(['bash 5.1+u1'], { codename: 'noble', suite: 'noble-security' }),
  )
  archive.lie(/noble-security\/InRelease/, { type: 'status', status: 500 }, 1)
  await using rig = await Rig.open({ archives: [{ archive, suites: ['noble', 'noble-security'] }] })
  await rig.update()
  assert.deepEqual(rig.shows('testing'), ['noble/main/amd64 bash 5.1'])
  assert.deepEqual(rig.shows('approved'), [])
  await rig.mustUpdate()
  assert.equal(rig.shows('approved').length, 2)
})

test('an older InRelease is a lagging mirror: the next address is tried, the state is kept', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await archive.publish('stable', next(['bash 5.2']))
  await rig.mustUpdate()
  await archive.publish('stable', suite(['bash 5.1']))
  const result = await rig.update()
  assert.deepEqual([result.status, result.items[0]?.outcome], ['done', 'older'])
  assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.2'])
  assert.deepEqual(rig.store.alarms.list(), [])
  // No alarm before a day has gone by without an equal or newer one.
  rig.clock.advance(day + hour)
  await rig.update()
  assert.match(rig.store.alarms.list()[0]!.message, /no mirror has shown the present Release or a newer one/)
})

test('several addresses: the second one serves what the first cannot', async () => {
  await using first = await FakeArchive.start()
  await using second = await FakeArchive.start()
  await second.publish('stable', suite(['bash 5.1']))
  await using rig = await Rig.open({ archives: [{ archive: second, uris: [first.url, second.url] }] })
  await rig.mustUpdate()
  assert.match(first.takeRequests().join(), /InRelease 404/)
  assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.1'])
})

test('an address that serves only some suites is not asked for others', async () => {
  await using main = await FakeArchive.start()
  await using security = await FakeArchive.start()
  await main.publish('noble', suite(['bash 5.1']))
  await security.publish(
    'noble-security',
    suite(['bash 5.1+u1'], { suite: 'noble-security', codename: 'noble' }),
  )
  const uris = [`{uri: "${main.url}", suites: [noble]}`, `{uri: "${security.url}", suites: [noble-security]}`]
  await using rig = await Rig.open({
    archives: [{ archive: main, uris, suites: ['noble', 'noble-security'] }],
  })
  const [noble, other] = (await rig.update()).items
  assert.equal(noble?.outcome, 'adopted')
  assert.equal(other?.error?.code, 'SIGNATURE_KEY_UNKNOWN', 'it is the other server that answered')
  assert.doesNotMatch(main.takeRequests().join(), /noble-security/)
  assert.doesNotMatch(security.takeRequests().join(), /dists\/noble\//)
})

test('a wrong signature is refused', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await archive.publish('stable', next(['bash 5.2']))
  const good = archive.file('dists/stable/InRelease').toString()
  archive.lie(/InRelease/, {
    type: 'replace',
    body: Buffer.from(good.replace('Origin: Test', 'Origin: Tes!')),
  })
  await refused(
    rig,
    'SIGNATURE_INVALID',
    /InRelease of test\/stable does not match its signature by key [0-9A-F]{40}/,
  )
})

test('an unknown key is refused, and named', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await archive.useOtherKey()
  await archive.publish('stable', next(['bash 5.2']))
  const item = await refused(rig, 'SIGNATURE_KEY_UNKNOWN', /is signed by the unknown key [0-9A-F]{40}/)
  assert.match(item.error!.hint!, /signed-by/)
})

test('text outside the signed block is refused', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await archive.publish('stable', next(['bash 5.2']))
  const good = archive.file('dists/stable/InRelease').toString()
  for (const body of [
    `${good}\n`,
    `${good}Origin: Evil\n`,
    good.replace('-----BEGIN PGP SIGNATURE', '- x\n-----BEGIN PGP SIGNATURE'),
  ]) {
    archive.behave()
    archive.lie(/InRelease/, { type: 'replace', body: Buffer.from(body) })
    await refused(rig, 'SIGNATURE_INVALID', /text outside the signed block|does not match/)
  }
  archive.behave()
  archive.lie(/InRelease/, { type: 'replace', body: Buffer.from(`Origin: Evil\n${good}`) })
  await refused(rig, 'SIGNATURE_MISSING', /not a clear-signed file: it begins "Origin: Evil/)
})

test('a captive portal is refused with what it said', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  archive.lie(/InRelease/, { type: 'replace', body: Buffer.from('<html>Please log in</html>') })
  const item = await refused(rig, 'SIGNATURE_MISSING', /it begins "<html>Please log in/)
  assert.match(item.error!.hint!, /browser/)
})

for (const [what, lie, message] of [
  ['a tampered index', { type: 'wrong-bytes' }, /has another SHA256 than the Release says/],
  ['a truncated body', { type: 'truncate' }, /cannot be reached: the connection was cut|ended after/],
  ['an index of the wrong size', { type: 'short' }, /bytes long, not \d+ as signed/],
  ['a missing index', { type: 'status', status: 404 }, /answered 404/],
  ['an index behind an error', { type: 'status', status: 500, body: 'oops' }, /answered 500/],
] as const) {
  test(`${what} is refused`, async () => {
    await using fixture = await adopted()
    const { rig, archive } = fixture
    await archive.publish('stable', next(['bash 5.2']))
    archive.lie(/Packages|by-hash/, lie)
    const result = await rig.update()
    assert.match(result.items[0]!.error!.message, message)
    assert.ok(result.items[0]!.error!.hint)
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.1'])
    // The next try is not spoilt by it.
    archive.behave()
    await rig.mustUpdate()
    assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.2'])
    await rig.check()
  })
}

test('a Packages bomb is refused before it is unpacked', async () => {
  const { gzipSync } = await import('node:zlib')
  const { createHash } = await import('node:crypto')
  await using fixture = await adopted()
  const { rig, archive } = fixture
  const bomb = gzipSync(Buffer.alloc(300 << 20))
  const digest = createHash('sha256').update(bomb).digest('hex')
  await archive.publish(
    'stable',
    next(['bash 5.2'], {
      byHash: false,
      edit: (text) =>
        text.replace(/ [0-9a-f]{64} \d+ (main\/binary-amd64\/Packages\.gz)/, ` ${digest} ${bomb.length} $1`),
    }),
  )
  archive.addFile('dists/stable/main/binary-amd64/Packages.gz', bomb)
  await refused(rig, 'INDEX_BOMB', /unpacks to more than the \d+ bytes that are signed/)
})

test('an index that unpacks to something else than is signed is refused', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await archive.publish(
    'stable',
    next(['bash 5.2'], {
      edit: (text) =>
        text.replace(/ ([0-9a-f]{64}) (\d+) (main\/binary-amd64\/Packages)$/m, ` ${'0'.repeat(64)} $2 $3`),
    }),
  )
  await refused(rig, 'UPSTREAM_WRONG_BYTES', /does not unpack to what is signed/)
})

test('a malformed stanza is refused with its place', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  const text = packages('bash 5.2')[0]!.stanza
  for (const [bad, why] of [
    [text.replace(/^Filename: .*/m, 'Filename: ../x'), /stanza 1 \(bash\) has an odd Filename: "\.\.\/x"/],
    [text.replace(/^SHA256: .*\n/m, ''), /has no SHA256/],
    [`${text}Version: 6\n`, /has the field Version twice/],
  ] as const) {
    await archive.publish('stable', { components: { main: { amd64: Buffer.from(bad) } }, date: start + hour })
    await refused(rig, 'MALFORMED', why)
  }
})

test('an expired Release is refused, unless the archive is frozen on purpose', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await archive.publish('stable', next(['bash 5.2'], { validUntil: rig.clock.now() - hour }))
  const item = await refused(rig, 'RELEASE_EXPIRED', /Release of test\/stable expired on/)
  assert.match(item.error!.hint!, /check-valid-until: false/)
  await rig.restart({ archives: [{ archive, more: ['check-valid-until: false'] }] })
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('testing', 'stable'), ['bash 5.2'])
})

test('a Release that expires after it was adopted is served on, with an alarm', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await archive.publish('stable', next(['bash 5.2'], { validUntil: rig.clock.now() + day }))
  await rig.mustUpdate()
  rig.clock.advance(2 * day)
  await rig.call('status')
  assert.match(rig.store.alarms.list().find((alarm) => alarm.key.startsWith('suite:'))!.message, /since/)
  assert.deepEqual((await rig.check()).get('testing/test/stable'), ['bash 5.2'])
})

test('a Release from the future is refused', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await archive.publish('stable', suite(['bash 5.2'], { date: rig.clock.now() + hour }))
  await refused(rig, 'RELEASE_NOT_YET_VALID', /which is in the future/)
})

test('another suite at the URL is refused, though its signature is good', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await archive.publish('stable', next(['bash 5.2'], { suite: 'unstable', codename: 'sid' }))
  await refused(rig, 'RELEASE_OTHER_SUITE', /is that of another suite \(Suite unstable, Codename sid\)/)
})

test('a changed Origin stops and asks, and is adopted once it is accepted with a reason', async () => {
  await using fixture = await adopted()
  const { rig, archive } = fixture
  await archive.publish('stable', next(['bash 5.2'], { origin: 'Else', more: 'NotAutomatic: yes\n' }))
  const item = await refused(rig, 'RELEASE_INFO_CHANGED', /Origin "Test" → "Else", NotAutomatic "" → "yes"/)
  assert.match(item.error!.hint!, /uus update --accept test\/stable --reason/)
  assert.equal((await rig.update()).status, 'refused')
  await assert.rejects(rig.update({ accept: ['test/stable'] }), { code: 'USAGE' })
  await assert.rejects(rig.update({ accept: ['test/nope'], reason: 'x' }), { code: 'UNKNOWN_NAME' })
  const accepted = await rig.update({ accept: ['test/stable'], reason: 'renamed by its owner' })
  assert.equal(accepted.items[0]?.outcome, 'adopted')
  const row = rig.store.audit.list().find((one) => one.action === 'adopt --accept')
  assert.equal(row?.reason, 'renamed by its owner')
  await rig.check()
})

test('a component that upstream lost stops and asks; accepted, it is frozen and served on', async () => {
  await using archive = await FakeArchive.start()
  const place = (parts: Record<string, string[]>, date: number) => ({
    components: Object.fromEntries(
      Object.entries(parts).map(([name, list]) => [name, { amd64: packages(...list) }]),
    ),
    date,
  })
  await archive.publish('stable', place({ main: ['bash 5.1'], contrib: ['tool 1.0'] }, start))
  await using rig = await Rig.open({ archives: [{ archive, components: ['main', 'contrib'] }] })
  await rig.mustUpdate()
  await archive.publish('stable', place({ main: ['bash 5.2'] }, start + hour))
  await refused(rig, 'RELEASE_INCOMPLETE', /test\/stable has no contrib\/binary-amd64/)
  await rig.update({ accept: ['test/stable'], reason: 'it is gone' })
  assert.deepEqual(rig.shows('testing'), ['stable/contrib/amd64 tool 1.0', 'stable/main/amd64 bash 5.2'])
  await archive.publish('stable', place({ main: ['bash 5.3'] }, start + 2 * hour))
  await rig.mustUpdate()
  assert.deepEqual(rig.shows('testing'), ['stable/contrib/amd64 tool 1.0', 'stable/main/amd64 bash 5.3'])
  await rig.check()
})

test('a component that never was is a sentence with what there is', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite(['bash 5.1']))
  await using rig = await Rig.open({ archives: [{ archive, components: ['main', 'universe'] }] })
  const [item] = (await rig.update()).items
  assert.match(item!.error!.message, /test\/stable has no universe\/binary-amd64/)
  assert.match(item!.error!.hint!, /It has components main and architectures amd64/)
})

test('a keyring that is missing is named', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite(['bash 5.1']))
  const { rmSync } = await import('node:fs')
  await using rig = await Rig.open({ archives: [{ archive }] })
  rmSync(archive.keyring)
  const [item] = (await rig.update()).items
  assert.equal(item?.error?.code, 'KEYRING_UNREADABLE')
  assert.ok(item?.error?.message.includes(archive.keyring))
})

test('stanzas are stored once, however many suites and channels show them', async () => {
  await using archive = await FakeArchive.start()
  for (const name of ['jammy', 'noble']) await archive.publish(name, suite(['bash 5.1', 'vim 9.0']))
  await using rig = await Rig.open({ archives: [{ archive, suites: ['jammy', 'noble'] }] })
  await rig.mustUpdate()
  assert.equal(rig.store.db.pluck<number>('SELECT count(*) FROM record').get(), 2)
  const [stanza] = rig.stanzas('testing', 'bash')
  assert.equal(
    rig.store.records.text(stanza!.id).toString(),
    aPackage({ name: 'bash', version: '5.1' }).stanza,
  )
})

test('upstream is asked through the proxy, and credentials in its address stay out of messages', async () => {
  await using archive = await FakeArchive.start()
  await archive.publish('stable', suite(['bash 5.1']))
  const seen: string[] = []
  const proxy = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    void fetch(request.url!).then(async (answer) => {
      response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()))
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = `http://user:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}`
  await using rig = await Rig.open({ archives: [{ archive }], more: [`upstream-proxy: ${address}`] })
  await rig.mustUpdate()
  assert.ok(seen.length >= 2)
  assert.ok(
    seen.every((line) => line.startsWith(`GET ${archive.url}/`)),
    'absolute-form requests',
  )
  proxy.closeAllConnections()
  await new Promise((resolve) => proxy.close(resolve))
  const [item] = (await rig.update()).items
  assert.equal(item?.error?.code, 'UPSTREAM_UNREACHABLE')
  assert.doesNotMatch(JSON.stringify(item), /secret/)
})
