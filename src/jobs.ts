// The composition root of the jobs process: the writing half. It loads nothing that speaks to a network.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { JobsContext } from './actions/action.ts'
import { needsSender } from './actions/supplies.ts'
import { upstreamArchives } from './actions/upstream-archive.ts'
import type { Config } from './config/config.ts'
import { describeConfig } from './config/describe.ts'
import type { MasterConfig } from './config/tiers.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { type Disk, RealDisk } from './lib/disk.ts'
import { UusError } from './lib/errors.ts'
import { recordAccess } from './repo/access-rules.ts'
import { AuditLog } from './repo/audit/log.ts'
import { Committer } from './repo/commit.ts'
import { recordConfiguration } from './repo/configuration.ts'
import { configure, republishOutdated } from './repo/configure.ts'
import { architecturesByRelease, Installability } from './repo/installability.ts'
import { publishLocal } from './repo/local/publish.ts'
import type { Repo } from './repo/repo.ts'
import { SigningKeys } from './repo/signing-keys.ts'
import { Unoffered } from './repo/unoffered.ts'
import type { Actor } from './store/audit.ts'
import { FileBlobs } from './store/file-blobs.ts'
import { takeLock } from './store/lock.ts'
import { Store } from './store/store.ts'
import { Importer } from './sync/slave/importer.ts'
import { ensureServerId, prepareSlave, refuseSlavesData } from './sync/slave/open.ts'
import { Adopter } from './sync/upstream/adopt.ts'
import { Gpgv } from './trust/gpgv.ts'

/** Where things lie in the data directory; docs/format.md describes them. */
export function dataPaths(dataFolder: string) {
  return {
    catalogue: join(dataFolder, 'catalogue.db'),
    /** Held by whoever owns the directory. */
    lock: join(dataFolder, 'lock.db'),
    /** Held by the process that writes the catalogue. */
    writerLock: join(dataFolder, 'writer.lock'),
    socket: join(dataFolder, 'uus.sock'),
    keys: join(dataFolder, 'keys'),
    pool: join(dataFolder, 'pool'),
    /** Package files that are being fetched. */
    partial: join(dataFolder, 'pool', 'partial'),
    published: join(dataFolder, 'published'),
    texts: join(dataFolder, 'texts'),
    incoming: join(dataFolder, 'incoming'),
    /** What people upload, until it is accepted. */
    uploads: join(dataFolder, 'uploads'),
    /** Upstream's own signed files, for the forward proxy. */
    forward: join(dataFolder, 'forward'),
    /** Damaged bytes, out of service. */
    quarantine: join(dataFolder, 'quarantine'),
  }
}

/** Makes the data directory; DATA_UNUSABLE where that cannot be. */
export function makeDataFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 })
  } catch (error) {
    throw new UusError(
      'DATA_UNUSABLE',
      `Cannot make the data directory ${path}: ${(error as Error).message}`,
      {
        cause: error,
        hint: 'Name another with "data" in the configuration (--data of "uus init"), or run as a user that may write there',
      },
    )
  }
}

/** Who acts when nobody asked. */
export const system: Actor = { name: 'uus', via: 'schedule' }

/** The writing half: the catalogue, the generated files, the private keys. One at a time per data directory. */
export async function openJobs(
  config: Config,
  disk: Disk = new RealDisk(),
  clock: Clock = systemClock,
  /** Who is answerable for what a changed configuration does. */
  actor: Actor = system,
): Promise<JobsContext & Disposable> {
  const paths = dataPaths(config.dataFolder)
  makeDataFolder(config.dataFolder)
  const resources = new DisposableStack()
  try {
    resources.use(takeLock(paths.writerLock, 'the jobs process', 15_000))
    const store = resources.use(Store.openWriter(paths.catalogue, disk))
    const packs = new FileBlobs(paths.published, disk)
    const texts = new FileBlobs(paths.texts, disk, { transient: true })
    await packs.prepare()
    await texts.prepare()
    const keys = new SigningKeys(paths.keys, disk, store.keys)
    const gpgv = resources.use(new Gpgv())
    const settings = { snapshotsUrl: config.snapshotsUrl }
    const generated = { packs, texts }
    const repo: Repo = {
      store,
      committer: new Committer(store, generated, keys, clock, settings, config.channels, gpgv),
      clock,
      generated,
      keys,
      settings,
      channels: config.channels,
      packages: new FileBlobs(paths.pool, disk),
      unoffered: new Unoffered(store),
      installability: new Installability(
        store,
        (release) => architecturesByRelease(store.archives.suites(), config.archives).get(release) ?? [],
      ),
    }
    ensureServerId(store)
    const auditLog = new AuditLog(store, keys, clock)
    const importer = config.master === null ? null : openImporter(config, config.master, repo, disk)
    if (importer === null) {
      refuseSlavesData(store)
      recordConfiguration(repo, describeConfig(config), actor)
      recordAccess(store, config.archives)
      await configure(repo, config.archives, actor)
      await publishLocal(repo, config.archives, actor, () => {})
      await auditLog.prepare(actor)
      await republishOutdated(repo, actor, () => {})
    } else await prepareSlave(repo)
    const archives = upstreamArchives(config)
    const adopter = new Adopter(repo, new FileBlobs(paths.incoming, disk, { transient: true }), archives)
    const uploads = new FileBlobs(paths.uploads, disk, { transient: true })
    const owned = resources.move()
    const needs = needsSender()
    return {
      config,
      repo,
      adopter,
      importer,
      auditLog,
      needs,
      uploads,
      [Symbol.dispose]: () => owned.dispose(),
    }
  } catch (error) {
    resources.dispose()
    throw error
  }
}

/** The writing half of a slave: it follows, and decides nothing. */
function openImporter(config: Config, { keys, prefetch }: MasterConfig, repo: Repo, disk: Disk): Importer {
  return new Importer({
    store: repo.store,
    packs: repo.generated.packs,
    packages: repo.packages,
    incoming: new FileBlobs(dataPaths(config.dataFolder).incoming, disk, { transient: true }),
    clock: repo.clock,
    pinned: keys,
    prefetch,
  })
}
