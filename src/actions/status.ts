// `uus status`: one screen of everything.
import { statfs } from 'node:fs/promises'
import { z } from 'zod'
import { formatIso } from '../lib/units.ts'
import { refreshAlarms } from '../repo/alarms.ts'
import { frozenIndexes } from '../repo/drop.ts'
import { type Outcome, step, stepAction } from './action.ts'
import { type ArchiveSuiteEntry, describeSuite } from './archives.ts'
import { type ChannelEntry, describeChannel } from './channels.ts'
import { maxAgeOf } from './update.ts'

export interface AlarmEntry {
  readonly key: string
  readonly since: string
  readonly message: string
  readonly hint: string | null
}

export interface StatusResult extends Outcome {
  readonly dataFolder: string
  readonly diskFreeBytes: number
  readonly channels: readonly ChannelEntry[]
  readonly archives: readonly ArchiveSuiteEntry[]
  readonly alarms: readonly AlarmEntry[]
}

const nothing = z.object({})
type Nothing = z.output<typeof nothing>

export const statusStep = step<Nothing, StatusResult>('status', async (context) => {
  const { repo, config } = context
  refreshAlarms(repo, maxAgeOf(context))
  const { store } = repo
  const frozen = frozenIndexes(repo, null)
  const disk = await statfs(config.dataFolder)
  return {
    status: 'done',
    dataFolder: config.dataFolder,
    diskFreeBytes: disk.bavail * disk.bsize,
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

export const status = stepAction(
  { verb: 'status', role: 'viewer', input: nothing as z.ZodType<Nothing> },
  statusStep,
)
