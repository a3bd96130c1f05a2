// Archives behind TLS, as vendors and Ubuntu Pro have them: a CA of one's own, and certificates of clients.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { packageOrigin } from '../src/actions/package-origin.ts'
import { sha256 } from '../src/lib/digest.ts'
import { FakeArchive } from './rig/archive.ts'
import { makeCertificates } from './rig/certificates.ts'
import { aPackage } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { Rig } from './rig/rig.ts'

test('an archive behind TLS with a CA of its own and client certificates', needs('openssl'), async () => {
  const folder = mkdtempSync(join(tmpdir(), 'uus-tls-'))
  try {
    const at = await makeCertificates(folder)
    await using archive = await FakeArchive.start({
      key: readFileSync(at('server.key')),
      cert: readFileSync(at('server.pem')),
      ca: readFileSync(at('ca.pem')),
      requestCert: true,
      rejectUnauthorized: true,
    })
    const bash = aPackage({ name: 'bash', version: '5.1' })
    await archive.publish('stable', { components: { main: { amd64: [bash] } } })

    const update = async (more: readonly string[]) => {
      await using rig = await Rig.open({ archives: [{ archive, more }] })
      const [item] = (await rig.update()).items
      const { pool, fetcher, packages } = rig.process.network
      const file = { sha256: sha256(bash.file), sizeBytes: bash.file.length }
      const sources = { config: rig.config, fetcher, offeredTimes: async () => null, now: () => 0 }
      const origin = () => packageOrigin(sources, 'test', bash.path)
      const fetched =
        item?.error === null ? await pool.obtain(file, origin).then(() => packages.sizeOf(file.sha256)) : null
      return { item, stanzas: rig.stanzas('testing', 'bash').length, fetched }
    }
    const trusting = [`ca: ${at('ca.pem')}`]
    const showing = [`client-certificate: ${at('client.pem')}`, `client-key: ${at('client.key')}`]

    const unknownCa = await update(showing)
    assert.equal(unknownCa.item?.error?.code, 'UPSTREAM_UNREACHABLE')
    assert.match(unknownCa.item?.error?.message ?? '', /self-signed certificate/)
    assert.match(unknownCa.item?.error?.hint ?? '', /"ca"/)
    const anonymous = await update(trusting)
    assert.match(anonymous.item?.error?.message ?? '', /cannot be reached: .*certificate required$/)
    const both = await update([...trusting, ...showing])
    assert.equal(both.item?.error, null)
    assert.equal(both.stanzas, 1)
    assert.equal(both.fetched, bash.file.length, 'its package files too')
    archive.lie(/InRelease/, { type: 'redirect', to: archive.url.replace('https:', 'http:') }, 1)
    const redirected = await update([...trusting, ...showing])
    assert.match(redirected.item?.error?.message ?? '', /sends us from https to http$/)
    const absent = await update([`ca: ${at('nowhere.pem')}`])
    assert.match(absent.item?.error?.message ?? '', /nowhere\.pem/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
