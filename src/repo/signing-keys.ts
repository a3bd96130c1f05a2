// The channels' signing keys: made here, private parts kept in files of mode 0600 that only this process reads.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Disk, writeFileDurable } from '../lib/disk.ts'
import { UusError } from '../lib/errors.ts'
import type { Tx } from '../store/database.ts'
import type { Keys, SigningKey } from '../store/keys.ts'
import { type KeyAlgorithm, makeKey, makeSigningKey, type NewKey, Signer } from '../trust/signing.ts'

/** A signer and the fingerprints that it signs with. */
export interface ChannelSigner {
  readonly signer: Signer
  readonly signedBy: string
}

export class SigningKeys {
  readonly #folder: string
  readonly #disk: Disk
  readonly #keys: Keys
  readonly #signers = new Map<number, ChannelSigner>()

  /** `folder` is made as needed, with mode 0700. */
  constructor(folder: string, disk: Disk, keys: Keys) {
    this.#folder = folder
    this.#disk = disk
    this.#keys = keys
  }

  /**
   * Makes an active and a standby key for a channel. The private files are durable when it resolves; call `record`
   * in the transaction that adds the channel. Files without a row are orphans and harmless.
   */
  async make(
    channel: string,
    algorithm: KeyAlgorithm,
    now: number,
  ): Promise<{ record: (tx: Tx, channelId: number) => SigningKey[] }> {
    const made: Omit<SigningKey, 'channelId'>[] = []
    for (const role of ['active', 'standby'] as const)
      made.push(await this.makeOne(channel, algorithm, role, now))
    return {
      record: (tx, channelId) =>
        made.map((key) => {
          const row = { ...key, channelId }
          this.#keys.add(tx, row)
          return row
        }),
    }
  }

  /** One key, whose private file is durable when it resolves. */
  async makeOne(
    channel: string,
    algorithm: KeyAlgorithm,
    role: SigningKey['role'],
    now: number,
  ): Promise<Omit<SigningKey, 'channelId'>> {
    const { fingerprint, publicKey } = await this.#write(await makeSigningKey(channel, algorithm, now))
    return { fingerprint, role, algorithm, publicKey, madeAt: now, changedAt: now }
  }

  /** All private parts, for a backup. */
  async privateFiles(): Promise<{ readonly name: string; readonly bytes: Buffer }[]> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith('.key')).sort()
    return Promise.all(names.map(async (name) => ({ name, bytes: await readFile(join(this.#folder, name)) })))
  }

  /** Removes a private key for good, after the transaction that retires it. */
  async destroy(fingerprint: string): Promise<void> {
    await this.#disk.remove(this.#pathOf(fingerprint))
  }

  /** The signer of a channel's active key, and of those that it replaces. SIGNING_KEY_MISSING names the file that is gone. */
  async signerFor(channelId: number, channel: string): Promise<ChannelSigner> {
    const signedBy = this.#keys.signers(channelId)
    const known = this.#signers.get(channelId)
    if (known?.signedBy === signedBy) return known
    const fingerprints = signedBy.split(' ').filter((fingerprint) => fingerprint !== '')
    const made = { signer: await this.#load(fingerprints, `channel ${channel}`), signedBy }
    this.#signers.set(channelId, made)
    return made
  }

  /** Makes a key that belongs to no channel. The private file is durable when it resolves. */
  async makeAlone(userId: string, now: number): Promise<Omit<NewKey, 'privateKey'>> {
    return this.#write(await makeKey(userId, 'ed25519', now))
  }

  /** The signer of such a key. SIGNING_KEY_MISSING names the file that is gone. */
  signerOf(fingerprint: string, owner: string): Promise<Signer> {
    return this.#load([fingerprint], owner)
  }

  async #write({ privateKey, ...key }: NewKey): Promise<Omit<NewKey, 'privateKey'>> {
    await this.#disk.makeFolder(this.#folder, 0o700)
    await writeFileDurable(this.#disk, this.#pathOf(key.fingerprint), privateKey, 0o600)
    return key
  }

  async #load(fingerprints: readonly string[], owner: string): Promise<Signer> {
    const armored = await Promise.all(fingerprints.map((fingerprint) => this.#read(fingerprint, owner)))
    return Signer.fromArmored(armored, owner)
  }

  async #read(fingerprint: string, owner: string): Promise<string> {
    const path = this.#pathOf(fingerprint)
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      throw new UusError('SIGNING_KEY_MISSING', `The signing key of ${owner} cannot be read: ${path}`, {
        cause: error,
        hint: 'Restore the data directory\'s "keys" folder from your backup',
      })
    }
  }

  #pathOf(fingerprint: string): string {
    return join(this.#folder, `${fingerprint}.key`)
  }
}
