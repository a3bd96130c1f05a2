// Plain HTTP by hand: whatever a server sends, it is understood as it was meant, or refused.
import assert from 'node:assert/strict'
import { createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { aBody } from '../../test/rig/pool.ts'
import { Slabs } from './slabs.ts'
import { Wire, type WireAnswer } from './wire.ts'

type Serve = (socket: Socket, request: string, count: number) => void

interface Fixture extends AsyncDisposable {
  readonly wire: Wire
  readonly slabs: Slabs
  readonly connections: Socket[]
  readonly requests: string[]
  get(options?: Partial<Parameters<Wire['get']>[0]>): Promise<WireAnswer>
}

async function fixture(serve: Serve): Promise<Fixture> {
  const connections: Socket[] = []
  const requests: string[] = []
  const server: Server = createServer((socket) => {
    connections.push(socket)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      requests.push(data.toString('latin1'))
      serve(socket, data.toString('latin1'), requests.length)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const slabs = new Slabs(1 << 20)
  const wire = new Wire(slabs)
  const base = {
    headers: { 'user-agent': 'test' },
    group: 'free',
    connectTimeoutMs: 5000,
    responseTimeoutMs: 5000,
  }
  return {
    wire,
    slabs,
    connections,
    requests,
    get: (options) => wire.get({ url: new URL(`http://127.0.0.1:${port}/a%20b?c`), ...base, ...options }),
    async [Symbol.asyncDispose]() {
      wire[Symbol.dispose]()
      for (const socket of connections) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function bodyOf(answer: WireAnswer): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of answer.body!) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

const hello = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Thing:  a b \r\nx-thing: c\r\n\r\nhello'

test('one request after the other on the same connection', async () => {
  await using one = await fixture((socket) => void socket.write(hello))
  for (const _round of [1, 2, 3]) {
    const answer = await one.get()
    assert.equal(answer.head.statusCode, 200)
    assert.equal(answer.head.statusMessage, 'OK')
    assert.equal(answer.head.headers['x-thing'], 'a b, c')
    assert.equal((await bodyOf(answer)).toString(), 'hello')
  }
  assert.equal(one.connections.length, 1)
  assert.match(one.requests[0]!, /^GET \/a%20b\?c HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\n/)
  assert.match(one.requests[0]!, /\r\nuser-agent: test\r\n(.*\r\n)*\r\n$/)
})

test('a connection that the server closes is not used again', async () => {
  await using one = await fixture((socket) => {
    socket.write(hello.replace('X-Thing:  a b', 'Connection: close'))
  })
  await bodyOf(await one.get())
  await bodyOf(await one.get())
  assert.equal(one.connections.length, 2)
})

test('a kept connection that the server closed meanwhile is replaced, and nobody notices', async () => {
  await using one = await fixture((socket, _request, count) => {
    if (count === 2) socket.destroy()
    else socket.write(hello)
  })
  await bodyOf(await one.get())
  assert.equal((await bodyOf(await one.get())).toString(), 'hello')
  assert.equal(one.connections.length, 2)
})

test('connections of one group are not used for another', async () => {
  await using one = await fixture((socket) => void socket.write(hello))
  await bodyOf(await one.get())
  await bodyOf(await one.get({ group: 'guarded' }))
  assert.equal(one.connections.length, 2)
})

test('interim answers are passed over', async () => {
  const interim = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'
  await using one = await fixture((socket) => void socket.write(interim + hello))
  assert.equal((await bodyOf(await one.get())).toString(), 'hello')
})

for (const [what, answer] of [
  ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['HTTP/2', 'HTTP/2 200 OK\r\n\r\n'],
  ['a header without a colon', 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n'],
  ['a folded header', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
  ['an endless head', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(20_000)}`],
] as const) {
  test(`${what} is refused`, async () => {
    await using one = await fixture((socket) => void socket.write(answer))
    await assert.rejects(one.get(), { code: 'UUS_MALFORMED' })
  })
}

test('more than was announced is refused', async () => {
  await using one = await fixture((socket) => void socket.write(`${hello}, world`))
  await assert.rejects(one.get().then(bodyOf), { code: 'UUS_MALFORMED' })
})

test('something that comes between two requests is no answer to the second', async () => {
  await using one = await fixture((socket, _request, count) => {
    socket.write(count === 1 ? hello : hello.replace('hello', 'right'))
  })
  await bodyOf(await one.get())
  one.connections[0]!.write(hello.replace('hello', 'wrong'))
  await new Promise((resolve) => one.connections[0]!.once('close', resolve))
  assert.equal((await bodyOf(await one.get())).toString(), 'right')
})

test('a body without a stated length is left to another client', async () => {
  await using one = await fixture((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n')
  })
  const answer = await one.get()
  assert.equal(answer.body, null)
  answer[Symbol.dispose]()
  await new Promise((resolve) => one.connections[0]!.once('close', resolve))
})

test('a body that ends early is an error', async () => {
  await using one = await fixture(
    (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello'),
  )
  await assert.rejects(bodyOf(await one.get()), { code: 'ECONNRESET' })
})

test('silence has a limit, and a signal ends it sooner', async () => {
  await using one = await fixture(() => {})
  await assert.rejects(one.get({ responseTimeoutMs: 50 }), {
    code: 'UUS_TIMEOUT',
    message: 'no response in time',
  })
  const stop = new AbortController()
  const asking = one.get({ signal: stop.signal })
  stop.abort(new Error('enough'))
  await assert.rejects(asking, /enough/)
})

test('a server that is not there says so', async () => {
  await using one = await fixture(() => {})
  await assert.rejects(one.get({ url: new URL('http://127.0.0.1:1/') }), { code: 'ECONNREFUSED' })
})

test('who reads slowly halts the server, and gets every byte', async () => {
  const body = aBody(8_000_000)
  let written = 0
  await using one = await fixture((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`)
    const push = () => {
      while (written < body.length) {
        const next = body.subarray(written, written + 65_536)
        written += next.length
        if (!socket.write(next)) return
      }
    }
    socket.on('drain', push)
    push()
  })
  const answer = await one.get()
  const chunks: Buffer[] = []
  for await (const chunk of answer.body!) {
    chunks.push(Buffer.from(chunk))
    one.slabs.giveBack(chunk)
    for (let turns = 0; turns < 5; turns++) await setImmediate()
  }
  assert.deepEqual(Buffer.concat(chunks), body)
})

test('in whatever pieces an answer comes, its bytes are the same', async () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 })
  const body = aBody(700)
  const text = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`), body])
  await fc.assert(
    fc.asyncProperty(pieces, fc.boolean(), async (sizes, returns) => {
      await using one = await fixture((socket) => {
        void (async () => {
          for (let at = 0, index = 0; at < text.length; index++) {
            const size = sizes[index % sizes.length]!
            await new Promise((resolve) => socket.write(text.subarray(at, at + size), resolve))
            await setImmediate()
            at += size
          }
        })()
      })
      for (const _round of [1, 2]) {
        const chunks: Buffer[] = []
        for await (const chunk of (await one.get()).body!) {
          chunks.push(Buffer.from(chunk))
          // Memory that was given back may be written over.
          if (returns) one.slabs.giveBack(chunk)
        }
        assert.deepEqual(Buffer.concat(chunks), body)
      }
      assert.equal(one.connections.length, 1)
    }),
    { numRuns: 40 },
  )
})

test('a slab is used again once everything of it was given back, and not before', () => {
  const slabs = new Slabs(1 << 20)
  const filling = slabs.fill()
  const memory = filling.space().buffer
  const parts: Buffer[] = []
  while (filling.space().buffer === memory) {
    filling.space().fill(parts.length + 1, 0, 50_000)
    parts.push(filling.filled(50_000))
  }
  filling.end()
  const [first, ...rest] = parts
  for (const part of rest) slabs.giveBack(part)
  const other = slabs.fill()
  assert.notEqual(other.space().buffer, memory)
  assert.ok(first!.every((byte) => byte === 1))
  slabs.giveBack(first!)
  other.end()
  const again = new Set([slabs.take().buffer.buffer, slabs.take().buffer.buffer, slabs.take().buffer.buffer])
  assert.ok(again.has(memory))
  slabs.giveBack(Buffer.from('from elsewhere'))
})
