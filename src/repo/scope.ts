// Between which two channels something is asked or done, and what judges it there.
import { UusError } from '../lib/errors.ts'
import type { Channel } from '../store/channels.ts'
import type { ChannelOptions, GateOptions } from './options.ts'
import type { PendingScope } from './pending-item.ts'
import { retainedHere } from './published.ts'
import type { Repo } from './repo.ts'
import { rulesSince } from './rules.ts'

const noGates: GateOptions = {
  soak: [],
  approvals: 0,
  isInstallable: true,
  phasing: 'complete',
  freezes: [],
  windows: [],
}

/** What waits for a channel, as its gates and rules see it now. `approver`: who asks, where asking is an approval. */
export function scopeTo(repo: Repo, target: Channel, approver: string | null = null): PendingScope {
  const { store, clock } = repo
  const options = optionsOf(repo, target.name)
  const feeding = store.channels.get(target.parentId!)
  const now = clock.now()
  const rules = options?.rules ?? []
  return {
    store,
    packages: repo.packages,
    target,
    feeding,
    judging: {
      gates: options?.gates ?? noGates,
      rules,
      rulesSince: rulesSince(store.settings, target.name, rules, now),
      now,
      approver,
      retainedSince: retainedHere(store, repo.channels, feeding, now),
    },
  }
}

function optionsOf(repo: Repo, name: string): ChannelOptions | undefined {
  return repo.channels.find((one) => one.name === name)
}

/** The gated channel that is meant, and the one that feeds it. */
export function scopeOf(repo: Repo, to: string | null, approver: string | null = null): PendingScope {
  const { channels } = repo.store
  const gated = channels
    .list()
    .filter((channel) => channel.parentId !== null && !channel.follows && channel.isConfigured)
  const name = to ?? (gated.some((channel) => channel.name === 'approved') ? 'approved' : null)
  const target = name === null && gated.length === 1 ? gated[0]! : name === null ? null : channels.find(name)
  if (target === null || target.parentId === null) {
    if (name === null) {
      const names = gated.map((channel) => channel.name).join(', ')
      throw new UusError(
        'USAGE',
        gated.length === 0 ? 'No channel is gated' : 'There are several gated channels',
        {
          hint: gated.length === 0 ? 'Add one under "channels"' : `Say which: --to, one of ${names}`,
        },
      )
    }
    throw unknownChannel(repo, name)
  }
  if (target.follows) {
    throw new UusError(
      'USAGE',
      `Channel ${target.name} is not gated: it takes over ${channels.get(target.parentId).name} by itself`,
      {
        hint: 'Promote to a gated channel; "uus channel list" shows which they are',
      },
    )
  }
  return scopeTo(repo, target, approver)
}

export function unknownChannel(repo: Repo, name: string): UusError {
  const known = repo.store.channels.list().map((channel) => channel.name)
  return new UusError('UNKNOWN_NAME', `There is no channel "${name}"`, {
    hint: `Channels are: ${known.join(', ')}`,
  })
}

/** A channel that clients can have; USAGE for upstream. */
export function findPublishedChannel(repo: Repo, name: string): Channel {
  const channel = repo.store.channels.find(name)
  if (channel === null) throw unknownChannel(repo, name)
  if (channel.parentId !== null) return channel
  throw new UusError('USAGE', 'upstream is what the archives offer: it is not published, and has no key', {
    hint: 'Name one of your channels; "uus channel list" shows them',
  })
}
