// The forward proxy: the real apt with unchanged sources, and everything that it must not be.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { AptRoot } from './rig/apt.ts'
import { FakeArchive } from './rig/archive.ts'
import { aPackage, type BuiltPackage, packages } from './rig/packages.ts'
import { aBody } from './rig/pool.ts'
import { needs } from './rig/programs.ts'
import { TestServer } from './rig/server.ts'

interface Fixture extends AsyncDisposable {
  readonly archive: FakeArchive
  readonly server: TestServer
  readonly proxy: string
}

async function forwarding(
  offered: readonly BuiltPackage[],
  options: { byHash?: boolean; more?: readonly string[]; accessLog?: string } = {},
): Promise<Fixture> {
  const stack = new AsyncDisposableStack()
  try {
    const archive = stack.use(await FakeArchive.start())
    const byHash = options.byHash ?? true
    await archive.publish('stable', { components: { main: { amd64: offered } }, byHash })
    const more = ['proxy-listen: 127.0.0.1:0', ...(options.more ?? [])]
    const server = stack.use(
      await TestServer.start({ archives: [{ archive, more: ['fetch: on-demand'] }], more }),
    )
    const proxy = await server.proxyUrl()
    await server.call('update')
    archive.takeRequests()
    const owned = stack.move()
    return { archive, server, proxy, [Symbol.asyncDispose]: () => owned.disposeAsync() }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

/** A request as clients send it to a proxy. */
function through(
  proxy: string,
  target: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string; bytes: Buffer; headers: NodeJS.Dict<string | string[]> }> {
  const { hostname, port } = new URL(proxy)
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path: target, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        resolve({ status: response.statusCode!, text: bytes.toString(), bytes, headers: response.headers })
      })
    })
    request.on('error', reject)
    request.end()
  })
}

function sourcesOf(archive: FakeArchive): string {
  return `Types: deb\nURIs: ${archive.url}\nSuites: stable\nComponents: main\nSigned-By: ${archive.keyring}\n`
}

const thirty = () =>
  Array.from({ length: 30 }, (_, number) =>
    aPackage(
      { name: `p${number}`, version: '1', ...(number === 0 ? {} : { depends: `p${number - 1}` }) },
      aBody(20_000 + number * 40_000, number + 1),
    ),
  )

function filesAsked(archive: FakeArchive): string[] {
  return archive
    .takeRequests()
    .filter((line) => line.includes('pool/'))
    .sort()
}

test(
  '20 machines with sources that name upstream, through the proxy: each file once; then upstream is gone',
  needs('apt-get'),
  async () => {
    const offered = thirty()
    await using one = await forwarding(offered)
    const config = `Acquire::http::Proxy "${one.proxy}";`
    const roots = Array.from({ length: 20 }, () => new AptRoot({ config }))
    try {
      const install = async (root: AptRoot) => {
        root.setSources(sourcesOf(one.archive))
        await root.update()
        assert.equal((await root.download('p29')).length, 30)
        for (const { path, file } of offered)
          assert.ok(readFileSync(root.archive(path.split('/').at(-1)!)).equals(file), path)
      }
      await Promise.all(roots.map(install))
      const requests = one.archive.takeRequests()
      const indexes = requests.filter((line) => line.includes('by-hash') || line.includes('Packages'))
      assert.equal(indexes.length, 1, indexes.join('\n'))
      assert.deepEqual(
        requests.filter((line) => line.includes('pool/')).sort(),
        offered.map(({ path }) => `GET ${path} 200`).sort(),
      )
      one.archive.lie(/./, { type: 'status', status: 503 })
      await one.server.stop()
      await one.server.restart()
      const moved = await one.server.proxyUrl()
      using away = new AptRoot({ config: `Acquire::http::Proxy "${moved}";` })
      await install(away)
    } finally {
      for (const root of roots) root[Symbol.dispose]()
    }
  },
)

