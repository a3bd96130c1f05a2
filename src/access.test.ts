// Whose tokens open archives that are not for everybody: those of slaves, where nobody could read them on their way.
import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { openAccess } from './access.ts'
import type { Config } from './config/config.ts'
import type { Sha256 } from './lib/digest.ts'
import type { Store } from './store/store.ts'
import { hashToken, makeToken } from './trust/secrets.ts'

const token = makeToken()
const place = { channel: 'approved', archive: 'vendor' }

/** A slave's own slave is given `approved`. */
async function slave(allowsHttp: boolean) {
  const archives = [{ name: 'vendor', access: 'closed', uris: [] }]
  const reader = {
    channels: {
      list: () => [
        { id: 1, name: 'approved' },
        { id: 2, name: 'testing' },
      ],
    },
    followed: { find: () => ({ archives }) },
    slaves: {
      findByToken: (hash: Sha256) => (hash === hashToken(token) ? { channels: ['approved'] } : null),
    },
  } as unknown as Store
  const config = { role: 'slave', sync: { allowsHttp } } as unknown as Config
  const access = await openAccess({ config, reader, log: () => {}, onChange: () => {} })
  const request = (remoteAddress: string, shown: string, isTls: boolean) => {
    const socket = isTls
      ? Object.create(TLSSocket.prototype, { remoteAddress: { value: remoteAddress } })
      : { remoteAddress }
    return { socket, headers: { authorization: `Bearer ${shown}` } } as unknown as IncomingMessage
  }
  return (remoteAddress: string, more: { shown?: string; isTls?: boolean; channel?: string } = {}) => {
    const { shown = token, isTls = false, channel = 'approved' } = more
    return access!.admits(request(remoteAddress, shown, isTls), { ...place, channel })
  }
}

test("a slave's token opens its channels, over TLS, from this host, or where plain http is allowed", async () => {
  const admits = await slave(false)
  assert.equal(admits('127.0.0.1'), true)
  assert.equal(admits('10.0.0.1', { isTls: true }), true)
  assert.equal(admits('10.0.0.1'), false)
  assert.equal(admits('127.0.0.1', { channel: 'testing' }), false)
  assert.equal(admits('127.0.0.1', { shown: makeToken() }), false)
  assert.equal(admits('127.0.0.1', { shown: 'anything' }), false)
  assert.equal((await slave(true))('10.0.0.1'), true)
})
