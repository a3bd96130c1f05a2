// Envelopes: the signed InRelease, Release and Release.gpg around a publication.
import { formatReleaseDate } from '../../debian/date.ts'
import { renderRelease } from '../../debian/release.ts'
import type { Clock } from '../../lib/clock.ts'
import { UusError } from '../../lib/errors.ts'
import { formatIso } from '../../lib/units.ts'
import type { Envelope } from '../../store/publications.ts'
import type { Signer } from '../../trust/signing.ts'

export interface EnvelopeInput {
  readonly body: string
  readonly channelId: number
  readonly date: number
  readonly validForSeconds: number | null
  /** The Release's `Snapshots`. */
  readonly snapshots: string
  readonly signer: Signer
  readonly signedBy: string
}

/**
 * Where apt finds snapshots of an archive: it puts the id in, and wants a slash at the end. Without the field, apt maps
 * some Origins to public services, and walks around the channel.
 */
export function snapshotsField(url: string | null, channel: string, archive: string): string {
  return url === null ? 'no' : `${url}/snapshots/${channel}/@SNAPSHOTID@/${archive}/`
}

/** Renders and signs. The signature bears the Release's own date, which is in the past. */
export async function makeEnvelope(input: EnvelopeInput): Promise<Envelope> {
  const validUntil = input.validForSeconds === null ? null : input.date + input.validForSeconds * 1000
  const text = renderRelease(input.body, {
    date: formatReleaseDate(input.date),
    validUntil: validUntil === null ? null : formatReleaseDate(validUntil),
    snapshots: input.snapshots,
  })
  const { inRelease, releaseGpg } = await input.signer.sign(text, input.date)
  return {
    channelId: input.channelId,
    date: input.date,
    validUntil,
    signedBy: input.signedBy,
    inRelease,
    release: Buffer.from(text),
    releaseGpg,
  }
}

/** How a row of times relates to the clock. */
export interface TimeRow {
  /** Where possible, this far behind it. */
  readonly backMs: number
  /** At the most this far ahead of it. */
  readonly aheadMs: number
}

/** Dates of Releases: a minute back, because clients refuse one that is ahead of their own clock. */
export const releaseDates: TimeRow = { backMs: 60_000, aheadMs: 0 }
/** Snapshot ids: several in one second run ahead a little. */
export const snapshotTimes: TimeRow = { backMs: 0, aheadMs: 30_000 }

const maxWaitMs = 60_000

/**
 * The next time in a row of whole, strictly growing seconds (clients ignore an older Release silently). Faster than
 * once a second the row runs ahead of the clock, and in the end waits for it. CLOCK_BEHIND where the clock was set
 * back so far that waiting is no cure.
 */
export async function nextTime(last: number | null, clock: Clock, row: TimeRow): Promise<number> {
  const time = Math.max(last === null ? 0 : last + 1000, Math.floor((clock.now() - row.backMs) / 1000) * 1000)
  const waitMs = time - clock.now() - row.aheadMs
  if (waitMs > maxWaitMs) {
    throw new UusError(
      'CLOCK_BEHIND',
      `This host's clock says ${formatIso(clock.now())}, but something was published for ${formatIso(time)} already`,
      { hint: 'Set the clock (timedatectl). If it is right now and was wrong then: uus doctor --reset-date' },
    )
  }
  if (waitMs > 0) await clock.sleep(waitMs)
  return time
}
