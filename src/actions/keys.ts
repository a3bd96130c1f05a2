// `uus key list | export`.
import { z } from 'zod'
import { UusError } from '../lib/errors.ts'
import { formatIso } from '../lib/units.ts'
import { unknownChannel } from '../repo/promote.ts'
import { joinPublicKeys } from '../trust/signing.ts'
import { type Listing, listing, type Outcome, readStep, stepAction } from './action.ts'

export interface KeyEntry {
  readonly channel: string
  readonly fingerprint: string
  readonly role: string
  readonly algorithm: string
  readonly madeAt: string
}

const nothing = z.object({})
type Nothing = z.output<typeof nothing>

const listStep = readStep<Nothing, Listing<KeyEntry>>('key list', ({ repo }) =>
  listing(
    repo.store.channels.list().flatMap((channel) =>
      repo.store.keys.list(channel.id).map((key) => ({
        channel: channel.name,
        fingerprint: key.fingerprint,
        role: key.role,
        algorithm: key.algorithm,
        madeAt: formatIso(key.madeAt),
      })),
    ),
  ),
)

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

export const keyExport = stepAction(
  { verb: 'key export', role: 'viewer', input: exportInput as z.ZodType<z.output<typeof exportInput>> },
  exportStep,
)
