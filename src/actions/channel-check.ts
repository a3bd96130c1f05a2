// `uus channel check`: what cannot be installed from a channel, and why.
import { z } from 'zod'
import { findPublishedChannel } from '../repo/scope.ts'
import { type Listing, listing, readStep, stepAction } from './action.ts'

const input = z.object({ channel: z.string() })

export interface CheckEntry {
  readonly package: string
  readonly version: string
  readonly architecture: string
  readonly archive: string
  readonly suite: string
  readonly reason: string
}

export interface CheckResult extends Listing<CheckEntry> {
  readonly channel: string
}

const checkStep = readStep<z.output<typeof input>, CheckResult>('channel check', ({ repo }, order) => {
  const channel = findPublishedChannel(repo, order.channel)
  const { store, installability } = repo
  const suites = new Map(store.archives.suites().map((suite) => [suite.id, suite]))
  const releases = [...new Set([...suites.values()].flatMap((suite) => suite.release ?? []))].sort()
  const items = releases.flatMap((release) =>
    installability.check(channel, release).flatMap((one): CheckEntry[] => {
      const places = store.views
        .byName(channel.id, one.name)
        .filter((stanza) => stanza.release === release && stanza.id === one.id)
      const suite = suites.get(places[0]?.suiteId ?? 0)
      if (suite === undefined) return []
      return [
        {
          package: one.name,
          version: one.version,
          architecture: one.architecture,
          archive: suite.archive,
          suite: suite.name,
          reason: one.sentence,
        },
      ]
    }),
  )
  return { ...listing(items), channel: channel.name }
})

export const channelCheck = stepAction(
  { verb: 'channel check', role: 'viewer', input: input as z.ZodType<z.output<typeof input>> },
  checkStep,
)
