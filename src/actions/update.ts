// `uus update`: adopt upstream, let channels follow, publish.
import { z } from 'zod'
import { isSecuritySuite } from '../debian/names.ts'
import { type ErrorValue, UusError } from '../lib/errors.ts'
import { refreshAlarms } from '../repo/alarms.ts'
import { republishStale } from '../repo/configure.ts'
import { type MadeContents, makeDueContents, publishContents } from '../repo/contents.ts'
import { evaluate } from '../repo/evaluate.ts'
import { followChannels } from '../repo/follow-channels.ts'
import { renewEnvelopes } from '../repo/renew.ts'
import type { Suite } from '../store/archives.ts'
import type { AdoptInput, Examination, ExamineInput, FetchedIndex } from '../sync/upstream/adopt.ts'
import type { UpstreamArchive } from '../sync/upstream/archive.ts'
import {
  action,
  type Call,
  type JobsContext,
  type Outcome,
  readStep,
  type ServerContext,
  type Status,
  step,
} from './action.ts'
import { onSlave } from './roles.ts'
import { reason } from './shared.ts'
import { type ChannelSync, syncOnce } from './sync.ts'
import { upstreamArchives } from './upstream-archive.ts'

export const examineStep = readStep<ExamineInput, Examination>('examine', ({ adopter }, input) =>
  adopter.examine(input),
)

export const adoptStep = step<AdoptInput, { entered: number; left: number }>(
  'adopt',
  ({ adopter }, input, call) => adopter.adopt(input, call.emit),
)

export const failureStep = step<{ archive: string; suite: string; error: ErrorValue }, void>(
  'record-failure',
  ({ repo }, { archive, suite, error }) => {
    const { store, clock } = repo
    const { id } = store.archives.findSuite(archive, suite)!
    store.db.write((tx) => store.archives.recordFailure(tx, id, clock.now(), error))
  },
)

interface SettleInput {
  /** Suites of which upstream showed the very Release that is held. */
  readonly unchanged: readonly { readonly archive: string; readonly suite: string }[]
}

/** What follows from an adoption, and the upkeep that any update does. */
export const settleStep = step<SettleInput, void>('settle', async (context, { unchanged }, call) => {
  const { store, clock } = context.repo
  if (unchanged.length > 0) {
    store.db.write((tx) => {
      for (const { archive, suite } of unchanged) {
        store.archives.recordCheck(tx, store.archives.findSuite(archive, suite)!.id, clock.now())
      }
    })
  }
  await followChannels(context.repo, call.actor, call.emit)
  await moveByThemselves(context, call)
  await upkeep(context, call, [])
})

/** What has to be done now and then, whether or not upstream has news: signatures renewed, alarms kept true. */
export const upkeepStep = step<Record<string, never>, void>('upkeep', (context, _input, call) =>
  upkeep(context, call, [() => moveByThemselves(context, call)]),
)

/** What rules and approvals let in, and what follows from that. */
export async function moveByThemselves({ repo }: Pick<JobsContext, 'repo'>, call: Call): Promise<void> {
  await evaluate(repo, call.actor, call.emit)
  await followChannels(repo, call.actor, call.emit)
}

type Work = () => Promise<unknown>

async function upkeep(context: JobsContext, call: Call, alsoDue: readonly Work[]): Promise<void> {
  const { repo, config } = context
  const troubles: UusError[] = []
  const due: readonly Work[] = [
    () => republishStale(repo, call.actor, call.emit),
    ...alsoDue,
    () => renewEnvelopes(repo),
    () => signAuditLog(context, call),
  ]
  for (const work of due) {
    try {
      await work()
    } catch (error) {
      troubles.push(UusError.from(error))
    }
  }
  for (const finding of refreshAlarms(repo, maxAgeOf({ config }), troubles))
    call.emit({ type: 'alarm', ...finding })
}

