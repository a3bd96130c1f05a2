// GnuPG's verifier, where the host has one: a second opinion on what this program signs, by a program that clients use.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export type SecondOpinion =
  | { readonly outcome: 'good' }
  | { readonly outcome: 'bad'; readonly why: string }
  /** There is no gpgv here. */
  | { readonly outcome: 'none' }

// Times are checked elsewhere; this host's clock may differ from the one that dated the signature.
const script = `while IFS= read -r folder; do
  "$0" --ignore-time-conflict --homedir "$folder" --keyring "$folder/keyring.gpg" "$folder/InRelease" \
    </dev/null >/dev/null 2>"$folder/why"
  echo $?
done`
const timeoutMs = 30_000
/** A shell says so where a program is not there. */
const notFound = '127'

/**
 * A small shell starts gpgv whenever it is told to: to fork a process with much memory costs it a fault for every
 * page that it writes to next, more than gpgv itself takes.
 */
export class Gpgv {
  readonly #program: string
  #isAbsent = false
  #shell: Shell | null = null
  /** One question at a time; never rejects. */
  #tail: Promise<unknown> = Promise.resolve()

  constructor(program = 'gpgv') {
    this.#program = program
  }

  /** `keyring`: binary certificates. */
  verify(inRelease: Buffer, keyring: Buffer): Promise<SecondOpinion> {
    const turn = this.#tail.then(() => this.#verify(inRelease, keyring))
    this.#tail = turn.catch(() => {})
    return turn
  }

  async #verify(inRelease: Buffer, keyring: Buffer): Promise<SecondOpinion> {
    if (this.#isAbsent) return { outcome: 'none' }
    const folder = await mkdtemp(join(tmpdir(), 'uus-gpgv-'))
    try {
      await writeFile(join(folder, 'keyring.gpg'), keyring)
      await writeFile(join(folder, 'InRelease'), inRelease)
      if (this.#shell?.isUp !== true) this.#shell = new Shell(this.#program)
      const status = await this.#shell.ask(folder)
      if (status === '0') return { outcome: 'good' }
      this.#isAbsent = status === notFound
      if (this.#isAbsent) return { outcome: 'none' }
      const why = (await readFile(join(folder, 'why'), 'utf8').catch(() => '')).trim()
      return {
        outcome: 'bad',
        why: why || (status === null ? 'it did not answer' : `it ended with ${status}`),
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}

/** Ends with this process, whose end of its input closes, and keeps nothing waiting meanwhile. */
class Shell {
  readonly #child: ChildProcess
  #isUp = true
  /** Who waits for gpgv's exit status. */
  #answer: (status: string | null) => void = () => {}

  constructor(program: string) {
    // In a group of its own, which can be ended with whatever it runs.
    this.#child = spawn('/bin/sh', ['-c', script, program], {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    })
    createInterface({ input: this.#child.stdout! }).on('line', (status) => this.#answer(status))
    this.#child.stdin!.on('error', () => {})
    this.#child.once('error', () => this.#end(notFound))
    this.#child.once('exit', () => this.#end(null))
    this.#setWaiting(false)
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** The exit status of gpgv, in decimal; null if none came in time. */
  async ask(folder: string): Promise<string | null> {
    this.#setWaiting(true)
    const timer = setTimeout(() => this.#end(null), timeoutMs)
    try {
      return await new Promise((resolve) => {
        this.#answer = resolve
        this.#child.stdin!.write(`${folder}\n`)
      })
    } finally {
      clearTimeout(timer)
      this.#setWaiting(false)
    }
  }

  #setWaiting(isWaiting: boolean): void {
    const ends = [this.#child, this.#child.stdin as Socket, this.#child.stdout as Socket]
    for (const end of ends) isWaiting ? end.ref() : end.unref()
  }

  #end(status: string | null): void {
    this.#isUp = false
    this.#answer(status)
    try {
      process.kill(-this.#child.pid!, 'SIGKILL')
    } catch {
      // It is gone.
    }
  }
}
