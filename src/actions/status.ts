// `uus status`: one screen of everything.
import { statfs } from 'node:fs/promises'
import { z } from 'zod'
import { formatIso } from '../lib/units.ts'
import { readVersion } from '../lib/version.ts'
import type { CacheReport } from '../pool/report.ts'
import { refreshAlarms } from '../repo/alarms.ts'
import { frozenIndexes } from '../repo/drop.ts'
import type { Store } from '../store/store.ts'
import { action, type Outcome, step } from './action.ts'
import { type ArchiveSuiteEntry, describeSuite } from './archives.ts'
import { type ChannelEntry, describeChannel } from './channels.ts'
import { isoOrNull } from './shared.ts'
import { refreshSlavesAlarms } from './slave-steps.ts'
import type { SupplyReport } from './supply.ts'
import { maxAgeOf } from './update.ts'

export interface AlarmEntry {
  readonly key: string
  readonly since: string
  readonly message: string
  readonly hint: string | null
}

export interface FollowsEntry {
  readonly master: string
  readonly channels: readonly {
    readonly name: string
    readonly snapshot: string | null
    /** When the master signed the manifest that is gone by. */
    readonly signedAt: string | null
    /** When the master last had nothing newer; by its clock. */
    readonly checkedAt: string | null
  }[]
}

export interface StatusResult extends Outcome {
  /** Of this program; not told to those who have no token. */
  readonly version: string
  readonly dataFolder: string
  readonly diskFreeBytes: number
  readonly channels: readonly ChannelEntry[]
  /** Of a slave: whom it follows, and how far; null on a master. */
  readonly follows: FollowsEntry | null
  readonly archives: readonly ArchiveSuiteEntry[]
  /** Since the server started; null where none runs. */
  readonly cache: Omit<CacheReport, 'alarms'> | null
  /** Package files that upstream does not offer any more, and those that are fetched before clients ask. */
  readonly files: SupplyReport
  readonly alarms: readonly AlarmEntry[]
}

const nothing = z.object({})
type Nothing = z.output<typeof nothing>

/** What the catalogue knows; the package cache is the server's. */
export const statusStep = step<Nothing, Omit<StatusResult, 'cache' | 'files'>>('status', async (context) => {
  const { repo, config } = context
  if (config.role === 'slave') refreshSlavesAlarms(context)
  else refreshAlarms(repo, maxAgeOf(context))
  const { store } = repo
  const frozen = frozenIndexes(repo, null)
  const disk = await statfs(config.dataFolder)
  return {
    status: 'done',
    version: readVersion(),
    dataFolder: config.dataFolder,
    diskFreeBytes: disk.bavail * disk.bsize,
    follows: config.master === null ? null : describeFollows(store, config.master.url),
    channels: store.channels.list().map((channel) => describeChannel(repo, channel)),
    archives: store.archives.suites().map((suite) => {
      const mine = frozen.filter((index) => index.suiteId === suite.id)
      return describeSuite(
        suite,
        mine.map((index) => `${index.component}/${index.architecture}`),
      )
    }),
    alarms: store.alarms.list().map((alarm) => ({
      key: alarm.key,
      since: formatIso(alarm.raisedAt),
      message: alarm.message,
      hint: alarm.hint,
    })),
  }
})

function describeFollows(store: Store, master: string): FollowsEntry {
  const channels = store.channels.list().flatMap(({ id, name }) => {
    const followed = store.followed.find(id)
    if (followed === null) return []
    return {
      name,
      snapshot: store.channels.head(id)?.id ?? null,
      signedAt: isoOrNull(store.manifests.find(id)?.date ?? null),
      checkedAt: isoOrNull(followed.checkedAt),
    }
  })
  return { master, channels }
}

export const status = action<Nothing, StatusResult>({
  verb: 'status',
  role: 'viewer',
  input: nothing as z.ZodType<Nothing>,
  async run(context, input, call) {
    const files = await context.supply.report()
    const known = { ...(await context.jobs.run(statusStep, input, call)), files }
    const describe = (alarm: Omit<AlarmEntry, 'since'> & { readonly since: number }) => {
      return { ...alarm, since: formatIso(alarm.since) }
    }
    const alarms = [...known.alarms, ...context.supply.alarms().map(describe)]
    const report = context.cache()
    if (report === null) return { ...known, alarms, cache: null }
    const { alarms: mine, ...cache } = report
    return { ...known, alarms: [...alarms, ...mine.map(describe)], cache }
  },
})
