// Adding packages to a local archive: files first, durable, among those that are never evicted; then one transaction
// with the stanzas, what their versions mean from now on, and the audit row. Channels follow as after an update.
import { packagesStanzaOf } from '../../debian/deb/packages-stanza.ts'
import type { Json } from '../../lib/canonical-json.ts'
import type { Emit } from '../../lib/events.ts'
import { readRange } from '../../lib/random-access.ts'
import type { Actor } from '../../store/audit.ts'
import type { Blobs, OpenBlob } from '../../store/blobs.ts'
import type { Tx } from '../../store/database.ts'
import type { AcceptedChanges } from '../../store/local-packages.ts'
import type { ViewChange } from '../../store/views.ts'
import type { Repo } from '../repo.ts'
import { type InspectedDeb, uploadGone, withDeb } from './inspect.ts'
import type { AddPlan, PlannedPackage } from './plan.ts'

export interface AddOrder {
  readonly actor: Actor
  readonly reason: string | null
  /** The signed .changes by which the packages came, if so. */
  readonly changes: Omit<AcceptedChanges, 'archiveId'> | null
}

/** Carries a plan out, which must have been made after the last commit. False if there is nothing to do. */
export async function add(
  repo: Repo,
  uploads: Pick<Blobs, 'open'>,
  plan: AddPlan,
  order: AddOrder,
  emit: Emit,
): Promise<boolean> {
  const { store, committer, clock } = repo
  const entering = plan.packages.filter(({ indexes }) => indexes.length > 0)
  if (entering.length === 0 && order.changes === null) return false
  for (const { deb } of entering) await keepFile(repo, uploads, deb)
  const texts = new Map<PlannedPackage, Buffer>()
  for (const one of entering) texts.set(one, await renderStanza(uploads, one))
  const ids = store.db.write((tx) => putRecords(repo, tx, texts))
  const changes = viewChanges(plan, ids)
  await committer.commit(
    {
      channel: store.channels.upstream(),
      changes,
      kind: 'add',
      reason: order.reason,
      audit: {
        actor: order.actor,
        action: 'add',
        subject: plan.archive.name,
        details: {
          suites: plan.suites.map((suite) => suite.name),
          packages: entering.map(({ deb }) => describe(deb)),
          ...(order.changes === null
            ? {}
            : { changes: order.changes.textSha256, signedBy: order.changes.signedBy }),
        },
      },
      alongside: (tx) => record(repo, tx, plan, order, clock.now()),
    },
    emit,
  )
  return true
}

/** First it is known that the file must stay, then it comes. */
async function keepFile(
  { store, clock, packages }: Repo,
  uploads: Pick<Blobs, 'open'>,
  { name, sha256, sizeBytes }: InspectedDeb,
): Promise<void> {
  store.db.write((tx) => store.localPackages.keep(tx, sha256, sizeBytes, clock.now()))
  if ((await packages.sizeOf(sha256)) === sizeBytes) return
  const opened = await uploads.open(sha256)
  if (opened === null) throw uploadGone(name)
  await using blob = opened
  await copy(blob, packages, name, sha256)
}

async function copy(blob: OpenBlob, packages: Repo['packages'], name: string, sha256: string): Promise<void> {
  const writer = await packages.create()
  try {
    for await (const chunk of readRange(blob, 0, blob.sizeBytes)) await writer.write(chunk)
    const copied = await writer.commit()
    if (copied.sha256 !== sha256) throw uploadGone(name) // the disk gave other bytes than were written
  } finally {
    await writer.discard()
  }
}

function renderStanza(uploads: Pick<Blobs, 'open'>, { deb, path }: PlannedPackage): Promise<Buffer> {
  const { sizeBytes, sha256, md5 } = deb
  return withDeb(uploads, deb, async ({ control }) =>
    Buffer.from(packagesStanzaOf(control, { path, sizeBytes, sha256, md5 })),
  )
}

function putRecords(
  { store }: Repo,
  tx: Tx,
  texts: ReadonlyMap<PlannedPackage, Buffer>,
): Map<PlannedPackage, number> {
  const ids = store.records.put(
    tx,
    [...texts].map(([{ deb, path }, text]) => ({
      kind: 'packages' as const,
      text,
      name: deb.package,
      version: deb.version,
      architecture: deb.architecture,
      source: deb.source,
      sourceVersion: deb.sourceVersion,
      path,
      sizeBytes: deb.sizeBytes,
      sha256: deb.sha256,
      descriptionMd5: null,
    })),
  )
  return new Map([...texts.keys()].map((one, at) => [one, ids[at]!]))
}

function viewChanges(plan: AddPlan, ids: ReadonlyMap<PlannedPackage, number>): Map<number, ViewChange> {
  const changes = new Map<number, { enter: number[]; leave: number[] }>()
  const at = (indexId: number) => {
    const change = changes.get(indexId) ?? { enter: [], leave: [] }
    changes.set(indexId, change)
    return change
  }
  for (const [{ indexes }, id] of ids) for (const index of indexes) at(index.id).enter.push(id)
  for (const stanza of plan.leave) at(stanza.indexId).leave.push(stanza.id)
  return changes
}

function record({ store }: Repo, tx: Tx, { archive, packages }: AddPlan, order: AddOrder, at: number): void {
  for (const { deb, path, isKnown } of packages) {
    if (isKnown) continue
    const { version, architecture, sha256 } = deb
    const one = { archiveId: archive.id, name: deb.package, version, architecture, sha256, path }
    store.localPackages.add(tx, one, at, order.actor.name)
  }
  if (order.changes !== null) store.localPackages.accept(tx, { ...order.changes, archiveId: archive.id }, at)
}

function describe({
  package: name,
  version,
  architecture,
  sha256,
  source,
  sourceVersion,
}: InspectedDeb): Json {
  return { name, version, architecture, source, sourceVersion, sha256 }
}
