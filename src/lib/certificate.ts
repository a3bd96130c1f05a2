// A certificate and its key, from files: read anew when they change, so that a renewed one needs no restart.
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { UusError } from './errors.ts'

export interface CertificateFiles {
  /** PEM; the server's own first, then those that lead to the root. */
  readonly cert: string
  /** PEM, without a passphrase. */
  readonly key: string
}

export interface CertificatePair {
  readonly cert: Buffer
  readonly key: Buffer
}

const lookEveryMs = 10_000

export class Certificate implements Disposable {
  readonly #files: CertificateFiles
  readonly #onError: (error: UusError) => void
  readonly #users: ((pair: CertificatePair) => void)[] = []
  readonly #timer: NodeJS.Timeout
  #pair: CertificatePair
  #seen: string

  /** CONFIG_INVALID if the files cannot be used. Later failures are told to `onError`, and the present pair stays. */
  constructor(files: CertificateFiles, onError: (error: UusError) => void) {
    this.#files = files
    this.#onError = onError
    this.#seen = stampOf(files)
    this.#pair = readPair(files)
    this.#timer = setInterval(() => this.#look(), lookEveryMs).unref()
  }

  /** Calls `use` with the pair, and again with every later one. */
  follow(use: (pair: CertificatePair) => void): void {
    this.#users.push(use)
    use(this.#pair)
  }

  /** Reads the files now. True if they are good. */
  reload(): boolean {
    this.#seen = stampOf(this.#files)
    try {
      this.#pair = readPair(this.#files)
    } catch (error) {
      this.#onError(UusError.from(error))
      return false
    }
    for (const use of this.#users) use(this.#pair)
    return true
  }

  #look(): void {
    if (stampOf(this.#files) !== this.#seen) this.reload()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

/** Changes whenever the files do, also where a link is turned to other ones. */
function stampOf({ cert, key }: CertificateFiles): string {
  const stamps = [cert, key].map((path) => {
    const found = statSync(path, { throwIfNoEntry: false })
    return found === undefined ? '-' : `${found.ino} ${found.mtimeMs} ${found.size}`
  })
  return stamps.join(', ')
}

function readPair({ cert, key }: CertificateFiles): CertificatePair {
  try {
    const pair = { cert: readFileSync(cert), key: readFileSync(key) }
    createSecureContext(pair) // refuses what is no PEM, and a key of another certificate
    return pair
  } catch (error) {
    throw new UusError(
      'CONFIG_INVALID',
      `The certificate ${cert} cannot be used: ${(error as Error).message}`,
      {
        cause: error,
        hint: 'Name PEM files that the server may read and that belong together: "tls: {cert, key}"',
      },
    )
  }
}
