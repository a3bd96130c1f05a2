// OpenPGP verification of Release files. The only mint of VerifiedRelease: what needs trust takes that type.
import {
  createMessage,
  enums,
  type Key,
  config as openpgpConfig,
  readSignature,
  type SignaturePacket,
  type Subkey,
} from 'openpgp'
import { parseRelease, type Release } from '../debian/release.ts'
import { type Sha256, sha256 } from '../lib/digest.ts'
import { TrustError } from '../lib/errors.ts'
import { splitClearSigned, splitDetached } from './clearsign.ts'
import type { Keyring } from './keyring.ts'

declare const verifiedBrand: unique symbol

/** A Release whose text was covered, byte for byte, by a good signature of a trusted key. */
export interface VerifiedRelease {
  readonly [verifiedBrand]: true
  readonly release: Release
  /** The primary key's fingerprint, 40 upper-case hex digits. */
  readonly signedBy: string
  /** Of the InRelease (or Release) file as fetched. */
  readonly fileSha256: Sha256
}

/** Verifies an InRelease. `now` in milliseconds; `what` names the file in errors (TrustError). */
export async function verifyInRelease(
  file: Buffer,
  keyring: Keyring,
  now: number,
  what: string,
): Promise<VerifiedRelease> {
  const { signedText, signatures } = splitClearSigned(file, what)
  const signedBy = await verifySignatures(Buffer.from(signedText, 'latin1'), signatures, keyring, now, what)
  return mint(signedText, signedBy, sha256(file), what)
}

/** A clear-signed text that is no Release, and who signed it. */
export interface VerifiedText {
  readonly [verifiedBrand]: true
  readonly text: string
  /** The primary key's fingerprint, 40 upper-case hex digits. */
  readonly signedBy: string
}

/** Verifies any clear-signed text. */
export async function verifyClearSigned(
  file: Buffer,
  keyring: Keyring,
  now: number,
  what: string,
): Promise<VerifiedText> {
  const { signedText, signatures } = splitClearSigned(file, what)
  const signed = Buffer.from(signedText, 'latin1')
  const signedBy = await verifySignatures(signed, signatures, keyring, now, what)
  return { text: signed.toString(), signedBy } as VerifiedText
}

/** Verifies Release with Release.gpg, for archives without InRelease. */
export async function verifyDetachedRelease(
  file: Buffer,
  signature: Buffer,
  keyring: Keyring,
  now: number,
  what: string,
): Promise<VerifiedRelease> {
  const signedBy = await verifySignatures(file, splitDetached(signature, `${what}.gpg`), keyring, now, what)
  return mint(file.toString('latin1'), signedBy, sha256(file), what)
}

function mint(latin1: string, signedBy: string, fileSha256: Sha256, what: string): VerifiedRelease {
  const text = Buffer.from(latin1, 'latin1').toString()
  return { release: parseRelease(text, what), signedBy, fileSha256 } as VerifiedRelease
}

type Refusal = { isGood: false; code: 'KEY_UNKNOWN' | 'WEAK' | 'INVALID'; why: string }
type Verdict = { isGood: true; fingerprint: string } | Refusal

/** At least one good signature by a key of the keyring: its fingerprint. Else the most telling refusal. */
async function verifySignatures(
  signed: Buffer,
  armored: readonly string[],
  keyring: Keyring,
  now: number,
  what: string,
): Promise<string> {
  const refusals: Refusal[] = []
  for (const block of armored) {
    for (const packet of await readPackets(block, what)) {
      const verdict = await judge(packet, signed, keyring, now)
      if (verdict.isGood) return verdict.fingerprint
      refusals.push(verdict)
    }
  }
  for (const code of ['INVALID', 'WEAK', 'KEY_UNKNOWN'] as const) {
    const [first, ...more] = refusals.filter((refusal) => refusal.code === code)
    if (first !== undefined) {
      const others =
        more.length === 0 ? '' : ` (and likewise: ${more.map((refusal) => refusal.why).join('; ')})`
      throw new TrustError(`SIGNATURE_${code}`, `${what} ${first.why}${others}`, {
        hint: hintFor(code, keyring),
      })
    }
  }
  throw new TrustError('SIGNATURE_MISSING', `${what} has no signature`, { hint: 'Try another mirror' })
}

