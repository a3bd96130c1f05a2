// Signed uploads over HTTP: what dput does, and what somebody does who should not.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { handmadeDeb, tar } from './rig/debs.ts'
import { needs } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'
import { anUpload, changesText, type Upload, Uploader } from './rig/uploads.ts'

const dpkg = needs('dpkg-deb')

interface Scene {
  readonly server: TestServer
  readonly jim: Uploader
  put(name: string, bytes: Buffer, channel?: string): Promise<{ status: number; text: string }>
  /** The files, then a .changes of them that Jim signed. */
  send(
    files: readonly Upload[],
    source: string,
    version: string,
    fields?: Record<string, string | undefined>,
  ): Promise<{ status: number; text: string }>
  shown(channel: string): Promise<string>
}

async function withServer(act: (scene: Scene) => Promise<void>, more = ''): Promise<void> {
  using jim = await Uploader.make()
  await using server = await TestServer.start({
    configText: `data: data
listen: 127.0.0.1:0
${more}
archives:
  - {name: local, local: true, suites: [stable, beta], components: [main, contrib], architectures: [amd64], keyring: ${jim.keyring}}
  - {name: closed, local: true, suites: [stable], architectures: [amd64]}
channels:
  testing: {from: upstream}
  approved: {from: testing}
`,
  })
  const put: Scene['put'] = async (name, bytes, channel = 'testing/local') => {
    const url = `${server.url}/upload/${channel}/${name}`
    const response = await fetch(url, { method: 'PUT', body: new Uint8Array(bytes) })
    return { status: response.status, text: await response.text() }
  }
  await act({
    server,
    jim,
    put,
    send: async (files, source, version, fields) => {
      for (const { name, bytes } of files) assert.equal((await put(name, bytes)).status, 201)
      const text = changesText(files, source, version, fields)
      return put(`${source}_${version}_amd64.changes`, await jim.sign(text))
    },
    shown: async (channel) =>
      gunzipSync(
        await server.bytes(`/${channel}/local/dists/stable/main/binary-amd64/Packages.gz`),
      ).toString(),
  })
}

test('files wait for their signed .changes, which brings them into the channel, once', dpkg, async () => {
  await withServer(async ({ server, jim, put, send, shown }) => {
    const tool = await anUpload('tool', '1.0-1', { Depends: 'absent' })
    const first = await send([tool], 'tool', '1.0-1')
    assert.equal(first.status, 201)
    assert.match(
      first.text,
      /^tool 1.0-1 amd64 is in local\nNote: Cannot be installed from testing: .*absent/,
    )
    assert.match(await shown('testing'), /^Package: tool\n/)
    assert.equal(await shown('approved'), '')
    const path = /^Filename: (.*)$/m.exec(await shown('testing'))![1]!
    assert.deepEqual(await server.bytes(`/testing/local/${path}`), tool.bytes)
    assert.equal((await server.get(`/approved/local/${path}`)).status, 404)

    const newer = await anUpload('tool', '1.1-1')
    assert.equal((await send([newer], 'tool', '1.1-1')).status, 201)
    const replayed = await send([tool], 'tool', '1.0-1')
    assert.deepEqual(
      [replayed.status, /was accepted on .*, and counts once/.test(replayed.text)],
      [409, true],
    )
    // The same text, signed again, is the same.
    const again = await put('tool_1.1-1_amd64.changes', await jim.sign(changesText([newer], 'tool', '1.1-1')))
    assert.equal(again.status, 409)
    assert.match(await shown('testing'), /^Version: 1.1-1$/m)
    const { items } = await server.json<{ items: { actor: string; via: string }[] }>(
      'audit',
      '--action',
      'add',
    )
    assert.deepEqual(
      items.map(({ actor, via }) => [actor, via]),
      [
        [`key ${jim.fingerprint}`, 'upload'],
        [`key ${jim.fingerprint}`, 'upload'],
      ],
    )
  })
})

test('who sends what is refused again and again has to wait', dpkg, async () => {
  await withServer(async ({ put }) => {
    let answer = await put('tool.sh', Buffer.from('x'))
    for (let count = 0; count < 25 && answer.status === 400; count++)
      answer = await put('tool.sh', Buffer.from('x'))
    assert.equal(answer.status, 429)
    assert.match(answer.text, /Too many uploads from your address were refused/)
  })
})

