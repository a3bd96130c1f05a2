// `uus add`, and what is uploaded over HTTP: packages into a local archive, and on into a channel. The one use case behind
// every door; a door only has the files staged (upload-area.ts) and says who asks.
import { z } from 'zod'
import { asSha256, type Sha256 } from '../lib/digest.ts'
import { UusError } from '../lib/errors.ts'
import { followChannels } from '../repo/follow-channels.ts'
import { add as carryOut } from '../repo/local/add.ts'
import {
  checkAgreement,
  componentOf,
  packagesOf,
  refuseReplay,
  type TrustedChanges,
  verifyChanges,
  type WaitingFile,
} from '../repo/local/changes.ts'
import { clashes, unmet } from '../repo/local/concerns.ts'
import { type InspectedDeb, inspectDeb, type UploadedFile } from '../repo/local/inspect.ts'
import { type Addition, type AddPlan, findLocal, planAddition } from '../repo/local/plan.ts'
import type { Repo } from '../repo/repo.ts'
import { unknownChannel } from '../repo/scope.ts'
import type { Channel } from '../store/channels.ts'
import {
  action,
  type Call,
  type JobsContext,
  type Outcome,
  readStep,
  type ServerContext,
  step,
} from './action.ts'
import { moveOn, placedIn } from './add-travel.ts'
import { reason } from './shared.ts'
import { moveByThemselves } from './update.ts'

const digest = z.string().transform((text, context): Sha256 => {
  const found = asSha256(text)
  if (found === null) context.addIssue('must be a SHA-256 in lower-case hex')
  return found ?? z.NEVER
})

const input = z.object({
  archive: z.string(),
  /** Not for a .changes, which says it itself. */
  suite: z.string().nullable().default(null),
  /** Default: the archive's first. */
  component: z.string().nullable().default(null),
  /** How far they are to go; default: testing, else the first channel that follows upstream. */
  channel: z.string().nullable().default(null),
  /** Files that were staged: packages, or a .changes with all that it lists. */
  files: z
    .array(z.object({ name: z.string(), sha256: digest, sizeBytes: z.number() }))
    .min(1, 'name what to add'),
  reason: reason.nullable().default(null),
})

export interface AddedEntry {
  readonly package: string
  readonly version: string
  readonly architecture: string
  readonly source: string
  /** False if it was there already. */
  readonly isNew: boolean
  /** `archive/suite component`. */
  readonly places: readonly string[]
}

export interface AddResult extends Outcome {
  readonly archive: string
  readonly channel: string
  readonly items: readonly AddedEntry[]
  /** What somebody should know, one sentence each. */
  readonly warnings: readonly string[]
  /** Why they did not get as far as was asked. */
  readonly refused: readonly string[]
  /** The files that belonged to it, by name. */
  readonly files: readonly string[]
  /** Of a .changes: who signed it. */
  readonly signedBy: string | null
}

export type AddInput = z.output<typeof input>

/** Reads only: what takes long is done before the writers' turn. */
export const inspectStep = readStep<UploadedFile, InspectedDeb>('inspect-deb', ({ uploads }, file) =>
  inspectDeb(uploads, file),
)

export const verifyChangesStep = readStep<{ archive: string; file: UploadedFile }, TrustedChanges>(
  'verify-changes',
  async ({ uploads, config, repo }, { archive, file }) => {
    const known = findLocal(repo.store, archive)
    const trusted = await verifyChanges(
      uploads,
      file,
      config.archives.find((one) => one.name === archive)!,
      repo.clock.now(),
    )
    refuseReplay(repo, known, trusted)
    return trusted
  },
)

interface CommitInput {
  readonly addition: Addition
  readonly channel: string | null
  readonly reason: string | null
  readonly changes: TrustedChanges | null
}

export const addStep = step<CommitInput, AddResult>('add-packages', (context, order, call) =>
  addPackages(context, order, call),
)

export const add = action<AddInput, AddResult>({
  verb: 'add',
  role: 'admin',
  takesFiles: true,
  input: input as unknown as z.ZodType<AddInput>,
  async run(context, order, call) {
    const changes = order.files.filter((file) => file.name.endsWith('.changes'))
    if (changes.length > 1) throw usage('Only one .changes can be added at a time', 'Add one after the other')
    const [first] = changes
    if (first !== undefined) return addChanges(context, order, first, call)
    if (order.suite === null) throw usage('It is not said into which suite', 'Name it with --suite')
    const debs = await inspectAll(context, order.files, call)
    const component = order.component ?? firstComponent(context, order.archive)
    const packages = debs.map((deb) => ({ deb, component }))
    const addition = { archive: order.archive, suites: [order.suite], packages }
    return context.jobs.run(addStep, { ...order, addition, changes: null }, call)
  },
})

/** As the configuration has them; an archive that is not there is refused later, with what there is. */
function firstComponent({ config }: ServerContext, archive: string): string {
  return config.archives.find((one) => one.name === archive)?.components[0] ?? 'main'
}

