// `uus key list | export`.
import { z } from 'zod'
import { UusError } from '../lib/errors.ts'
import { formatIso } from '../lib/units.ts'
import { auditName } from '../repo/audit/log.ts'
import { unknownChannel } from '../repo/promote.ts'
import type { AuditKey } from '../store/checkpoints.ts'
import { joinPublicKeys } from '../trust/signing.ts'
import { type Listing, listing, type Outcome, readStep, stepAction } from './action.ts'

export interface KeyEntry {
  /** Or `audit`. */
  readonly channel: string
  readonly fingerprint: string
  readonly role: string
  readonly algorithm: string
  readonly madeAt: string
}

const nothing = z.object({})
type Nothing = z.output<typeof nothing>

const listStep = readStep<Nothing, Listing<KeyEntry>>('key list', ({ repo }) =>
  listing([
    ...repo.store.channels.list().flatMap((channel) =>
      repo.store.keys.list(channel.id).map((key) => ({
        channel: channel.name,
        fingerprint: key.fingerprint,
        role: key.role,
        algorithm: key.algorithm,
        madeAt: formatIso(key.madeAt),
      })),
    ),
    ...repo.store.checkpoints.keys().map((key, index) => ({
      channel: auditName,
      fingerprint: key.fingerprint,
      role: index === 0 ? 'active' : 'retired',
      algorithm: key.algorithm,
      madeAt: formatIso(key.madeAt),
    })),
  ]),
)

/** The audit log's key is named where channels' keys are. */
export { auditName }

/** All that ever signed the log, in one block: old checkpoints are verified with old keys. */
export function joinAuditKeys(keys: readonly AuditKey[]): Promise<{ armored: string; binary: Buffer }> {
  return joinPublicKeys(keys.map((key) => key.publicKey))
}

export const keyList = stepAction(
  { verb: 'key list', role: 'viewer', input: nothing as z.ZodType<Nothing> },
  listStep,
)

const exportInput = z.object({ channel: z.string() })

export interface KeyExport extends Outcome {
  readonly channel: string
  /** All public keys of the channel in one block. */
  readonly armored: string
  readonly fingerprints: readonly string[]
}

const exportStep = readStep<z.output<typeof exportInput>, KeyExport>(
  'key export',
  async ({ repo }, order) => {
    if (order.channel === auditName) return exportAuditKeys(repo.store.checkpoints.keys())
    const channel = repo.store.channels.find(order.channel)
    if (channel === null) throw unknownChannel(repo, order.channel)
    if (channel.parentId === null) {
      throw new UusError(
        'USAGE',
        'upstream is what the archives offer: it is not published, and has no key',
        {
          hint: 'Name one of your channels; "uus channel list" shows them',
        },
      )
    }
    const keys = repo.store.keys.list(channel.id).filter((key) => key.role !== 'retired')
    const { armored } = await joinPublicKeys(keys.map((key) => key.publicKey))
    return {
      status: 'done',
      channel: channel.name,
      armored,
      fingerprints: keys.map((key) => key.fingerprint),
    }
  },
)

async function exportAuditKeys(keys: readonly AuditKey[]): Promise<KeyExport> {
  const { armored } = await joinAuditKeys(keys)
  const fingerprints = keys.map((key) => key.fingerprint)
  return { status: 'done', channel: auditName, armored, fingerprints }
}

export const keyExport = stepAction(
  { verb: 'key export', role: 'viewer', input: exportInput as z.ZodType<z.output<typeof exportInput>> },
  exportStep,
)
