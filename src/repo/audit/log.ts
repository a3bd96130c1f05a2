// What makes the audit log provable to others: its origin, a key of its own, and signed checkpoints now and then.
// Runs in the jobs process, never within an act: a checkpoint says what stands already.
import { randomBytes } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import type { Actor } from '../../store/audit.ts'
import type { StoredCheckpoint } from '../../store/checkpoints.ts'
import type { Store } from '../../store/store.ts'
import { makeOrigin, renderCheckpoint } from '../../trust/checkpoint.ts'
import type { SigningKeys } from '../signing-keys.ts'

/** What the log's key is called where channels' keys are named by their channel. No channel may be called so. */
export const auditName = 'audit'

const everyRows = 1000
const everyMs = 86_400_000

/** Is there enough new, or has it waited long enough? A clock that was set back counts as a day gone by. */
export function isCheckpointDue(newRows: number, newest: Pick<StoredCheckpoint, 'at'> | null, now: number) {
  if (newRows === 0) return false
  return newest === null || newRows >= everyRows || Math.abs(now - newest.at) >= everyMs
}

export class AuditLog {
  readonly #store: Store
  readonly #keys: SigningKeys
  readonly #clock: Clock

  constructor(store: Store, keys: SigningKeys, clock: Clock) {
    this.#store = store
    this.#keys = keys
    this.#clock = clock
  }

  /** Gives the log its origin and its key, once. */
  async prepare(actor: Actor): Promise<void> {
    const { checkpoints, settings, audit, db } = this.#store
    if (checkpoints.keys().length > 0) return
    const at = this.#clock.now()
    const origin = makeOrigin(randomBytes(16))
    const key = await this.#keys.makeAlone(`UUS ${origin}`, at)
    db.write((tx) => {
      settings.set(tx, 'audit-origin', origin)
      checkpoints.addKey(tx, { ...key, madeAt: at })
      const { fingerprint, algorithm } = key
      const details = { fingerprint, algorithm, origin }
      audit.append(tx, { at, actor, action: 'make key', subject: auditName, reason: null, details })
    })
  }

  /** Signs what the chain is now, if that is due. Null if not. SIGNING_KEY_MISSING. */
  async checkpoint(): Promise<StoredCheckpoint | null> {
    const { audit, checkpoints, settings, db } = this.#store
    const last = audit.last()
    const newest = checkpoints.newest()
    const now = this.#clock.now()
    if (last === null || !isCheckpointDue(last.sequence - (newest?.sequence ?? 0), newest, now)) return null
    const { fingerprint, madeAt } = checkpoints.keys()[0]!
    const signer = await this.#keys.signerOf(fingerprint, 'the audit log')
    // OpenPGP's times are whole seconds, and no signature is older than its key, even if the clock was set back.
    const at = Math.floor(Math.max(now, madeAt) / 1000) * 1000
    const text = renderCheckpoint({ origin: settings.get('audit-origin')!, ...last, at })
    const made = {
      sequence: last.sequence,
      at,
      signedBy: fingerprint,
      text: await signer.clearSign(text, at),
    }
    db.write((tx) => checkpoints.add(tx, made))
    return made
  }
}
