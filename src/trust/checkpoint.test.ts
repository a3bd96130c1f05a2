// Checkpoints of the audit log, against gpgv, and everything that is not quite one.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { needs, run } from '../../test/rig/programs.ts'
import { UusError } from '../lib/errors.ts'
import { makeOrigin, renderCheckpoint, verifyCheckpoint } from './checkpoint.ts'
import { readKeyring } from './keyring.ts'
import { joinPublicKeys, makeKey, Signer } from './signing.ts'

const now = () => Date.now()

test('a checkpoint is what gpgv verifies too, and says exactly what was signed', needs('gpgv'), async () => {
  const key = await makeKey('UUS audit', 'ed25519', now())
  const signer = await Signer.fromArmored([key.privateKey], 'the audit log')
  const at = Math.floor(now() / 1000) * 1000
  const said = { origin: makeOrigin(Buffer.alloc(16, 7)), sequence: 17, head: 'ab'.repeat(32), at }
  const signed = await signer.clearSign(renderCheckpoint(said), at)
  const { binary, armored } = await joinPublicKeys([key.publicKey])
  const folder = mkdtempSync(join(tmpdir(), 'uus-checkpoint-'))
  writeFileSync(join(folder, 'audit.gpg'), binary)
  writeFileSync(join(folder, 'checkpoint'), signed)
  const gpgv = await run('gpgv', ['--keyring', join(folder, 'audit.gpg'), join(folder, 'checkpoint')])
  rmSync(folder, { recursive: true })
  assert.equal(gpgv.status, 0, gpgv.output)
  const keyring = await readKeyring([{ path: 'audit.asc', bytes: Buffer.from(armored) }])
  assert.deepEqual(await verifyCheckpoint(signed, keyring, 'It'), { ...said, signedBy: key.fingerprint })
  // Whatever is changed in what it says is found.
  const text = signed.slice(signed.indexOf('uus-audit'), signed.indexOf('\n-----BEGIN PGP SIGNATURE'))
  for (let place = 0; place < text.length; place++) {
    const other = text[place] === '1' ? '2' : '1'
    const changed = text.slice(0, place) + other + text.slice(place + 1)
    await assert.rejects(verifyCheckpoint(signed.replace(text, changed), keyring, 'It'), UusError, changed)
  }
})

test('a text that is signed, but is no checkpoint, is refused', async () => {
  const key = await makeKey('UUS audit', 'ed25519', now())
  const signer = await Signer.fromArmored([key.privateKey], 'the audit log')
  const keyring = await readKeyring([{ path: 'audit.asc', bytes: Buffer.from(key.publicKey) }])
  const good = renderCheckpoint({
    origin: makeOrigin(Buffer.alloc(16)),
    sequence: 1,
    head: '0'.repeat(64),
    at: now(),
  })
  const [origin, sequence, head, time] = good.split('\n')
  for (const lines of [
    [origin, sequence, head],
    [origin, `0${sequence}`, head, time],
    [origin, sequence, head!.slice(4), time],
    [`other/${'0'.repeat(32)}`, sequence, head, time],
    [origin, sequence, head, time, 'more'],
    [origin, '1e3', head, time],
  ]) {
    const signed = await signer.clearSign(lines.join('\n'), now())
    await assert.rejects(
      verifyCheckpoint(signed, keyring, 'It'),
      { code: /MALFORMED|SIGNATURE_INVALID/ },
      lines.join(),
    )
  }
})