function hintFor(code: Refusal['code'], keyring: Keyring): string {
  switch (code) {
    case 'INVALID':
      return 'Nothing was adopted; try another mirror, and tell the archive if it happens again'
    case 'WEAK':
      return 'Ask the archive to sign with RSA of 2048 bits or more, or Ed25519, over SHA-256 or SHA-512'
    case 'KEY_UNKNOWN':
      return `Check with the archive that this is its key, then add the key's file to "signed-by" (now: ${keyring.places.join(', ')})`
  }
}

async function readPackets(armored: string, what: string): Promise<SignaturePacket[]> {
  try {
    const signature = await readSignature({ armoredSignature: armored })
    return [...signature.packets]
  } catch (error) {
    throw new TrustError('SIGNATURE_INVALID', `${what} has a signature that cannot be read`, {
      cause: error,
      hint: 'Try another mirror',
    })
  }
}

const strongHashes: ReadonlySet<number> = new Set([enums.hash.sha256, enums.hash.sha384, enums.hash.sha512])
const documentTypes: ReadonlySet<number> = new Set([enums.signature.binary, enums.signature.text])
// A refusal for weakness must be told apart from a wrong signature, so the library's own limits stay off here.
const lenient = { ...openpgpConfig, minRSABits: 0 }

async function judge(
  packet: SignaturePacket,
  signed: Buffer,
  keyring: Keyring,
  now: number,
): Promise<Verdict> {
  const found = findKey(packet, keyring)
  if (found === null) return refuse('KEY_UNKNOWN', `is signed by the unknown key ${issuerOf(packet)}`)
  const { key, part } = found
  const name = `key ${key.getFingerprint().toUpperCase()}`
  if (!documentTypes.has(packet.signatureType ?? -1)) {
    return refuse('INVALID', `has a signature of another kind by ${name}`)
  }
  const weakness = weaknessOf(packet, part)
  if (weakness !== null) return refuse('WEAK', `is signed by ${name} with ${weakness}`)
  try {
    // Throws for keys that are revoked, expired now, or not made for signing.
    await key.getSigningKey(part.getKeyID(), new Date(now), undefined, lenient)
  } catch (error) {
    return refuse('INVALID', `is signed by ${name}, which is no longer good: ${textOf(error)}`)
  }
  try {
    const message = await createMessage({ binary: new Uint8Array(signed) })
    const [data] = message.packets
    await packet.verify(part.keyPacket, packet.signatureType!, data!, new Date(now), true, lenient)
  } catch (error) {
    return refuse('INVALID', `does not match its signature by ${name}: ${textOf(error)}`)
  }
  return { isGood: true, fingerprint: key.getFingerprint().toUpperCase() }
}

function refuse(code: Refusal['code'], why: string): Refusal {
  return { isGood: false, code, why }
}

function findKey(packet: SignaturePacket, keyring: Keyring): { key: Key; part: Key | Subkey } | null {
  for (const key of keyring.keys) {
    for (const part of [key, ...key.getSubkeys()]) {
      if (part.getKeyID().equals(packet.issuerKeyID)) return { key, part }
    }
  }
  return null
}

function issuerOf(packet: SignaturePacket): string {
  const bytes = packet.issuerFingerprint
  return bytes ? Buffer.from(bytes).toString('hex').toUpperCase() : packet.issuerKeyID.toHex().toUpperCase()
}

function weaknessOf(packet: SignaturePacket, part: Key | Subkey): string | null {
  if (!strongHashes.has(packet.hashAlgorithm ?? -1)) {
    const name = Object.entries(enums.hash).find(([, number]) => number === packet.hashAlgorithm)?.[0]
    return `the weak digest ${(name ?? `number ${packet.hashAlgorithm}`).toUpperCase()}`
  }
  const { algorithm, bits } = part.getAlgorithmInfo()
  if (bits !== undefined && algorithm.startsWith('rsa') && bits < 2048)
    return `a weak RSA key of ${bits} bits`
  if (algorithm === 'dsa' || algorithm === 'elgamal') return 'a DSA key'
  return null
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
