// Certificates for tests, made by openssl.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './programs.ts'

async function openssl(...words: string[]): Promise<void> {
  const { status, output } = await run('openssl', words)
  assert.equal(status, 0, output)
}

/** A CA, a server certificate for 127.0.0.1 and a client certificate, as PEM files of one folder. */
export async function makeCertificates(folder: string): Promise<(name: string) => string> {
  const at = (name: string) => join(folder, name)
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const caOptions = ['-x509', '-subj', '/CN=test CA', '-keyout', at('ca.key'), '-out', at('ca.pem')]
  await openssl('req', ...newKey, ...caOptions)
  writeFileSync(at('san'), 'subjectAltName=IP:127.0.0.1\n')
  for (const name of ['server', 'client']) {
    const request = ['-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`)]
    await openssl('req', ...newKey, ...request)
    const signing = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-extfile', at('san')]
    await openssl('x509', '-req', '-in', at(`${name}.csr`), ...signing, '-out', at(`${name}.pem`))
  }
  return at
}
