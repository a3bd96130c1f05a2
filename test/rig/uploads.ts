// What people upload: packages that dpkg-deb built, the .changes around them, and keys to sign these with.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCleartextMessage, generateKey, type PrivateKey, readPrivateKey, sign } from 'openpgp'
import type { AddResult } from '../../src/actions/add.ts'
import { sha256 } from '../../src/lib/digest.ts'
import { controlText, realDeb } from './debs.ts'
import type { Rig } from './rig.ts'

export interface Upload {
  readonly name: string
  readonly bytes: Buffer
}

/** A real .deb of these control fields, with a file that tells builds apart. */
export async function anUpload(
  name: string,
  version: string,
  fields: Record<string, string | undefined> = {},
  build = '',
): Promise<Upload> {
  const all = { Package: name, Version: version, Architecture: 'amd64', ...fields }
  const files = { [`usr/share/${name}/build`]: `${version} ${build}\n` }
  const bytes = await realDeb({ control: controlText(all), files, compressor: 'zstd' })
  return { name: `${name}_${version.replace(/^\d+:/, '')}_${all.Architecture}.deb`, bytes }
}

export interface AddOptions {
  readonly archive?: string
  readonly suite?: string | null
  readonly component?: string
  readonly channel?: string
}

/** `uus add`, but for the command line: staged, added, let go. */
export async function addTo(
  rig: Rig,
  uploads: readonly Upload[],
  options: AddOptions = {},
): Promise<AddResult> {
  const { uploads: area } = rig.process.context
  const files = []
  for (const { name, bytes } of uploads)
    files.push({ name, ...(await area.stage(chunksOf(bytes), bytes.length)) })
  try {
    return await rig.call<AddResult>('add', { archive: 'local', suite: 'stable', ...options, files })
  } finally {
    for (const one of files) await area.release(one)
  }
}

export async function* chunksOf(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

/** Somebody who may upload: their keyring is a file. */
export class Uploader implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'uus-uploader-'))
  readonly #key: PrivateKey

  private constructor(key: PrivateKey, publicKey: string) {
    this.#key = key
    writeFileSync(this.keyring, publicKey)
  }

  static async make(): Promise<Uploader> {
    const userIDs = [{ name: 'Jim', email: 'jim@example.org' }]
    const { privateKey, publicKey } = await generateKey({ type: 'curve25519', userIDs })
    return new Uploader(await readPrivateKey({ armoredKey: privateKey }), publicKey)
  }

  get keyring(): string {
    return join(this.#folder, 'uploaders.asc')
  }

  get fingerprint(): string {
    return this.#key.getFingerprint().toUpperCase()
  }

  async sign(text: string): Promise<Buffer> {
    const message = await createCleartextMessage({ text })
    return Buffer.from(await sign({ message, signingKeys: this.#key }))
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true })
  }
}

/** The text of a .changes of these files, as dpkg-genchanges writes it; undefined leaves out a field. */
export function changesText(
  files: readonly Upload[],
  source: string,
  version: string,
  fields: Record<string, string | undefined> = {},
): string {
  const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')
  const sha1 = (bytes: Buffer) => createHash('sha1').update(bytes).digest('hex')
  const lines = (line: (file: Upload) => string) => files.map((file) => `\n ${line(file)}`).join('')
  const all: Record<string, string | undefined> = {
    Format: '1.8',
    Date: 'Mon, 23 Nov 2026 10:00:00 +0000',
    Source: source,
    Binary: source,
    Architecture: 'amd64',
    Version: version,
    Distribution: 'stable',
    Urgency: 'medium',
    Maintainer: 'Jim <jim@example.org>',
    'Changed-By': 'Jim <jim@example.org>',
    Description: `\n ${source} - a sample`,
    Changes: `\n ${source} (${version}) stable; urgency=medium\n .\n   * News.`,
    'Checksums-Sha1': lines(({ name, bytes }) => `${sha1(bytes)} ${bytes.length} ${name}`),
    'Checksums-Sha256': lines(({ name, bytes }) => `${sha256(bytes)} ${bytes.length} ${name}`),
    Files: lines(({ name, bytes }) => `${md5(bytes)} ${bytes.length} utils optional ${name}`),
    ...fields,
  }
  return Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => (value!.startsWith('\n') ? `${name}:${value}\n` : `${name}: ${value}\n`))
    .join('')
}
