// `uus key list | export | rotate | drop`.
import { z } from 'zod'
import { formatIso } from '../lib/units.ts'
import { auditName } from '../repo/audit/log.ts'
import { dropKey, type KeyChange, rotateKeys } from '../repo/rotate-keys.ts'
import { findPublishedChannel } from '../repo/scope.ts'
import type { AuditKey } from '../store/checkpoints.ts'
import { joinPublicKeys } from '../trust/signing.ts'
import { type Listing, listing, type Outcome, readStep, step, stepAction } from './action.ts'
import { reason } from './shared.ts'

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
    const channel = findPublishedChannel(repo, order.channel)
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

export interface KeyChangeResult extends Outcome, KeyChange {
  readonly channel: string
}

const rotateInput = z.object({ channel: z.string(), reason: reason.nullable().default(null) })

export const keyRotate = stepAction(
  { verb: 'key rotate', role: 'admin', input: rotateInput as z.ZodType<z.output<typeof rotateInput>> },
  step<z.output<typeof rotateInput>, KeyChangeResult>('key rotate', async ({ repo }, order, call) => {
    const channel = findPublishedChannel(repo, order.channel)
    const change = await rotateKeys(repo, { channel, reason: order.reason, actor: call.actor })
    return { status: 'done', channel: channel.name, ...change }
  }),
)

const dropInput = z
  .object({
    channel: z.string(),
    fingerprint: z.string().transform((value) => value.replace(/\s+/g, '').toUpperCase()),
    force: z.boolean().default(false),
    reason: reason.nullable().default(null),
  })
  .refine((order) => !order.force || order.reason !== null, {
    message: '--force needs a reason: add --reason "…", it is kept in the audit log',
  })

export const keyDrop = stepAction(
  { verb: 'key drop', role: 'admin', input: dropInput as z.ZodType<z.output<typeof dropInput>> },
  step<z.output<typeof dropInput>, KeyChangeResult>('key drop', async ({ repo }, order, call) => {
    const channel = findPublishedChannel(repo, order.channel)
    const { fingerprint, force: isForced, reason: why } = order
    const change = await dropKey(repo, { channel, fingerprint, isForced, reason: why, actor: call.actor })
    return { status: 'done', channel: channel.name, ...change }
  }),
)

/** The channel; USAGE for upstream, which is not published. */
