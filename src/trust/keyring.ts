// Public keys that an archive's signatures are held against, read from the files `signed-by` names.
import { type Key, readKeys } from 'openpgp'
import { TrustError } from '../lib/errors.ts'

/** The keys of one archive. */
export interface Keyring {
  readonly keys: readonly Key[]
  /** Where they came from, for messages. */
  readonly places: readonly string[]
}

export interface KeyFile {
  readonly path: string
  readonly bytes: Buffer
}

/**
 * The keys of all files, binary or armored, whatever the files are called. `fingerprints` (40 hex digits),
 * where given, leave only those keys. No key at all is KEYRING_UNREADABLE.
 */
export async function readKeyring(
  files: readonly KeyFile[],
  fingerprints: readonly string[] = [],
): Promise<Keyring> {
  const keys: Key[] = []
  for (const file of files) keys.push(...(await readKeyFile(file)))
  const wanted = new Set(fingerprints.map((fingerprint) => fingerprint.toLowerCase().replace(/!$/, '')))
  const chosen =
    wanted.size === 0
      ? keys
      : keys.filter((key) => [key, ...key.getSubkeys()].some((part) => wanted.has(part.getFingerprint())))
  if (chosen.length === 0) {
    const places = files.map((file) => file.path).join(', ') || 'no file'
    throw new TrustError('KEYRING_UNREADABLE', `${places}: no ${wanted.size > 0 ? 'such ' : ''}key in it`, {
      hint: 'Name the keyring of the archive under "signed-by"',
    })
  }
  return { keys: chosen, places: files.map((file) => file.path) }
}

async function readKeyFile({ path, bytes }: KeyFile): Promise<Key[]> {
  try {
    const text = bytes.toString('latin1')
    if (!text.includes('-----BEGIN PGP PUBLIC KEY BLOCK-----')) return await readKeys({ binaryKeys: bytes })
    const keys: Key[] = []
    for (const [block] of text.matchAll(
      /-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g,
    )) {
      keys.push(...(await readKeys({ armoredKeys: block })))
    }
    return keys
  } catch (error) {
    throw new TrustError('KEYRING_UNREADABLE', `${path} is not an OpenPGP keyring`, {
      cause: error,
      hint: 'Export it anew: gpg --export KEY > file.gpg',
    })
  }
}

/** 40 upper-case hex digits, as people compare them. */
export function fingerprintOf(key: Key): string {
  return key.getFingerprint().toUpperCase()
}
