// Verification against signatures that gpg made, good and bad, and our own signatures against gpgv.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { needs, run } from '../../test/rig/programs.ts'
import { Gpgv } from './gpgv.ts'
import { readKeyring } from './keyring.ts'
import { joinPublicKeys, makeSigningKey, Signer } from './signing.ts'
import { verifyDetachedRelease, verifyInRelease } from './verify.ts'

const release = `Origin: Test
Suite: stable
Codename: stable
Date: Fri, 20 Nov 2026 00:00:00 UTC
SHA256:
 ${'a'.repeat(64)} 12 main/binary-amd64/Packages
`

/** A gpg home of its own. */
class GpgHome implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'uus-gpg-'))

  async gpg(...arguments_: string[]): Promise<string> {
    const all = [
      '--homedir',
      this.folder,
      '--batch',
      '--yes',
      '--pinentry-mode',
      'loopback',
      '--passphrase',
      '',
      ...arguments_,
    ]
    const result = await run('gpg', all)
    assert.equal(result.status, 0, result.output)
    return result.stdout
  }

  async makeKey(name: string, algorithm: string, usage = 'sign', expiry = 'never'): Promise<void> {
    await this.gpg('--quick-generate-key', name, algorithm, usage, expiry)
  }

  async keyring(...names: string[]) {
    const path = join(this.folder, 'keyring.gpg')
    await this.gpg('--output', path, '--export', ...names)
    return readKeyring([{ path, bytes: readFileSync(path) }])
  }

  async sign(name: string, text: string, ...options: string[]): Promise<Buffer> {
    const path = join(this.folder, 'Release')
    writeFileSync(path, text)
    await this.gpg('-u', name, ...options, '--clearsign', '--output', `${path}.in`, path)
    return readFileSync(`${path}.in`)
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const now = () => Date.now()

for (const [algorithm, hash] of [
  ['rsa2048', 'SHA256'],
  ['rsa3072', 'SHA512'],
  ['ed25519', 'SHA512'],
  ['nistp256', 'SHA256'],
] as const) {
  test(
    `a good signature of ${algorithm} over ${hash} is believed, and the signer named`,
    needs('gpg'),
    async () => {
      using home = new GpgHome()
      await home.makeKey('good', algorithm)
      const file = await home.sign('good', release, '--digest-algo', hash)
      const verified = await verifyInRelease(file, await home.keyring('good'), now(), 'InRelease')
      assert.match(verified.signedBy, /^[0-9A-F]{40}$/)
      assert.equal(verified.release.identity.origin, 'Test')
    },
  )
}

test('a signing subkey counts for its key', needs('gpg'), async () => {
  using home = new GpgHome()
  await home.makeKey('sub', 'rsa2048', 'cert')
  const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(
    await home.gpg('--with-colons', '--list-keys', 'sub'),
  )![1]!
  await home.gpg('--quick-add-key', fingerprint, 'rsa2048', 'sign')
  const file = await home.sign('sub', release)
  const verified = await verifyInRelease(file, await home.keyring('sub'), now(), 'InRelease')
  assert.equal(verified.signedBy, fingerprint)
})

for (const [what, algorithm, options, code, message] of [
  [
    'a SHA-1 digest',
    'rsa2048',
    ['--digest-algo', 'SHA1', '--weak-digest', 'MD5'],
    'SIGNATURE_WEAK',
    /weak digest SHA1/,
  ],
  [
    'an RSA key of 1024 bits',
    'rsa1024',
    ['--digest-algo', 'SHA256'],
    'SIGNATURE_WEAK',
    /weak RSA key of 1024 bits/,
  ],
] as const) {
  test(`${what} is refused as weak`, needs('gpg'), async () => {
    using home = new GpgHome()
    await home.makeKey('weak', algorithm)
    const file = await home.sign('weak', release, ...options)
    await assert.rejects(verifyInRelease(file, await home.keyring('weak'), now(), 'InRelease'), {
      code,
      message,
    })
  })
}

test('a key that expired since is refused', needs('gpg'), async () => {
  using home = new GpgHome()
  await home.makeKey('brief', 'ed25519', 'sign', '2d')
  const file = await home.sign('brief', release)
  const keyring = await home.keyring('brief')
  await verifyInRelease(file, keyring, now(), 'InRelease')
  const later = now() + 3 * 86_400_000
  await assert.rejects(verifyInRelease(file, keyring, later, 'InRelease'), {
    code: 'SIGNATURE_INVALID',
    message: /which is no longer good/,
  })
})

test('one good signature by a trusted key is enough, beside others', needs('gpg'), async () => {
  using home = new GpgHome()
  await home.makeKey('first', 'ed25519')
  await home.makeKey('second', 'rsa2048')
  const file = await home.sign('first', release, '-u', 'second')
  for (const name of ['first', 'second']) {
    await verifyInRelease(file, await home.keyring(name), now(), 'InRelease')
  }
})

test('fingerprints leave only these keys of a keyring', needs('gpg'), async () => {
  using home = new GpgHome()
  await home.makeKey('wanted', 'ed25519')
  await home.makeKey('other', 'ed25519')
  const path = join(home.folder, 'both.gpg')
  await home.gpg('--output', path, '--export', 'wanted', 'other')
  const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(
    await home.gpg('--with-colons', '--list-keys', 'wanted'),
  )![1]!
  const keyring = await readKeyring([{ path, bytes: readFileSync(path) }], [fingerprint])
  await verifyInRelease(await home.sign('wanted', release), keyring, now(), 'InRelease')
  await assert.rejects(verifyInRelease(await home.sign('other', release), keyring, now(), 'InRelease'), {
    code: 'SIGNATURE_KEY_UNKNOWN',
  })
  await assert.rejects(readKeyring([{ path, bytes: readFileSync(path) }], ['0'.repeat(40)]), {
    code: 'KEYRING_UNREADABLE',
  })
})

test('keyrings are read in every form, whatever they are called', needs('gpg'), async () => {
  using home = new GpgHome()
  await home.makeKey('one', 'ed25519')
  await home.makeKey('two', 'ed25519')
  const armored =
    (await home.gpg('--armor', '--export', 'one')) + (await home.gpg('--armor', '--export', 'two'))
  const keyring = await readKeyring([{ path: 'odd.gpg', bytes: Buffer.from(`a comment\n${armored}`) }])
  assert.equal(keyring.keys.length, 2)
  for (const bytes of [Buffer.alloc(0), Buffer.from('<html>'), Buffer.alloc(100, 7)]) {
    await assert.rejects(readKeyring([{ path: 'broken.gpg', bytes }]), {
      code: 'KEYRING_UNREADABLE',
      message: /broken.gpg/,
    })
  }
})

test('Release.gpg of gpg verifies; a changed Release does not', needs('gpg'), async () => {
  using home = new GpgHome()
  await home.makeKey('good', 'rsa2048')
  const path = join(home.folder, 'R')
  writeFileSync(path, release)
  await home.gpg('-u', 'good', '--armor', '--detach-sign', '--output', `${path}.gpg`, path)
  const keyring = await home.keyring('good')
  const signature = readFileSync(`${path}.gpg`)
  await verifyDetachedRelease(Buffer.from(release), signature, keyring, now(), 'Release')
  await assert.rejects(
    verifyDetachedRelease(Buffer.from(release.replace('Test', 'Evil')), signature, keyring, now(), 'Release'),
    { code: 'SIGNATURE_INVALID' },
  )
  await assert.rejects(
    verifyDetachedRelease(Buffer.from(release), Buffer.from('no'), keyring, now(), 'Release'),
    {
      code: 'SIGNATURE_MISSING',
    },
  )
})

test(
  'what apt tolerates in a clear-signed file is tolerated: CRLF, trailing blanks, escaped dashes',
  needs('gpg'),
  async () => {
    using home = new GpgHome()
    await home.makeKey('good', 'ed25519')
    const keyring = await home.keyring('good')
    const file = (await home.sign('good', `${release}Description: -x\n`)).toString('latin1')
    for (const variant of [
      file.replaceAll('\n', '\r\n'),
      file.replace('Origin: Test\n', 'Origin: Test  \t\n'),
      file.replace('Origin: Test\n', '- Origin: Test\n'),
      file.trimEnd(),
    ]) {
      const verified = await verifyInRelease(Buffer.from(variant, 'latin1'), keyring, now(), 'InRelease')
      assert.equal(verified.release.identity.origin, 'Test')
    }
    await assert.rejects(
      verifyInRelease(
        Buffer.from(file.replace('Origin: Test\n', 'Origin: Test\n-x: y\n')),
        keyring,
        now(),
        'InRelease',
      ),
      { code: 'SIGNATURE_INVALID', message: /unescaped line/ },
    )
  },
)

test('our own keys and signatures satisfy gpgv, two keys in one block', needs('gpgv'), async () => {
  using home = new GpgHome()
  const first = await makeSigningKey('approved', 'ed25519', now())
  const second = await makeSigningKey('approved', 'rsa4096', now())
  const signer = await Signer.fromArmored([first.privateKey, second.privateKey], 'approved')
  const { inRelease, releaseGpg } = await signer.sign(release, now() - 60_000)
  assert.equal(inRelease.toString().split('BEGIN PGP SIGNATURE').length, 2, 'one armor block')
  const save = (name: string, bytes: Buffer | string) => {
    const path = join(home.folder, name)
    writeFileSync(path, bytes)
    return path
  }
  const paths = [
    save('InRelease', inRelease),
    save('Release.gpg', releaseGpg),
    save('Release', release),
  ] as const
  for (const key of [first, second]) {
    const keyring = save('keys.gpg', (await joinPublicKeys([key.publicKey])).binary)
    assert.match((await run('gpgv', ['--keyring', keyring, paths[0]])).output, /Good signature/)
    assert.match((await run('gpgv', ['--keyring', keyring, paths[1], paths[2]])).output, /Good signature/)
  }
})

test('a second opinion is that of gpgv, as often as it is asked for', needs('gpgv'), async () => {
  const makeKey = () => makeSigningKey('approved', 'ed25519', now())
  const [key, other] = [await makeKey(), await makeKey()]
  const signer = await Signer.fromArmored([key.privateKey], 'approved')
  const { inRelease } = await signer.sign(release, now())
  using gpgv = new Gpgv()
  const asked = [key, other, key].map(async ({ publicKey }) =>
    gpgv.verify(inRelease, (await joinPublicKeys([publicKey])).binary),
  )
  const [good, bad, again] = await Promise.all(asked)
  assert.deepEqual([good, again], [{ outcome: 'good' }, { outcome: 'good' }])
  assert.match(bad!.outcome === 'bad' ? bad!.why : '', /No public key/)
})

test('a verifier that dies, fails or hangs is no good opinion; one that is not there is none', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'uus-gpgv-'))
  const ask = async (script: string, times: number, patienceMs?: number) => {
    const program = join(folder, 'gpgv')
    writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    using gpgv = new Gpgv(program, patienceMs)
    return Promise.all(Array.from({ length: times }, () => gpgv.verify(nothing, nothing)))
  }
  const bad = (why: string) => ({ outcome: 'bad', why })
  try {
    // Its parent is the shell that started it.
    const ended = bad('the shell that starts it ended')
    assert.deepEqual(await ask('kill -9 $PPID', 2), [ended, ended])
    assert.deepEqual(await ask('echo no library >&2; exit 127', 1), [bad('no library')])
    assert.deepEqual(await ask('exit 3', 1), [bad('it ended with 3')])
    const late = bad('it did not answer in time')
    assert.deepEqual(await ask('exec sleep 60', 2, 200), [late, late])
    using absent = new Gpgv(join(folder, 'none'))
    assert.deepEqual(await absent.verify(nothing, nothing), { outcome: 'none' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test(
  'the shell that starts a verifier is replaced when it was ended, and ends with its owner',
  needs('pgrep'),
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'uus-gpgv-'))
    try {
      const program = join(folder, 'gpgv')
      writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 })
      const shells = () => pidsOf(process.pid, program)
      {
        using gpgv = new Gpgv(program)
        for (const _time of [1, 2]) {
          assert.deepEqual(await gpgv.verify(nothing, nothing), { outcome: 'good' })
          const [pid, ...others] = shells()
          assert.deepEqual(others, [])
          process.kill(pid!, 'SIGKILL')
        }
        assert.deepEqual(await gpgv.verify(nothing, nothing), { outcome: 'good' })
      }
      while (shells().length > 0) await sleep(10)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)

function pidsOf(parent: number, program: string): number[] {
  const { stdout } = spawnSync('pgrep', ['-P', `${parent}`, '-f', program], { encoding: 'utf8' })
  return stdout.split('\n').filter(Boolean).map(Number)
}

const nothing = Buffer.alloc(0)