test('package files are the very ones of the channels; what upstream offers is served ungated', async () => {
  const [old, fresh] = [...packages('bash 5.1'), ...packages('bash 5.2')] as [BuiltPackage, BuiltPackage]
  await using one = await forwarding([old])
  assert.equal((await one.server.get(`/testing/test/${old.path}`)).status, 200)
  await one.archive.publish('stable', { components: { main: { amd64: [fresh] } } })
  const at = (path: string) => through(one.proxy, `${one.archive.url}/${path}`)
  assert.equal((await at('dists/stable/InRelease')).status, 200)
  assert.equal((await at('dists/stable/main/binary-amd64/Packages.gz')).status, 200)
  assert.ok((await at(fresh.path)).bytes.equals(fresh.file))
  assert.deepEqual(filesAsked(one.archive), [`GET ${old.path} 200`, `GET ${fresh.path} 200`])
  await one.server.call('update')
  assert.ok((await one.server.bytes(`/testing/test/${fresh.path}`)).equals(fresh.file))
  assert.deepEqual(filesAsked(one.archive), [])
})

test('nobody gets indexes that do not belong to the Release that they got', async () => {
  await using one = await forwarding(packages('bash 5.1'), { byHash: false })
  const at = (path: string) => through(one.proxy, `${one.archive.url}/dists/stable/${path}`)
  const index = 'main/binary-amd64/Packages.gz'
  const release = (await at('InRelease')).bytes
  const before = (await at(index)).bytes
  await one.archive.publish('stable', {
    components: { main: { amd64: packages('bash 5.2') } },
    byHash: false,
  })
  assert.ok((await at(index)).bytes.equals(before), 'it has the old Release still')
  const fresh = await at('InRelease')
  assert.ok(!fresh.bytes.equals(release), 'each question is asked upstream')
  const after = await at(index)
  assert.ok(!after.bytes.equals(before))
  const again = await through(one.proxy, `${one.archive.url}/dists/stable/InRelease`, {
    'If-Modified-Since': String(fresh.headers['last-modified']),
  })
  assert.equal(again.status, 304)
})

test('other suites below the address, and small unsigned files below dists/, pass', async () => {
  await using one = await forwarding(packages('bash 5.1'))
  const next = packages('bash 6.0')
  await one.archive.publish('next', {
    components: { main: { amd64: next } },
    suite: 'next',
    codename: 'next',
  })
  one.archive.addFile('dists/next/main/dist-upgrader-all/current/next.tar.gz', Buffer.from('upgrader'))
  one.archive.addFile('README', Buffer.from('hello'))
  const at = (path: string) => through(one.proxy, `${one.archive.url}/${path}`)
  assert.equal((await at('dists/next/InRelease')).status, 200)
  assert.equal((await at('dists/next/main/binary-amd64/Packages.gz')).status, 200)
  assert.ok((await at(next[0]!.path)).bytes.equals(next[0]!.file))
  const upgrader = await at('dists/next/main/dist-upgrader-all/current/next.tar.gz')
  assert.deepEqual([upgrader.text, upgrader.headers['cache-control']], ['upgrader', 'no-store'])
  assert.equal((await at('README')).status, 404, 'nothing signed names it')
  assert.equal((await at('dists/none/InRelease')).status, 404)
})

test('what the keys of the archive did not sign is not passed on', async () => {
  await using one = await forwarding(packages('bash 5.1'))
  await one.archive.useOtherKey()
  await one.archive.publish('other', { components: { main: { amd64: packages('bash 6.6') } } })
  const answer = await through(one.proxy, `${one.archive.url}/dists/other/InRelease`)
  assert.ok(answer.status >= 500, `${answer.status}`)
  assert.match(answer.text, /sign/i)
})

test('a client whose lists are older than the server is served all the same', async () => {
  const offered = packages('bash 5.1')
  await using one = await forwarding(offered)
  const at = (path: string) => through(one.proxy, `${one.archive.url}/${path}`)
  assert.equal((await at(offered[0]!.path)).status, 404)
  assert.equal((await at('dists/stable/InRelease')).status, 200)
  assert.ok((await at(offered[0]!.path)).bytes.equals(offered[0]!.file), 'without its asking for the index')
})