/** One after the other: each may take much memory to unpack. */
async function inspectAll(context: ServerContext, files: readonly UploadedFile[], call: Call) {
  const debs: InspectedDeb[] = []
  for (const { name, sha256 } of files) debs.push(await context.jobs.run(inspectStep, { name, sha256 }, call))
  return debs
}

async function addChanges(
  context: ServerContext,
  order: AddInput,
  file: WaitingFile,
  call: Call,
): Promise<AddResult> {
  const trusted = await context.jobs.run(verifyChangesStep, { archive: order.archive, file }, call)
  const { distributions } = trusted.changes
  if (order.suite !== null && !distributions.includes(order.suite))
    throw usage(`${file.name} is for ${distributions.join(', ')}`, 'Leave out --suite')
  refuseOtherSuites(context, order, trusted)
  const files = packagesOf(trusted, order.files)
  const debs = await inspectAll(context, files, call)
  checkAgreement(trusted, debs)
  const usual = order.component ?? firstComponent(context, order.archive)
  const packages = debs.map((deb, at) => ({ deb, component: componentOf(files[at]!) ?? usual }))
  const addition = { archive: order.archive, suites: distributions, packages }
  // Who sent it over HTTP may be anybody: it is the signer's act.
  const actor = call.actor.via === 'upload' ? { ...call.actor, name: `key ${trusted.signedBy}` } : call.actor
  return context.jobs.run(addStep, { ...order, addition, changes: trusted }, { ...call, actor })
}

function refuseOtherSuites(
  { config }: ServerContext,
  { archive }: AddInput,
  { name, changes }: TrustedChanges,
) {
  const suites = config.archives.find((one) => one.name === archive)?.suites ?? []
  const other = changes.distributions.find((one) => !suites.includes(one))
  if (other === undefined) return
  throw new UusError(
    'CHANGES_REFUSED',
    `${name} is for "${other}", and ${archive} has no suite of that name`,
    {
      hint: `Its suites are: ${suites.join(', ')}. Say so in debian/changelog, or "dpkg-genchanges -DDistribution=…"`,
    },
  )
}

async function addPackages(
  { repo, uploads }: JobsContext,
  { addition, channel: wanted, reason: why, changes }: CommitInput,
  call: Call,
): Promise<AddResult> {
  const channel = findTarget(repo, wanted)
  if (changes !== null) refuseReplay(repo, findLocal(repo.store, addition.archive), changes)
  const plan = planAddition(repo.store, addition)
  const accepted = changes && {
    textSha256: changes.textSha256,
    signedBy: changes.signedBy,
    source: changes.changes.source,
    version: changes.changes.version,
  }
  const isDone = await carryOut(
    repo,
    uploads,
    plan,
    { actor: call.actor, reason: why, changes: accepted },
    call.emit,
  )
  if (isDone) {
    await followChannels(repo, call.actor, call.emit)
    await moveByThemselves({ repo }, call)
  }
  const { refused, isMoved } = await moveOn(repo, plan, channel, why, call)
  const warnings = concernsOf(repo, plan, channel)
  return {
    status: refused.length > 0 ? 'refused' : isDone || isMoved ? 'done' : 'nothing',
    archive: addition.archive,
    channel: channel.name,
    items: describeItems(plan),
    warnings,
    refused,
    files: changes?.changes.files.map((file) => file.name) ?? plan.packages.map(({ deb }) => deb.name),
    signedBy: changes?.signedBy ?? null,
  }
}

function findTarget({ store, ...repo }: Repo, wanted: string | null): Channel {
  const channels = store.channels.list().filter((one) => one.parentId !== null && one.isConfigured)
  const usual = channels.find((one) => one.name === 'testing') ?? channels.find((one) => one.follows)
  const found = wanted === null ? usual : channels.find((one) => one.name === wanted)
  if (found !== undefined) return found
  if (wanted !== null) throw unknownChannel({ store, ...repo }, wanted)
  throw usage('It is not said into which channel', 'Name it with --channel')
}

function concernsOf(repo: Repo, plan: AddPlan, channel: Channel): string[] {
  const upstream = repo.store.channels.upstream()
  const added = placedIn(repo, plan, upstream)
  const found = [
    ...unmet(repo, channel, placedIn(repo, plan, channel)),
    ...clashes(repo.store, upstream, added),
  ]
  return [...new Set(found.map((one) => one.sentence))]
}

function describeItems({ packages, suites }: AddPlan): AddedEntry[] {
  const [first] = suites
  return packages.map(({ deb, indexes }) => ({
    package: deb.package,
    version: deb.version,
    architecture: deb.architecture,
    source: deb.source,
    isNew: indexes.length > 0,
    places: [...new Set(indexes.map((one) => `${first!.archive}/${one.suite} ${one.component}`))],
  }))
}

function usage(message: string, hint: string): UusError {
  return new UusError('USAGE', message, { hint })
}
