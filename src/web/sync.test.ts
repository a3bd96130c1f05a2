import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { refuseOpenToken } from './sync.ts'

function from(remoteAddress: string | undefined, isTls = false) {
  const socket = isTls ? new TLSSocket(new Socket()) : new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: remoteAddress })
  return { socket }
}

test('a token is taken over TLS and loopback, and elsewhere only where the configuration says so', () => {
  for (const address of ['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1'])
    refuseOpenToken(from(address), false)
  for (const address of ['10.0.0.1', '::ffff:10.0.0.1', '2001:db8::1', '127.0.0.1.example.com', undefined]) {
    assert.throws(() => refuseOpenToken(from(address), false), { code: 'TLS_REQUIRED' }, String(address))
    refuseOpenToken(from(address), true)
    refuseOpenToken(from(address, true), false)
  }
})
