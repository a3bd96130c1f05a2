// `uus snapshot export | import`: a channel's state as one file, to slaves that no network reaches.
import { existsSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { UusError } from '../lib/errors.ts'
import { memberBytes } from '../lib/tar-file.ts'
import { formatSize } from '../lib/units.ts'
import { type BundleMember, planBundle } from '../sync/bundle/plan.ts'
import { Bundle } from '../sync/bundle/read.ts'
import { writeBundle } from '../sync/bundle/write.ts'
import { action, type Call, type Outcome, type ServerContext } from './action.ts'
import { makeManifestsStep } from './source-steps.ts'

const file = z.string().refine(isAbsolute, 'the path must be absolute')

const exportInput = z.object({
  file,
  channel: z.string().default('approved'),
  since: z.string().nullable().default(null),
  packages: z.enum(['all', 'none']).default('all'),
  dryRun: z.boolean().default(false),
})
type ExportInput = z.output<typeof exportInput>

export interface ExportResult extends Outcome {
  readonly file: string
  readonly channel: string
  readonly snapshot: string
  readonly since: string | null
  readonly packages: number
  readonly sizeBytes: number
  /** Written by an earlier run that was cut off. */
  readonly resumedBytes: number
  readonly isDryRun: boolean
}

export const snapshotExport = action<ExportInput, ExportResult>({
  verb: 'snapshot export',
  role: 'admin',
  input: exportInput as z.ZodType<ExportInput>,
  async run(context, order, call) {
    if (existsSync(order.file))
      throw new UusError('USAGE', `${order.file} exists`, { hint: 'Name another file, or remove it' })
    if (context.config.role === 'master')
      await context.jobs.run(makeManifestsStep, { channels: [order.channel] }, call)
    const plan = context.readCatalogue((store) => planBundle(store, order))
    const totalBytes = plan.members.reduce((sum, member) => sum + memberBytes(member), 1024)
    const packages = plan.members.filter(({ type }) => type === 'package').length
    const message = `${plan.channel} ${plan.snapshot}: ${formatSize(totalBytes)}, ${packages} package files`
    call.emit({ type: 'note', message })
    const { channel, snapshot } = plan
    const known = {
      file: order.file,
      channel,
      snapshot,
      since: order.since,
      packages,
      isDryRun: order.dryRun,
    }
    if (order.dryRun) return { status: 'done', ...known, sizeBytes: totalBytes, resumedBytes: 0 }
    const written = await writeBundle(
      order.file,
      plan,
      (member) => openMember(context, member),
      (doneBytes) => call.emit({ type: 'fetch-progress', label: channel, doneBytes, totalBytes }),
    )
    return { status: 'done', ...known, ...written }
  },
})

async function openMember(
  { packages, openGenerated, readCatalogue: read }: ServerContext,
  member: BundleMember,
) {
  switch (member.type) {
    case 'bytes':
      return member.bytes
    case 'document':
      return read((store) => store.manifests.document(member.sha256))
    case 'range':
      return openGenerated(member.file)
    case 'package': {
      const { archive, path, sha256, sizeBytes } = member.file
      await packages.obtain(archive, path, { sha256, sizeBytes })
      return packages.open(sha256)
    }
  }
}

const importInput = z.object({ file })
type ImportInput = z.output<typeof importInput>

export interface ImportResult extends Outcome {
  readonly channel: string
  readonly snapshot: string
  readonly outcome: 'new' | 'renewed' | 'unchanged'
  /** Package files that were not here. */
  readonly packages: number
}

export const snapshotImport = action<ImportInput, ImportResult>({
  verb: 'snapshot import',
  role: 'admin',
  input: importInput as z.ZodType<ImportInput>,
  async run(context, order, call) {
    const { synchronizer } = context
    if (synchronizer === null) {
      throw new UusError('USAGE', 'This server is a master: it takes over nothing from others', {
        hint: 'Import on a slave: "uus slave add" says how to make one',
      })
    }
    await using bundle = await Bundle.open(order.file)
    const { channel } = bundle.head
    await synchronizer.check(channel, bundle)
    const packages = await importPackages(context, bundle, call)
    const { outcome } = await synchronizer.sync({
      channel,
      waitSeconds: 0,
      looksThrough: true,
      emit: call.emit,
      origin: bundle,
    })
    const snapshot = context.published().channels.get(channel)?.head?.id ?? bundle.head.snapshot
    return { status: outcome === 'unchanged' ? 'nothing' : 'done', channel, snapshot, outcome, packages }
  },
})

/** Before the flip: a client that sees the new state finds its packages. */
async function importPackages({ packages }: ServerContext, bundle: Bundle, call: Call): Promise<number> {
  const lacking: typeof bundle.packages = []
  for (const one of bundle.packages) if (!(await packages.has(one.sha256))) lacking.push(one)
  const totalBytes = lacking.reduce((sum, { place }) => sum + place.sizeBytes, 0)
  let doneBytes = 0
  for (const { sha256, place } of lacking) {
    if (!(await packages.store(sha256, bundle.read(place)))) {
      throw new UusError(
        'SYNC_REFUSED',
        `A package file in the bundle is not the one that it is named by (${sha256})`,
        {
          hint: 'Copy the bundle again; what was taken over stays',
        },
      )
    }
    doneBytes += place.sizeBytes
    call.emit({ type: 'fetch-progress', label: bundle.head.channel, doneBytes, totalBytes })
  }
  return lacking.length
}
