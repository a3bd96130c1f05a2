// `uus sources`, and the pin file: what clients are given.
import { z } from 'zod'
import { UusError } from '../lib/errors.ts'
import { keyringPath, renderAptConf, renderPins, renderSources } from '../repo/client-files.ts'
import type { Published, PublishedChannel } from '../repo/published.ts'
import { joinPublicKeys } from '../trust/signing.ts'
import { action, type Outcome, readStep, stepAction } from './action.ts'
import { findAnyChannel } from './channels.ts'

const sourcesInput = z.object({
  channel: z.string(),
  release: z.string().nullable().default(null),
  /** `file`: for apt before 2.3.10, which has no embedded keys. */
  key: z.enum(['embedded', 'file']).default('embedded'),
  /** Pins the client to a snapshot. */
  snapshot: z.string().nullable().default(null),
  /** How the client reaches this server; null: as the server thinks. */
  baseUrl: z.string().nullable().default(null),
})

export interface SourcesResult extends Outcome {
  readonly channel: string
  readonly text: string
  /** Of the active key. */
  readonly fingerprint: string
  /** Where the client must put the keyring first; null with an embedded key. */
  readonly keyring: string | null
}

export const sources = action<z.output<typeof sourcesInput>, SourcesResult>({
  verb: 'sources',
  role: 'viewer',
  input: sourcesInput as z.ZodType<z.output<typeof sourcesInput>>,
  async run(context, order) {
    const channel = publishedChannel(context.published(), order.channel)
    const { armored } = await publicKeysOf(channel)
    const isEmbedded = order.key === 'embedded'
    const text = renderSources(channel, {
      release: order.release,
      baseUrl: order.baseUrl ?? context.baseUrl(),
      snapshot: order.snapshot === null ? null : checkSnapshot(context.published(), channel, order.snapshot),
      armoredKeys: isEmbedded ? armored : null,
    })
    return {
      status: 'done',
      channel: channel.name,
      text,
      fingerprint: channel.keys[0]?.fingerprint ?? '',
      keyring: isEmbedded ? null : keyringPath(channel.name),
    }
  },
})

function checkSnapshot(published: Published, channel: PublishedChannel, id: string): string {
  const found = published.findSnapshot(channel, id)
  if (found.type === 'snapshot') return id
  throw new UusError('UNKNOWN_NAME', found.why, { hint: `"uus snapshot list ${channel.name}" lists them` })
}

const confInput = z.object({ channel: z.string(), baseUrl: z.string().nullable().default(null) })

export interface ConfResult extends Outcome {
  readonly text: string
}

export const conf = action<z.output<typeof confInput>, ConfResult>({
  verb: 'conf',
  role: 'viewer',
  input: confInput as z.ZodType<z.output<typeof confInput>>,
  async run(context, order) {
    const channel = publishedChannel(context.published(), order.channel)
    return { status: 'done', text: renderAptConf(channel, order.baseUrl ?? context.baseUrl()) }
  },
})

export function publishedChannel(published: Published, name: string): PublishedChannel {
  const channel = published.channels.get(name)
  if (channel !== undefined) return channel
  throw new UusError('UNKNOWN_NAME', `There is no channel "${name}"`, {
    hint: `Channels are: ${[...published.channels.keys()].join(', ')}`,
  })
}

/** The channel's public keys, active and standby. */
export function publicKeysOf(channel: PublishedChannel): Promise<{ armored: string; binary: Buffer }> {
  return joinPublicKeys(channel.keys.map((key) => key.publicKey))
}

/** A release of a channel that machines can be put on. */
export interface Enrolment {
  readonly channel: string
  /** Null where nothing is published yet. */
  readonly release: string | null
  /** The channel has several, so that clients must say which. */
  readonly isOneOfSeveral: boolean
  /** Of the active key. */
  readonly fingerprint: string
}

export function listEnrolments(published: Published): Enrolment[] {
  return [...published.channels.values()].flatMap((channel): Enrolment[] => {
    const suites = [...channel.archives.values()].flatMap((archive) => archive.suites)
    const releases = [...new Set(suites.map((suite) => suite.release))].sort()
    const shared = {
      channel: channel.name,
      isOneOfSeveral: releases.length > 1,
      fingerprint: channel.keys[0]?.fingerprint ?? '',
    }
    if (releases.length === 0) return [{ ...shared, release: null }]
    return releases.map((release) => ({ ...shared, release }))
  })
}

const pinsInput = z.object({ channel: z.string(), snapshot: z.string() })

export interface PinsResult extends Outcome {
  readonly text: string
}

const pinsStep = readStep<z.output<typeof pinsInput>, PinsResult>('pins', ({ repo }, order) => {
  const channel = findAnyChannel(repo, order.channel)
  const snapshot = repo.store.channels.findSnapshot(channel.id, order.snapshot)
  if (snapshot === null) {
    throw new UusError('UNKNOWN_NAME', `Channel ${channel.name} has no snapshot ${order.snapshot}`, {
      hint: `"uus snapshot list ${channel.name}" lists them`,
    })
  }
  return { status: 'done', text: renderPins(repo.store, channel, snapshot) }
})

export const pins = stepAction(
  { verb: 'pins', role: 'viewer', input: pinsInput as z.ZodType<z.output<typeof pinsInput>> },
  pinsStep,
)