test('what is wrong with an upload is said, with a status, and nothing enters', dpkg, async () => {
  await withServer(async ({ jim, put, send, shown }) => {
    const tool = await anUpload('tool', '2')
    const cases: [Promise<{ status: number; text: string }>, number, RegExp][] = [
      [put('tool_2_amd64.deb', tool.bytes, 'nowhere/local'), 404, /no channel "nowhere"/],
      [put('tool_2_amd64.deb', tool.bytes, 'testing/nowhere'), 404, /no local archive "nowhere"/],
      [put('tool_2_amd64.deb', tool.bytes, 'testing/closed'), 403, /takes no uploads: it has no keyring/],
      [put('tool.sh', tool.bytes), 400, /nothing that belongs to an upload/],
      [put('..%2Fx.deb', tool.bytes), 400, /no name of an upload/],
    ]
    for (const [answer, status, text] of cases) await expect(answer, status, text)
    const signed = async (fields: Record<string, string | undefined> = {}) =>
      jim.sign(changesText([tool], 'tool', '2', fields))
    await expect(
      put('tool_2_amd64.changes', await signed()),
      400,
      /lists tool_2_amd64.deb, which has not arrived/,
    )
    using eve = await Uploader.make()
    await put(tool.name, tool.bytes)
    const forged = await eve.sign(changesText([tool], 'tool', '2'))
    await expect(put('tool_2_amd64.changes', forged), 403, /unknown key .*debsign/s)
    const plain = Buffer.from(changesText([tool], 'tool', '2'))
    await expect(put('tool_2_amd64.changes', plain), 403, /not a clear-signed file/)
    const changed = Buffer.from((await signed()).toString().replace('urgency=medium', 'urgency=high'))
    await expect(put('tool_2_amd64.changes', changed), 403, /does not match its signature/)
    const elsewhere = await signed({ Distribution: 'noble' })
    await expect(put('tool_2_amd64.changes', elsewhere), 400, /local has no suite of that name/)
    const other = await signed({ Source: 'other' })
    await expect(put('tool_2_amd64.changes', other), 400, /is of tool 2, and .* of other 2/)
    await expect(put('tool_2_amd64.changes', await signed({ Files: undefined })), 400, /has no Files/)
    // Another file under that name.
    await put(tool.name, (await anUpload('tool', '2', {}, 'other bytes')).bytes)
    await expect(put('tool_2_amd64.changes', await signed()), 400, /is not the file that .* lists/)
    assert.equal(await shown('testing'), '')
    // And after all that, the right one.
    await expect(send([tool], 'tool', '2', { Distribution: 'stable beta' }), 201, /testing has it/)
  })
})

test('a key that may upload is no approver: into a gated channel it waits', dpkg, async () => {
  await withServer(async ({ server, jim, put, shown }) => {
    const tool = await anUpload('tool', '1')
    await put(tool.name, tool.bytes, 'approved/local')
    const changes = await jim.sign(changesText([tool], 'tool', '1'))
    const { status, text } = await put('tool_1_amd64.changes', changes, 'approved/local')
    assert.equal(status, 202)
    assert.match(text, /It waits: approved is gated: uus approve tool=1 --to approved/)
    assert.match(await shown('testing'), /^Package: tool$/m)
    await server.json('approve', 'tool=1')
    assert.match(await shown('approved'), /^Package: tool$/m)
  })
})

test('what waits for another .changes of the same sender stays', dpkg, async () => {
  await withServer(async ({ jim, put, send }) => {
    const later = await anUpload('later', '1')
    await put(later.name, later.bytes)
    assert.equal((await send([await anUpload('tool', '1')], 'tool', '1')).status, 201)
    const changes = await jim.sign(changesText([later], 'later', '1'))
    await expect(put('later_1_amd64.changes', changes), 201, /^later 1 amd64 is in local/)
  })
})

test('the section says the component, else it is the first of the configuration', dpkg, async () => {
  await withServer(async ({ server, send }) => {
    const files = [await anUpload('extra', '1')]
    const lines = changesText(files, 'extra', '1').replace(/ utils optional/, ' contrib/utils optional')
    const listed = /^Files:((?:\n .*)*)/m.exec(lines)![1]!
    assert.equal((await send(files, 'extra', '1', { Files: listed })).status, 201)
    const path = '/testing/local/dists/stable/contrib/binary-amd64/Packages.gz'
    assert.match(gunzipSync(await server.bytes(path)).toString(), /^Filename: pool\/contrib\/e\/extra\//m)
  })
})

test('what waits is bounded in size and in time', dpkg, async () => {
  await withServer(async ({ put }) => {
    const zeros = Buffer.alloc(600_000)
    await expect(put('a_1_amd64.deb', zeros), 201, /waits for its \.changes/)
    await expect(put('b_1_amd64.deb', zeros), 507, /take 600.* already/)
    await expect(put('c_1_amd64.deb', Buffer.alloc(1_100_000)), 413, /larger than/)
    // The same name again takes its place.
    await expect(put('a_1_amd64.deb', Buffer.alloc(300_000)), 201, /waits/)
    await expect(put('b_1_amd64.deb', zeros), 201, /waits/)
  }, 'uploads: {max-size: 1000KiB, wait: 1h}')
})

test('a .deb that does harm is refused by uus add and by upload alike', dpkg, async () => {
  await withServer(async ({ server, jim, put }) => {
    const bytes = handmadeDeb({ data: tar([{ name: './../../etc/passwd', content: 'x' }]) })
    const evil = { name: 'sample_1.0-1_all.deb', bytes }
    await put(evil.name, bytes)
    const changes = await jim.sign(changesText([evil], 'sample', '1.0-1', { Architecture: 'all' }))
    await expect(put('sample_1.0-1_all.changes', changes), 400, /unsafe name/)
    const path = join(server.folder, evil.name)
    writeFileSync(path, bytes)
    const added = await server.uus('add', path, '--archive', 'local', '--suite', 'stable')
    assert.equal(added.status, 1)
    assert.match(added.output, /unsafe name/)
  })
})

async function expect(
  answer: Promise<{ status: number; text: string }>,
  status: number,
  text: RegExp,
): Promise<void> {
  const got = await answer
  assert.match(got.text, text)
  assert.equal(got.status, status, got.text)
}
