// Every action and every step, by name: what the socket, the jobs process and the documentation go by.
import type { Action, Outcome, Step } from './action.ts'
import { archiveDrop, archiveList } from './archives.ts'
import { audit } from './audit.ts'
import { channelDiff, channelList, channelSeed, channelShow } from './channels.ts'
import { pins, sources } from './client-files.ts'
import { approve, decline, hold, unhold } from './decide.ts'
import { keyExport, keyList } from './keys.ts'
import { explain, pending } from './pending.ts'
import { promote } from './promote.ts'
import { snapshotDiff, snapshotList, snapshotRollback, snapshotShow } from './snapshots.ts'
import { alarmsStep, status, statusStep } from './status.ts'
import { adoptStep, examineStep, failureStep, settleStep, update } from './update.ts'

/** An action whose types are checked at its definition; here only its name matters. */
export type AnyAction = Action<unknown, Outcome>
export type AnyStep = Step<unknown, unknown>

const all = [
  approve,
  archiveDrop,
  archiveList,
  audit,
  channelDiff,
  channelList,
  channelSeed,
  channelShow,
  decline,
  explain,
  hold,
  keyExport,
  keyList,
  pending,
  pins,
  promote,
  snapshotDiff,
  snapshotList,
  snapshotRollback,
  snapshotShow,
  sources,
  status,
  unhold,
  update,
] as unknown as readonly AnyAction[]

export const actions: ReadonlyMap<string, AnyAction> = new Map(all.map((one) => [one.verb, one]))

const innerSteps = [
  adoptStep,
  alarmsStep,
  examineStep,
  failureStep,
  settleStep,
  statusStep,
] as unknown as readonly AnyStep[]

export const steps: ReadonlyMap<string, AnyStep> = new Map(
  [...innerSteps, ...all.flatMap((one) => one.step ?? [])].map((one) => [one.name, one]),
)
