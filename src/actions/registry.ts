// Every action and every step, by name: what the socket, the jobs process and the documentation go by.
import type { Action, Outcome, Step } from './action.ts'
import { add, addStep, inspectStep, verifyChangesStep } from './add.ts'
import { archiveDrop, archiveList } from './archives.ts'
import { audit } from './audit.ts'
import { backup } from './backup.ts'
import { snapshotExport, snapshotImport } from './bundles.ts'
import { readChangelogStep } from './changelog.ts'
import { channelCheck } from './channel-check.ts'
import { channelDiff, channelList, channelSeed, channelShow } from './channels.ts'
import { claimSteps } from './claims.ts'
import { conf, pins, sources } from './client-files.ts'
import { approve, decisionSteps, decline, hold, unhold } from './decide.ts'
import { readForwardedStep, verifyForwardedStep } from './forward.ts'
import {
  checkDatabaseStep,
  checkGeneratedStep,
  findPlacesStep,
  fsck,
  settleSuspectsStep,
  verifyPackagesStep,
} from './fsck.ts'
import { gc } from './gc.ts'
import { keyDrop, keyExport, keyList, keyRotate } from './keys.ts'
import { noticeList, noticeRetry, noticeSteps } from './notices.ts'
import { explain, explainStep, pending } from './pending.ts'
import { promote, promoteStep } from './promote.ts'
import { remove } from './remove.ts'
import { resetDatesAction } from './reset-dates.ts'
import { rulesTest } from './rules.ts'
import {
  adoptSnapshotFileStep,
  deliveredStep,
  nextBatchStep,
  queueTrafficStep,
  slaveUpkeepStep,
  syncCheckedStep,
  syncExamineStep,
  syncFailedStep,
  syncFlipStep,
  syncResolvedStep,
  syncStoreStep,
  unwantStep,
} from './slave-steps.ts'
import { addSlaveStep, listSlavesStep, slaveAdd, slaveList, slaveRevoke } from './slaves.ts'
import { signSnapshotStep } from './snapshot-envelopes.ts'
import {
  rollbackStep,
  snapshotDiff,
  snapshotKeep,
  snapshotList,
  snapshotRollback,
  snapshotShow,
  snapshotUnkeep,
} from './snapshots.ts'
import { makeManifestsStep, receiveEventsStep, recordContactsStep } from './source-steps.ts'
import { status, statusStep } from './status.ts'
import { aheadStep, needsStep, offeredStep, supplyStep, usedStep } from './supplies.ts'
import { sync } from './sync.ts'
import {
  adoptStep,
  examineStep,
  failureStep,
  makeContentsStep,
  publishContentsStep,
  settleStep,
  update,
  upkeepStep,
} from './update.ts'
import {
  userAdd,
  userAddStep,
  userList,
  userPassword,
  userPasswordStep,
  userRemove,
  userRevoke,
  userRole,
  userToken,
  userTokenStep,
} from './users.ts'

/** An action whose types are checked at its definition; here only its name matters. */
export type AnyAction = Action<unknown, Outcome>
export type AnyStep = Step<unknown, unknown>

const all = [
  add,
  approve,
  archiveDrop,
  archiveList,
  audit,
  backup,
  channelCheck,
  channelDiff,
  channelList,
  channelSeed,
  channelShow,
  conf,
  decline,
  explain,
  fsck,
  gc,
  hold,
  keyDrop,
  keyExport,
  keyList,
  keyRotate,
  noticeList,
  noticeRetry,
  pending,
  pins,
  promote,
  remove,
  rulesTest,
  resetDatesAction,
  slaveAdd,
  slaveList,
  slaveRevoke,
  snapshotDiff,
  snapshotExport,
  snapshotImport,
  snapshotKeep,
  snapshotList,
  snapshotRollback,
  snapshotShow,
  snapshotUnkeep,
  sources,
  status,
  sync,
  unhold,
  update,
  userAdd,
  userList,
  userPassword,
  userRemove,
  userRevoke,
  userRole,
  userToken,
] as unknown as readonly AnyAction[]

export const actions: ReadonlyMap<string, AnyAction> = new Map(all.map((one) => [one.verb, one]))

const innerSteps = [
  ...claimSteps,
  ...noticeSteps,
  addStep,
  inspectStep,
  verifyChangesStep,
  addSlaveStep,
  adoptSnapshotFileStep,
  adoptStep,
  aheadStep,
  decisionSteps.approve,
  checkDatabaseStep,
  checkGeneratedStep,
  deliveredStep,
  examineStep,
  explainStep,
  failureStep,
  findPlacesStep,
  listSlavesStep,
  makeContentsStep,
  needsStep,
  offeredStep,
  promoteStep,
  publishContentsStep,
  readChangelogStep,
  readForwardedStep,
  makeManifestsStep,
  nextBatchStep,
  publishContentsStep,
  queueTrafficStep,
  receiveEventsStep,
  recordContactsStep,
  rollbackStep,
  settleStep,
  settleSuspectsStep,
  signSnapshotStep,
  slaveUpkeepStep,
  syncCheckedStep,
  syncExamineStep,
  syncFailedStep,
  syncFlipStep,
  syncResolvedStep,
  syncStoreStep,
  unwantStep,
  upkeepStep,
  verifyPackagesStep,
  statusStep,
  supplyStep,
  upkeepStep,
  usedStep,
  verifyForwardedStep,
  verifyPackagesStep,
  userAddStep,
  userPasswordStep,
  userTokenStep,
] as unknown as readonly AnyStep[]

export const steps: ReadonlyMap<string, AnyStep> = new Map(
  [...innerSteps, ...all.flatMap((one) => one.step ?? [])].map((one) => [one.name, one]),
)
