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

// Times are checked elsewhere; this host's clock may differ from the one that dated the signature. The shell says itself
// that there is no gpgv: the status 127 may as well be a library that cannot be loaded.
const script = `while IFS= read -r folder; do
  if command -v "$0" >/dev/null; then
    "$0" --ignore-time-conflict --homedir "$folder" --keyring "$folder/keyring.gpg" "$folder/InRelease" \
      </dev/null >/dev/null 2>"$folder/why"
    echo $?
  else
    echo none
  fi
done`
const usualPatienceMs = 30_000

/**
 * A small shell starts gpgv whenever it is told to: to fork a process with much memory costs it a fault for every
 * page that it writes to next, more than gpgv itself takes.
 */
export class Gpgv implements Disposable {
  readonly #program: string
  readonly #patienceMs: number
  #shell: Shell | null = null
  /** One question at a time; never rejects. */
  #tail: Promise<unknown> = Promise.resolve()

  constructor(program = 'gpgv', patienceMs = usualPatienceMs) {
    this.#program = program
    this.#patienceMs = patienceMs
  }

  /** `keyring`: binary certificates. */
  verify(inRelease: Buffer, keyring: Buffer): Promise<SecondOpinion> {
    // Counted from here: where one question hangs, those behind it do not wait as long again, each of them.
    const patience = AbortSignal.timeout(this.#patienceMs)
    const turn = this.#tail.then(() => this.#verify(inRelease, keyring, patience))
    this.#tail = turn.catch(() => {})
    return turn
  }

  async #verify(inRelease: Buffer, keyring: Buffer, patience: AbortSignal): Promise<SecondOpinion> {
    const folder = await mkdtemp(join(tmpdir(), 'uus-gpgv-'))
    try {
      await writeFile(join(folder, 'keyring.gpg'), keyring)
      await writeFile(join(folder, 'InRelease'), inRelease)
      const status = await this.#ask(folder, patience).catch((error: Error) => error)
      if (status instanceof Error) return { outcome: 'bad', why: status.message }
      if (status === '0') return { outcome: 'good' }
      if (status === 'none') return { outcome: 'none' }
      const why = (await readFile(join(folder, 'why'), 'utf8').catch(() => '')).trim()
      return { outcome: 'bad', why: why || `it ended with ${status}` }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** A shell may have been ended while nobody asked, by a host that is short of memory, say: once more, with another. */
  async #ask(folder: string, patience: AbortSignal): Promise<string> {
    try {
      return await this.#presentShell().ask(folder, patience)
    } catch (error) {
      if (patience.aborted) throw error
      return this.#presentShell().ask(folder, patience)
    }
  }

  #presentShell(): Shell {
    if (this.#shell?.isUp !== true) this.#shell = new Shell(this.#program)
    return this.#shell
  }

  [Symbol.dispose](): void {
    this.#shell?.[Symbol.dispose]()
  }
}

interface Question {
  resolve(status: string): void
  reject(reason: Error): void
}

/** Ends with this process, whose end of its input closes, and keeps nothing waiting meanwhile. */
class Shell implements Disposable {
  readonly #child: ChildProcess
  #failure: Error | null = null
  #question: Question | null = null

  constructor(program: string) {
    // In a group of its own, which can be ended with whatever it runs.
    this.#child = spawn('/bin/sh', ['-c', script, program], {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    })
    this.#child.once('error', (error) => this.#fail(error))
    this.#child.once('exit', () => this.#fail(new Error('the shell that starts it ended')))
    const { pid, stdin, stdout } = this.#child
    // It could not be started; there are not always pipes then.
    if (pid === undefined || stdin === null || stdout === null) return
    stdin.on('error', () => {})
    createInterface({ input: stdout }).on('line', (status) => this.#take(status))
    this.#setWaiting(false)
  }

  get isUp(): boolean {
    return this.#failure === null
  }

  /** The exit status of gpgv, in decimal, or `none`; rejects with why there is no answer. */
  async ask(folder: string, patience: AbortSignal): Promise<string> {
    const lose = () => this.#fail(new Error('it did not answer in time'))
    patience.addEventListener('abort', lose)
    this.#setWaiting(true)
    try {
      return await new Promise((resolve, reject) => {
        this.#question = { resolve, reject }
        if (patience.aborted) lose()
        if (this.#failure !== null) reject(this.#failure)
        else this.#child.stdin?.write(`${folder}\n`)
      })
    } finally {
      this.#question = null
      this.#setWaiting(false)
      patience.removeEventListener('abort', lose)
    }
  }

  #take(status: string): void {
    if (this.#question === null) this.#fail(new Error('the shell that starts it spoke out of turn'))
    else this.#question.resolve(status)
  }

  #setWaiting(isWaiting: boolean): void {
    const ends = [this.#child, this.#child.stdin as Socket | null, this.#child.stdout as Socket | null]
    for (const end of ends) isWaiting ? end?.ref() : end?.unref()
  }

  #fail(why: Error): void {
    this.#failure ??= why
    this.#question?.reject(this.#failure)
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL')
    } catch {
      // It is gone.
    }
  }

  /** What it was asked is still answered. */
  [Symbol.dispose](): void {
    this.#child.stdin?.end()
  }
}
