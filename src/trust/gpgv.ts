// GnuPG's verifier, where the host has one: a second opinion on what this program signs, by a program that clients use.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemCode } from '../lib/errors.ts'

export type SecondOpinion =
  | { readonly outcome: 'good' }
  | { readonly outcome: 'bad'; readonly why: string }
  /** There is no gpgv here. */
  | { readonly outcome: 'none' }

export class Gpgv {
  readonly #program: string
  #isAbsent = false

  constructor(program = 'gpgv') {
    this.#program = program
  }

  /** `keyring`: binary certificates. */
  async verify(inRelease: Buffer, keyring: Buffer): Promise<SecondOpinion> {
    if (this.#isAbsent) return { outcome: 'none' }
    const folder = await mkdtemp(join(tmpdir(), 'uus-gpgv-'))
    try {
      const keyringPath = join(folder, 'keyring.gpg')
      const filePath = join(folder, 'InRelease')
      await writeFile(keyringPath, keyring)
      await writeFile(filePath, inRelease)
      return await this.#run(['--homedir', folder, '--keyring', keyringPath, ...lenient, filePath])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  #run(arguments_: readonly string[]): Promise<SecondOpinion> {
    return new Promise((resolve) => {
      execFile(this.#program, arguments_, { timeout: timeoutMs }, (error, _stdout, stderr) => {
        if (error === null) resolve({ outcome: 'good' })
        else if (systemCode(error) === 'ENOENT') {
          this.#isAbsent = true
          resolve({ outcome: 'none' })
        } else resolve({ outcome: 'bad', why: stderr.trim() || error.message })
      })
    })
  }
}

const timeoutMs = 30_000
/** Times are checked elsewhere; this host's clock may differ from the one that dated the signature. */
const lenient = ['--ignore-time-conflict']
