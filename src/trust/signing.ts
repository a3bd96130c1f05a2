// The keys that channels sign with, and the signing of envelopes. Runs in the jobs process only.
import {
  createCleartextMessage,
  createMessage,
  generateKey,
  config as openpgpConfig,
  type PrivateKey,
  readKey,
  readPrivateKey,
  sign,
} from 'openpgp'
import { UusError } from '../lib/errors.ts'
import { fingerprintOf } from './keyring.ts'

export type KeyAlgorithm = 'ed25519' | 'rsa4096'

/** A freshly made key pair, armored. The private part leaves the process only to its 0600 file. */
export interface NewKey {
  /** 40 upper-case hex digits. */
  readonly fingerprint: string
  readonly algorithm: KeyAlgorithm
  readonly publicKey: string
  readonly privateKey: string
}

// sqv refuses a signature older than its key: a key's birthday lies back far enough for any clock that is
// only somewhat wrong.
const keyAgeMs = 24 * 3600 * 1000
// The same data signs to the same bytes, as far as the algorithm goes.
const settings = { ...openpgpConfig, nonDeterministicSignaturesViaNotation: false }

/**
 * Ed25519 with algorithm number 22, or RSA-4096: what every apt from 2.0 to 3.3 verifies, by gpgv or sqv.
 * One primary key that certifies and signs, no subkeys, no expiry.
 */
export function makeSigningKey(channel: string, algorithm: KeyAlgorithm, now: number): Promise<NewKey> {
  return makeKey(`UUS channel ${channel}`, algorithm, now)
}

/** The same for what is no channel; `userId` is what people see in a keyring. */
export async function makeKey(userId: string, algorithm: KeyAlgorithm, now: number): Promise<NewKey> {
  const { privateKey, publicKey } = await generateKey({
    ...(algorithm === 'ed25519' ? { type: 'ecc', curve: 'ed25519Legacy' } : { type: 'rsa', rsaBits: 4096 }),
    userIDs: [{ name: userId }],
    subkeys: [],
    date: new Date(now - keyAgeMs),
    format: 'object',
    config: settings,
  })
  return {
    fingerprint: fingerprintOf(publicKey),
    algorithm,
    publicKey: publicKey.armor(settings),
    privateKey: privateKey.armor(settings),
  }
}

/** The signed forms of a Release text. */
export interface SignedRelease {
  readonly inRelease: Buffer
  readonly releaseGpg: Buffer
}

/** Signs Release texts with one or more keys; all signatures stand in one armor block (sqv reads only the first). */
export class Signer {
  readonly #keys: readonly PrivateKey[]

  private constructor(keys: readonly PrivateKey[]) {
    this.#keys = keys
  }

  /** From armored private keys of a channel or the like; SIGNING_KEY_MISSING if one cannot be read. */
  static async fromArmored(keys: readonly string[], owner: string): Promise<Signer> {
    try {
      return new Signer(await Promise.all(keys.map((armoredKey) => readPrivateKey({ armoredKey }))))
    } catch (error) {
      throw new UusError('SIGNING_KEY_MISSING', `A signing key of ${owner} cannot be read`, {
        cause: error,
        hint: 'Restore the data directory\'s "keys" folder from your backup',
      })
    }
  }

  /** `signedAt` (milliseconds) is the signature time; back-dated, because sqv refuses one from the future. */
  async sign(text: string, signedAt: number): Promise<SignedRelease> {
    const detached = await createMessage({ binary: Buffer.from(text) })
    const [inRelease, releaseGpg] = await Promise.all([
      this.clearSign(text, signedAt),
      sign({ ...this.#options(signedAt), message: detached, detached: true, format: 'armored' }),
    ])
    return { inRelease: Buffer.from(inRelease), releaseGpg: Buffer.from(unixLines(releaseGpg)) }
  }

  /** The text between its header and its signature. */
  async clearSign(text: string, signedAt: number): Promise<string> {
    const message = await createCleartextMessage({ text })
    return unixLines(await sign({ ...this.#options(signedAt), message }))
  }

  #options(signedAt: number) {
    return { signingKeys: [...this.#keys], date: new Date(signedAt), config: settings }
  }
}

/** RFC 9580 allows both line ends; files on a Unix archive have LF. */
function unixLines(text: string): string {
  return text.replaceAll('\r\n', '\n')
}

/** Several armored public keys as one: `armored` a single block with all certificates, `binary` for `.gpg`. */
export async function joinPublicKeys(
  armored: readonly string[],
): Promise<{ armored: string; binary: Buffer }> {
  const { armor, enums } = await import('openpgp')
  const keys = await Promise.all(armored.map((armoredKey) => readKey({ armoredKey })))
  const binary = Buffer.concat(keys.map((key) => key.write()))
  return { binary, armored: unixLines(armor(enums.armor.publicKey, new Uint8Array(binary))) }
}
