// CONNECT: bytes passed on unseen, for https. Only to hosts and ports on the list; names that stand for many hosts do
// not lead into the inner network.
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Networks } from '../lib/networks.ts'
import { lookupOutside } from '../pool/addresses.ts'

export interface ConnectTarget {
  /** In lower case; `*.example.org` stands for the names below it. */
  readonly host: string
  readonly port: number
}

export interface ConnectOptions {
  readonly allowed: readonly ConnectTarget[]
  /** Null: everybody may use it. */
  readonly networks: readonly string[] | null
  /** Told how each request went: `client`, `target`, status. */
  onAnswer(client: string, target: string, status: number): void
}

const connectTimeoutMs = 10_000
const silenceMs = 300_000
const maxTunnels = 500

export function createConnectHandler({ allowed, networks, onAnswer }: ConnectOptions) {
  const inside = networks === null ? null : new Networks(networks)
  let tunnels = 0
  return (request: IncomingMessage, client: Duplex, head: Buffer): void => {
    const address = request.socket.remoteAddress ?? ''
    const answer = (status: number, reason: string, text: string) => {
      onAnswer(address, request.url ?? '', status)
      client.end(
        `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${text.length + 1}\r\nConnection: close\r\n\r\n${text}\n`,
      )
    }
    client.on('error', () => client.destroy())
    const target = parseTarget(request.url ?? '')
    const rule = target === null ? undefined : allowed.find((one) => isMeant(one, target))
    if (!(inside?.has(address) ?? true)) answer(403, 'Forbidden', 'This proxy is not for your network')
    else if (target === null) answer(400, 'Bad Request', 'CONNECT needs HOST:PORT')
    else if (rule === undefined) {
      answer(
        403,
        'Forbidden',
        `This proxy does not connect to ${target.host}:${target.port}; "proxy-connect" in its configuration lists where it does`,
      )
    } else if (tunnels >= maxTunnels) answer(503, 'Service Unavailable', 'Too many connections at a time')
    else {
      tunnels++
      const upstream = open(target, rule)
      let isOpen = false
      upstream.on('error', () => upstream.destroy())
      upstream.once('close', () => {
        tunnels--
        if (!isOpen) answer(502, 'Bad Gateway', `${target.host} cannot be reached`)
      })
      upstream.once('connect', () => {
        isOpen = true
        onAnswer(address, request.url ?? '', 200)
        client.write('HTTP/1.1 200 Connection established\r\n\r\n')
        if (head.length > 0) upstream.write(head)
        join(client, upstream)
      })
      client.once('close', () => upstream.destroy())
    }
  }
}

function open({ host, port }: ConnectTarget, rule: ConnectTarget): Socket {
  const isMany = rule.host.startsWith('*.')
  const options = { host: host.replace(/^\[(.*)\]$/, '$1'), port }
  const socket = connect(isMany ? { ...options, lookup: lookupOutside } : options)
  socket.setTimeout(connectTimeoutMs, () => socket.destroy(new Error('no answer in time')))
  socket.once('connect', () => socket.setTimeout(silenceMs))
  return socket
}

/** Whatever ends one way ends both. */
function join(client: Duplex, upstream: Socket): void {
  const end = () => {
    client.destroy()
    upstream.destroy()
  }
  pipeline(client, upstream, client).then(end, end)
}

function parseTarget(text: string): ConnectTarget | null {
  const match = /^([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  return match === null || port === 0 || port > 65_535 ? null : { host: match[1]!.toLowerCase(), port }
}

function isMeant(rule: ConnectTarget, { host, port }: ConnectTarget): boolean {
  if (rule.port !== port) return false
  // An address is no name below a domain.
  return rule.host.startsWith('*.')
    ? host.endsWith(rule.host.slice(1)) && /[a-z]$/.test(host)
    : host === rule.host
}