test('only configured hosts and paths; credentials go nowhere; the prefix form; the probe', async () => {
  const offered = packages('bash 5.1')
  await using one = await forwarding(offered, { more: ['access-log: access.log'] })
  const { host, port } = new URL(one.archive.url)
  const status = async (target: string) => (await through(one.proxy, target)).status
  assert.equal(await status(`http://user:secret@${host}/debian/dists/stable/InRelease`), 200)
  assert.equal(await status(`/${host}/debian/dists/stable/InRelease`), 200)
  assert.equal(await status(`http://${host}/other/dists/stable/InRelease`), 403)
  assert.equal(await status(`http://${host}/debianish/dists/stable/InRelease`), 403)
  assert.equal(await status(`http://127.0.0.1:${Number(port) + 1}/debian/dists/stable/InRelease`), 403)
  assert.equal(await status('http://169.254.169.254/latest/meta-data'), 403)
  assert.equal(await status(`http://${host}/debian/../etc/passwd`), 400)
  assert.equal(await status(`http://${host}/debian/%2e%2e/%2e%2e/etc/passwd`), 400)
  assert.equal(await status('ftp://example.org/debian/x'), 400)
  const probe = await through(one.proxy, '/')
  assert.deepEqual([probe.status, /Usage Information/.test(probe.text)], [406, true])
  await one.server.stop()
  const log = readFileSync(join(one.server.folder, 'access.log'), 'utf8')
  assert.match(log, /InRelease/)
  assert.doesNotMatch(log + one.server.log, /secret/)
})

test('CONNECT: refused unless listed, host and port', async () => {
  const echo = createServer((socket) => socket.pipe(socket))
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  const { port } = echo.address() as AddressInfo
  try {
    await using one = await forwarding(packages('bash 5.1'), {
      more: [`proxy-connect: ["127.0.0.1:${port}", "*.localhost:${port}"]`],
    })
    const ask = (target: string, then = '') =>
      new Promise<string>((resolve, reject) => {
        const { port: proxyPort } = new URL(one.proxy)
        const socket = connect(Number(proxyPort), '127.0.0.1')
        let text = ''
        socket.on('error', reject)
        socket.on('data', (chunk) => {
          text += chunk
          if (then === '') return
          if (text.endsWith('\r\n\r\n')) socket.write(then)
          else if (text.endsWith(then)) socket.end()
        })
        socket.on('close', () => resolve(text))
        socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
      })
    assert.match(await ask(`127.0.0.1:${port}`, 'ping'), /^HTTP\/1\.1 200 .*\r\n\r\nping$/s)
    assert.match(await ask(`127.0.0.1:${port + 1}`), /^HTTP\/1\.1 403 .*does not connect to/s)
    assert.match(await ask('esm.ubuntu.com:443'), /^HTTP\/1\.1 403 /)
    assert.match(
      await ask(`inner.localhost:${port}`),
      /^HTTP\/1\.1 502 /,
      'a pattern leads to no inner address',
    )
    assert.match(await ask('nonsense'), /^HTTP\/1\.1 400 /)
  } finally {
    echo.close()
  }
})

test('closed for whom it is not meant, and for gated archives where that is asked for', async () => {
  await using gated = await forwarding(packages('bash 5.1'), { more: ['proxy-gate: refuse'] })
  const refused = await through(gated.proxy, `${gated.archive.url}/dists/stable/InRelease`)
  assert.equal(refused.status, 403)
  assert.match(refused.text, /gated here: take it from channel approved/)
  await using other = await forwarding(packages('bash 5.1'), { more: ['proxy-networks: [192.0.2.0/24]'] })
  const strange = await through(other.proxy, `${other.archive.url}/dists/stable/InRelease`)
  assert.deepEqual([strange.status, strange.text], [403, 'This proxy is not for your network\n'])
})

test('whatever is asked for: never a 500, and never a file outside the archive', async () => {
  await using one = await forwarding(packages('bash 5.1'))
  const { host } = new URL(one.archive.url)
  const piece = fc.constantFrom(
    '..',
    '.',
    '%2e%2e',
    'dists',
    'stable',
    'InRelease',
    'by-hash',
    'SHA256',
    'pool',
    '%00',
    '%ff',
    '',
    'a b',
    '//',
  )
  const path = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join('/').replaceAll(' ', '%20'))
  const target = fc.oneof(
    path.map((tail) => `http://${host}/debian/${tail}`),
    path.map((tail) => `/${host}/debian/${tail}`),
    path.map((tail) => `http://${tail}`),
    path.map((tail) => `/${tail}`),
  )
  await fc.assert(
    fc.asyncProperty(target, async (asked) => {
      const { status } = await through(one.proxy, asked)
      assert.ok(status < 500, `${asked}: ${status}`)
    }),
    { numRuns: 300 },
  )
  for (const line of one.archive.takeRequests()) assert.match(line, /^GET (dists\/|InRelease|Packages|\.)/)
})