/** A lost key keeps nothing else from being done; there is an alarm when it lasts. */
async function signAuditLog({ auditLog }: JobsContext, call: Call): Promise<void> {
  try {
    await auditLog.checkpoint()
  } catch (error) {
    if (!(error instanceof UusError) || error.code !== 'SIGNING_KEY_MISSING') throw error
    call.emit({ type: 'note', message: `${error.message}. ${error.hint}` })
  }
}

/** Suites that are made to move: their newest Release should not be old. */
export function maxAgeOf({ config }: Pick<JobsContext, 'config'>): (suite: Suite) => number | null {
  return (suite) => {
    const { suite: name, codename } = suite.adopted?.identity ?? {}
    const isMoving =
      isSecuritySuite(suite.name, name, codename) ||
      [suite.name, name, codename].some(
        (one) => one !== undefined && /(-updates|^sid|^unstable|^devel)$/.test(one),
      )
    if (!isMoving) return null
    return config.archives.find((archive) => archive.name === suite.archive)?.maxAgeSeconds ?? null
  }
}

const input = z.object({
  /** Names; empty means all. */
  archives: z.array(z.string()).default([]),
  /** `archive/suite`: adopt in spite of a changed identity or a vanished index. */
  accept: z.array(z.string()).default([]),
  reason: reason.nullable().default(null),
})

export interface SuiteResult {
  readonly archive: string
  readonly suite: string
  readonly outcome: 'adopted' | 'unchanged' | 'older' | 'failed'
  readonly entered: number
  readonly left: number
  readonly error: ErrorValue | null
}

export interface UpdateResult extends Outcome {
  readonly items: readonly SuiteResult[]
  /** On a slave, which has no archives of its own: what became of its channels. */
  readonly channels?: readonly ChannelSync[]
}

export const update = action<z.output<typeof input>, UpdateResult>({
  verb: 'update',
  role: 'admin',
  input: input as z.ZodType<z.output<typeof input>>,
  async run(context, order, call) {
    if (context.synchronizer !== null) return updateSlave(context, order, call)
    const archives = chooseArchives(context, order.archives)
    checkAccepted(archives, order.accept, order.reason)
    const fetched: FetchedIndex[] = []
    try {
      const results = await Promise.all(
        archives.map((archive) => updateArchive(context, archive, { ...order, fetched }, call)),
      )
      await refreshContents(context, call)
      return { status: statusOf(results.flat()), items: results.flat() }
    } finally {
      await context.gatherer.forget(fetched)
    }
  },
})

async function updateSlave(
  context: ServerContext,
  { archives, accept }: z.output<typeof input>,
  call: Call,
): Promise<UpdateResult> {
  if (archives.length > 0 || accept.length > 0)
    throw onSlave('update of single archives', context.config.master!.url)
  const { status, items } = await syncOnce(context, call)
  return { status, items: [], channels: items }
}

/** Takes a while, and keeps no writer from its turn. */
export const makeContentsStep = readStep<Record<string, never>, MadeContents[]>('contents-make', ({ repo }) =>
  makeDueContents(repo),
)

export const publishContentsStep = step<readonly MadeContents[], void>(
  'contents-publish',
  ({ repo }, made, call) => publishContents(repo, made, call.actor, call.emit),
)

/** Contents indexes, for those who take them over: at most once a day. */
export async function refreshContents(context: ServerContext, call: Call): Promise<void> {
  const made = await context.jobs.run(makeContentsStep, {}, call)
  if (made.length > 0) await context.jobs.run(publishContentsStep, made, call)
}

/** One archive, with what follows from it: a slow one keeps no other back. */
async function updateArchive(
  context: ServerContext,
  archive: UpstreamArchive,
  order: Pick<SuiteOrder, 'fetched' | 'reason'> & { readonly accept: readonly string[] },
  call: Call,
): Promise<SuiteResult[]> {
  const results = await Promise.all(
    archive.suites.map((suite) => {
      const name = `${archive.name}/${suite}`
      const isAccepted = order.accept.includes(name)
      return context.suiteTurns.take(name, () =>
        updateSuite(
          context,
          { archive, suite, isAccepted, reason: order.reason, fetched: order.fetched },
          call,
        ),
      )
    }),
  )
  const unchanged = results.filter((result) => result.outcome === 'unchanged')
  await context.jobs.run(settleStep, { unchanged }, call)
  return results
}

