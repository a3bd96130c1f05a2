// Many clients of one file at once, from a process of their own: plain sockets that read into one buffer each, so that
// the clients cost as little as they can. Told what to do by the parent process.
import { connect } from 'node:net'

export interface LoadOrder {
  readonly port: number
  readonly path: string
  readonly host: string
  readonly clients: readonly ClientOrder[]
}

export interface ClientOrder {
  readonly delayMs: number
  /** Leaves so long after its start. */
  readonly leaveAfterMs?: number
}

export interface ClientResult {
  readonly status: number
  readonly firstByteMs: number
  readonly totalMs: number
  readonly bodyBytes: number
}

function runClient({ port, path, host }: LoadOrder, { leaveAfterMs }: ClientOrder): Promise<ClientResult> {
  return new Promise((resolve) => {
    const startedAt = performance.now()
    let head = ''
    let status = 0
    let firstByteMs = Number.NaN
    let bodyBytes = 0
    let length = Number.POSITIVE_INFINITY
    const finish = () => {
      socket.destroy()
      resolve({ status, firstByteMs, totalMs: performance.now() - startedAt, bodyBytes })
    }
    const take = (count: number, buffer: Uint8Array): boolean => {
      let body = count
      if (status === 0) {
        head += Buffer.from(buffer.buffer, buffer.byteOffset, count).toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return true
        status = Number(head.slice(9, 12))
        length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.POSITIVE_INFINITY)
        body = head.length - end - 4
      }
      if (body > 0 && Number.isNaN(firstByteMs)) firstByteMs = performance.now() - startedAt
      bodyBytes += body
      if (bodyBytes >= length) finish()
      return true
    }
    const socket = connect({
      port,
      host: '127.0.0.1',
      onread: { buffer: Buffer.allocUnsafe(256 << 10), callback: take },
    })
    socket.on('connect', () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nUser-Agent: bench\r\n\r\n`),
    )
    socket.on('error', finish)
    socket.on('close', finish)
    if (leaveAfterMs !== undefined) setTimeout(finish, leaveAfterMs)
  })
}

process.on('message', (message) => {
  const order = message as LoadOrder
  const all = order.clients.map(
    (client) =>
      new Promise<ClientResult>((resolve) => {
        const start = () => resolve(runClient(order, client))
        if (client.delayMs === 0) start()
        else setTimeout(start, client.delayMs)
      }),
  )
  void Promise.all(all).then((results) => process.send!(results))
})
