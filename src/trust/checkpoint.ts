// Checkpoints of the audit log: a short signed text that says what the chain of hashes was after a row. Laid out like
// the checkpoints of transparency logs (C2SP tlog-checkpoint): origin, size, hash in base64; then the time.
import { MalformedError } from '../lib/errors.ts'
import { formatIso } from '../lib/units.ts'
import type { Keyring } from './keyring.ts'
import { verifyClearSigned } from './verify.ts'

export interface Checkpoint {
  /** Which log: made once for a data directory. */
  readonly origin: string
  readonly sequence: number
  /** The chain's value after that row, hex. */
  readonly head: string
  /** Milliseconds, whole seconds. */
  readonly at: number
}

export function renderCheckpoint({ origin, sequence, head, at }: Checkpoint): string {
  return [origin, sequence, Buffer.from(head, 'hex').toString('base64'), formatIso(at)].join('\n')
}

/** MALFORMED unless it is, sign by sign, what `renderCheckpoint` makes. */
export function parseCheckpoint(text: string, what: string): Checkpoint {
  const [origin = '', sequence = '', head = '', time = ''] = text.split('\n')
  const checkpoint: Checkpoint = {
    origin,
    sequence: Number(sequence),
    head: Buffer.from(head, 'base64').toString('hex'),
    at: Date.parse(time),
  }
  const isSound =
    isOrigin(origin) &&
    Number.isSafeInteger(checkpoint.sequence) &&
    checkpoint.head.length === 64 &&
    !Number.isNaN(checkpoint.at)
  if (!isSound || renderCheckpoint(checkpoint) !== text)
    throw new MalformedError(what, 'does not say what a checkpoint says', { hint: 'Export the log anew' })
  return checkpoint
}

const originPrefix = 'uus-audit/'

/** `random` are 16 bytes. */
export function makeOrigin(random: Uint8Array): string {
  return originPrefix + Buffer.from(random).toString('hex')
}

export function isOrigin(text: string): boolean {
  return text.startsWith(originPrefix) && /^[0-9a-f]{32}$/.test(text.slice(originPrefix.length))
}

/**
 * What a clear-signed checkpoint says, and the fingerprint of the key that says so. TrustError, MALFORMED. The keys are
 * judged as of the checkpoint's own time: a log is verified years later, on a host whose clock may be wrong.
 */
export async function verifyCheckpoint(
  signed: string,
  keyring: Keyring,
  what: string,
): Promise<Checkpoint & { readonly signedBy: string }> {
  const claimed = claimedTime(signed)
  const { text, signedBy } = await verifyClearSigned(Buffer.from(signed), keyring, claimed, what)
  return { ...parseCheckpoint(text, what), signedBy }
}

/** The time that stands in it, which the signature proves later. */
function claimedTime(signed: string): number {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/m.exec(signed)
  return time === null ? 0 : Date.parse(time[0])
}