function chooseArchives({ config }: ServerContext, names: readonly string[]): UpstreamArchive[] {
  const all = upstreamArchives(config)
  const local = config.archives.find((archive) => archive.local !== null && names.includes(archive.name))
  if (local !== undefined) {
    throw new UusError('USAGE', `Archive ${local.name} is local: nobody else has news of it`, {
      hint: `Add packages to it: uus add FILE.deb --archive ${local.name} --suite ${local.suites[0]}`,
    })
  }
  const unknown = names.find((name) => !all.some((archive) => archive.name === name))
  if (unknown !== undefined) {
    throw new UusError('UNKNOWN_NAME', `There is no archive "${unknown}" in the configuration`, {
      hint: `Archives are: ${all.map((archive) => archive.name).join(', ')}`,
    })
  }
  return names.length === 0 ? all : all.filter((archive) => names.includes(archive.name))
}

function checkAccepted(
  archives: readonly UpstreamArchive[],
  accept: readonly string[],
  why: string | null,
): void {
  const known = archives.flatMap((archive) => archive.suites.map((suite) => `${archive.name}/${suite}`))
  const unknown = accept.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw new UusError('UNKNOWN_NAME', `There is no suite "${unknown}" to accept`, {
      hint: `Suites are: ${known.join(', ')}`,
    })
  }
  if (accept.length > 0 && why === null) {
    throw new UusError('USAGE', '--accept needs a reason', {
      hint: 'Add --reason "…": it is kept in the audit log',
    })
  }
}

interface SuiteOrder {
  readonly archive: UpstreamArchive
  readonly suite: string
  readonly isAccepted: boolean
  readonly reason: string | null
  /** Collects what is to be forgotten at the end. */
  readonly fetched: FetchedIndex[]
}

/** One suite; its failure is recorded and stops no other. */
async function updateSuite(context: ServerContext, order: SuiteOrder, call: Call): Promise<SuiteResult> {
  const { archive, suite, isAccepted } = order
  const base = { archive: archive.name, suite, entered: 0, left: 0, error: null }
  try {
    const gathered = await context.gatherer.gather(order, call.emit)
    if (gathered.outcome !== 'fetched') {
      call.emit({ type: 'suite-checked', archive: archive.name, suite, outcome: gathered.outcome })
      return { ...base, outcome: gathered.outcome }
    }
    order.fetched.push(...gathered.indexes)
    const adoption: AdoptInput = {
      archive: archive.name,
      suite,
      fetched: gathered.fetched,
      isAccepted,
      indexes: gathered.indexes,
      reason: order.reason,
      actor: call.actor,
    }
    const { entered, left } = await context.jobs.run(adoptStep, adoption, call)
    gathered.remember()
    call.emit({ type: 'suite-adopted', archive: archive.name, suite, entered, left })
    return { ...base, outcome: 'adopted', entered, left }
  } catch (thrown) {
    const error = UusError.from(thrown).toValue()
    await context.jobs.run(failureStep, { archive: archive.name, suite, error }, call)
    call.emit({ type: 'suite-failed', archive: archive.name, suite, error })
    return { ...base, outcome: 'failed', error }
  }
}

/** Failed if anything failed; refused if all that failed only asks. */
function statusOf(results: readonly SuiteResult[]): Status {
  const failures = results.filter((result) => result.error !== null)
  if (failures.length === 0) return 'done'
  const isAsking = failures.every((result) => UusError.fromValue(result.error!).descriptor.exitCode === 3)
  return isAsking ? 'refused' : 'failed'
}
